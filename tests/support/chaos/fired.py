"""How often each armed fault struck, worked out from the vendor's own book after the run.

A draw hangs on (seed, fault, call or key or person) alone, so it can be made again; what the draw alone does not say is
whether there was anything to strike: a revision to put out of order, a guess to follow, a second opinion to copy.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tailfirst.vendors import _simulated_wire as wire
from tailfirst.vendors._simulated_faults import Fault, fires
from tailfirst.vendors._simulated_params import CALL_FAULTS, STAFF_FAULTS, Params

OPERATION = {
    "create_timeout": "submit", "batch_partial": "submit", "double_worker": "submit", "zombie_worker": "changes",
    "export_truncated": "fetch", "ontology_drift": "ensure_project", "price_changed": "prices",
}  # fmt: skip
FORGED = "(SELECT COUNT(*) FROM callbacks c WHERE c.forged AND instr(c.body, t.vendor_id) > 0)"
BOUGHT = """
SELECT t.vendor_id, t.key, t.item_id, t.purpose, t.due_s, t.done, t.people, t.prelabel, t.first,
    (SELECT COUNT(*) FROM results x WHERE x.vendor_id = t.vendor_id),
    (SELECT COUNT(*) FROM events x WHERE x.vendor_id = t.vendor_id AND x.kind = 'DELETED'),
    {forged},
    (SELECT COUNT(*) FROM charges x WHERE x.key = t.key),
    b.polls, b.jumped_s,
    (SELECT COUNT(*) FROM tasks x WHERE x.key = t.key AND NOT x.canceled)
FROM tasks t JOIN batches b ON b.vendor_id = t.batch WHERE NOT t.canceled
"""


@dataclass(frozen=True)
class Bought:
    """A labeling task in the vendor's book."""

    vendor_id: str
    key: str
    item_id: str
    purpose: str
    due: timedelta
    done: bool
    people: tuple[str, ...]
    prelabel: str | None
    first: str | None
    revisions: int
    deleted: bool
    forged: int
    charged: bool
    elapsed: timedelta  # of its order
    polls: int
    copies: int  # tasks that were made under its key


def read_calls(book: Path) -> dict[str, int]:
    """How many requests of each operation the vendor counted."""
    with closing(sqlite3.connect(book, timeout=30)) as db:
        return {str(name): int(n) for name, n in db.execute("SELECT operation, n FROM calls")}


def read_bought(book: Path, hours_per_poll: float) -> list[Bought]:
    """Every task that was not taken back."""
    with closing(sqlite3.connect(book, timeout=30)) as db:
        pushes = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'callbacks'").fetchone() is not None
        rows = db.execute(BOUGHT.format(forged=FORGED if pushes else "0")).fetchall()
    return [
        Bought(
            row[0], row[1], row[2], row[3], timedelta(seconds=row[4]), bool(row[5]), tuple(row[6].split(",")), row[7],
            row[8], row[9], bool(row[10]), row[11], bool(row[12]),
            timedelta(hours=hours_per_poll * row[13], seconds=row[14]), row[13], row[15],
        )
        for row in rows
    ]  # fmt: skip


def of_calls(params: Params, before: Mapping[str, int], calls: Mapping[str, int]) -> Counter[str]:
    """Times that each armed fault struck a call, of those after `before` up to `calls`, by operation."""
    counted: Counter[str] = Counter({named(fault): 0 for fault in params.faults if fault.name in CALL_FAULTS})
    for name in dict.fromkeys(fault.name for fault in params.faults if fault.name in CALL_FAULTS):
        operation = OPERATION.get(name, "any")  # service faults count every call
        for n in range(before.get(operation, 0) + 1, calls.get(operation, 0) + 1):
            fault = next((f for f in params.armed(name) if fires(f, params.seed, call=n)), None)
            counted.update([named(fault)] if fault is not None else [])
    return counted


def of_items(params: Params, bought: list[Bought], truth: Mapping[str, str]) -> Counter[str]:
    """Times that each armed fault struck a labeling task, or an answer of a person."""
    wanted = [fault for fault in params.faults if fault.name not in CALL_FAULTS]
    counted: Counter[str] = Counter({named(fault): 0 for fault in wanted})
    for name in dict.fromkeys(fault.name for fault in wanted):
        if name in STAFF_FAULTS:
            answered = [b for b in bought if b.done and (name != "gold_leaked" or b.purpose == "GOLD")]
            counted[name] += sum(params.hit(name, key=who) is not None for b in answered for who in b.people)
        else:
            struck = ((b, params.hit(name, item_id=b.item_id, key=b.key)) for b in bought)
            counted.update(named(f) for b, f in struck if f is not None and _occasion(params, name, b, f, truth))
    return counted


def named(fault: Fault) -> str:
    """A fault, and which form of it."""
    form = " (after the commit)" if fault.after_commit else " (deleted)" if fault.deleted else ""
    return fault.name + form


def _occasion(params: Params, name: str, b: Bought, fault: Fault, truth: Mapping[str, str]) -> bool:
    """Whether there was something for the fault to strike."""
    late = next((n for n, _ in wire.DELAYS if params.hit(n, item_id=b.item_id, key=b.key)), None)
    classes = sorted(set(truth.values()))
    needs: dict[str, Callable[[], bool]] = {
        "conflict_409": lambda: True,
        "token_expired": lambda: b.copies > 1,
        "webhook_early": lambda: True,
        "webhook_forged": lambda: b.forged > 0,
        "sla_partial": lambda: late == name,
        "late_label": lambda: late == name,
        "cancel_too_late": lambda: late == name,
        "out_of_order": lambda: b.revisions > 1,
        "label_changed": lambda: b.deleted if fault.deleted else b.revisions > 1,
        "invoice_mismatch": lambda: b.charged,
        "guideline_ambiguous": lambda: b.done and truth[b.item_id] in (fault.pair or classes[:2]),
        "relabel_correlated": lambda: b.done and b.purpose == "RELABEL" and b.first is not None,
        "prelabel_anchoring": lambda: b.done and b.prelabel is not None,
        "vendor_retention": lambda: b.polls >= fault.polls and b.elapsed > b.due + fault.polls * params.poll,
    }
    return needs.get(name, lambda: b.done)()
