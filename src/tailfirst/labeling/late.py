"""COLLECT-LATE: what still comes for sealed rounds when no next round is there to take it into its export.

A sealed folder never changes. So late answers, edits and deletions get a supplement: a round that buys nothing and
goes straight to CLOSING; its seal writes the next folder with their flag, and the campaign learns from it as always.
"""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tailfirst import schemas
from tailfirst.artifacts import canonical_json, sha256_bytes, write_parquet
from tailfirst.context import Context
from tailfirst.labeling._decide import harvest
from tailfirst.labeling._round import current
from tailfirst.labeling.collect import collect_late
from tailfirst.labeling.plan import snapshot
from tailfirst.ledger.transitions import FINAL_ROUND_STATES


def collect_late_labels(ctx: Context, *, every: bool = True) -> str:
    """Poll the orders of all sealed rounds; open a supplement round when anything came that no export holds.

    Args:
        ctx: The workspace.
        every: False polls only the newest order and those with tasks that may still be answered.

    Raises:
        UserError: There is no round yet.
        VendorError: The vendor cannot be reached or refuses; what was stored stays.
    """
    row = current(ctx)
    if row.state not in FINAL_ROUND_STATES:
        return f"round {row.round_no} is {row.state}: what comes late goes into its export, nothing else is to be done"
    collect_late(ctx, row.round_no + 1, every=every, sweep=True)
    number = row.round_no + 1
    found = harvest(ctx, replace(row, round_no=number))
    if not found.deliveries:
        return f"nothing came late for the {row.round_no} rounds so far"
    ctx.ledger.rounds.supplement(ctx.campaign, number, *_plan(ctx), ctx.now(), ctx.worker)
    late = len({(d.key, no) for no, d in found.deliveries})
    return f"{late} tasks of sealed rounds have late answers: round {number} takes them into its export, seal it"


def _plan(ctx: Context) -> tuple[str, str]:
    """Hash of a batch of no items, and what is known now, for round.json."""
    with TemporaryDirectory() as folder:
        empty = Path(folder) / "batch.parquet"
        write_parquet(empty, schemas.BATCH.empty_table())
        batch = empty.read_bytes()
    known = snapshot(ctx, batch) | {"acquisition": {"strategy": "late", "starved": []}}
    return sha256_bytes(batch), canonical_json(known)
