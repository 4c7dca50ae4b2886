"""COLLECT-LATE: what still comes for sealed rounds when no next round is there to take it into its export.

A sealed folder never changes. So late answers, edits and deletions get a supplement: a round that buys nothing and
goes straight to CLOSING; its seal writes the next folder with their flag, and the campaign learns from it as always.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tailfirst import schemas
from tailfirst.artifacts import canonical_json, sha256_bytes, write_parquet
from tailfirst.context import Context
from tailfirst.errors import Retryable, Throttled
from tailfirst.labeling._decide import harvest
from tailfirst.labeling._guard import patiently
from tailfirst.labeling._round import current
from tailfirst.labeling.collect import late_orders, poll_late
from tailfirst.labeling.plan import snapshot
from tailfirst.ledger.records import RoundRow
from tailfirst.ledger.transitions import FINAL_ROUND_STATES

DOWN_AFTER = 3  # orders that fail one after the other


def collect_late_labels(ctx: Context, *, every: bool = True) -> str:
    """Poll the orders of all sealed rounds; open a supplement round when anything came that no export holds.

    Args:
        ctx: The workspace.
        every: False polls only the newest order and those with tasks that may still be answered.

    Raises:
        UserError: There is no round yet.
        VendorError: The vendor refuses, or orders could not be read and nothing came; what was stored stays.
    """
    row = current(ctx)
    if row.state not in FINAL_ROUND_STATES:
        return f"round {row.round_no} is {row.state}: what comes late goes into its export, nothing else is to be done"
    number = row.round_no + 1
    unread = _poll_each(ctx, late_orders(ctx, number, every=every))
    found = harvest(ctx, replace(row, round_no=number))
    if not found.deliveries and unread:
        raise Retryable(unread)
    if not found.deliveries:
        return f"nothing came late for the {row.round_no} rounds so far"
    ctx.ledger.rounds.supplement(ctx.campaign, number, *_plan(ctx), ctx.now(), ctx.worker)
    late = len({(d.key, no) for no, d in found.deliveries})
    said = f"{late} tasks of sealed rounds have late answers: round {number} takes them into its export, seal it"
    return f"{said}; {unread}" if unread else said


def _poll_each(ctx: Context, orders: Sequence[tuple[RoundRow, bool]]) -> str:
    """Poll every order with patience of its own: one that cannot be read holds back no other. Says what was not read.

    Raises:
        Throttled: The vendor asks for a long wait.
        VendorError: The vendor refuses, or the last orders failed one after the other: it is down.
    """
    failed: dict[int, Retryable] = {}
    in_a_row = 0
    for row, awaited in orders:
        try:
            patiently(ctx, partial(poll_late, ctx, row, sweep=awaited))
            in_a_row = 0
        except Throttled:
            raise
        except Retryable as error:
            failed[row.round_no] = error
            in_a_row += 1
            if in_a_row == DOWN_AFTER:
                raise
    if not failed:
        return ""
    first = next(iter(failed))
    what = f"{len(failed)} of {len(orders)} orders could not be read"
    return f"{what}, e.g. that of round {first}: {failed[first]}; ask again"


def _plan(ctx: Context) -> tuple[str, str]:
    """Hash of a batch of no items, and what is known now, for round.json."""
    with TemporaryDirectory() as folder:
        empty = Path(folder) / "batch.parquet"
        write_parquet(empty, schemas.BATCH.empty_table())
        batch = empty.read_bytes()
    known = snapshot(ctx, batch) | {"acquisition": {"strategy": "late", "starved": []}}
    return sha256_bytes(batch), canonical_json(known)
