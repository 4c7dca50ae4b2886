"""How much of an order came back, by purpose and by the class that the model expected (failure `sla_partial`)."""

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tailfirst.context import Context
from tailfirst.ledger.records import RoundRow

NOT_ASKED = ("PLANNED", "PRICED", "APPROVED", "OVER_BUDGET", "DROPPED", "REFUSED")
BIAS = "what is missing is not at random: hard items come back last"


def coverage(ctx: Context, row: RoundRow) -> dict[str, Any]:
    """Tasks bought and tasks answered: of the order, by purpose, and by predicted class."""
    answered = {d.key for d in ctx.ledger.deliveries.raw(ctx.campaign, row.round_no)}
    tasks = [
        t for t in ctx.ledger.tasks.list(ctx.campaign, row.round_no) if t.vendor_task_id or t.state not in NOT_ASKED
    ]
    expected = _predicted(row)
    groups: dict[str, dict[str, Counter[str]]] = {"by_purpose": {}, "by_predicted": {}}
    whole: Counter[str] = Counter(bought=0, back=0)
    for task in tasks:
        come = Counter(bought=1, back=int(task.key in answered))
        whole.update(come)
        groups["by_purpose"].setdefault(task.purpose, Counter()).update(come)
        groups["by_predicted"].setdefault(expected.get(task.item_id) or "", Counter()).update(come)
    parts = {name: {key: dict(found) for key, found in sorted(group.items())} for name, group in groups.items()}
    return {"all": dict(whole), **parts, "note": BIAS if whole["back"] < whole["bought"] else ""}


def _predicted(row: RoundRow) -> Mapping[str, str | None]:
    plan = json.loads(row.plan_json or "{}")
    if "batch_parquet" not in plan:
        return {}
    table = pq.read_table(pa.BufferReader(b64decode(plan["batch_parquet"])), columns=["item_id", "predicted"])
    return dict(zip(table["item_id"].to_pylist(), table["predicted"].to_pylist(), strict=True))
