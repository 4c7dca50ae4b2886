"""Answers that echo another item (failure `answers_swapped`): one is put aside, many stop the batch."""

from tailfirst.context import Context
from tailfirst.ledger.records import DeliveryRow, RoundRow

SWAPPED = "answers swapped?"  # in the reason of such a quarantine
AT_LEAST = 2  # one swapped answer is put aside like any bad one


def stop_if_swapped(ctx: Context, row: RoundRow) -> str:
    """Pause the round when more answers than `round.max_swapped` echo another item; what to say about it, or "".

    If some answers of an order belong to other items, nobody knows which of the rest do: an answer may echo the right
    item and still be the neighbor's. So nothing of the order is used until a person has spoken with the vendor.
    """
    raw = ctx.ledger.deliveries.raw(ctx.campaign, row.round_no)
    swapped = sum(SWAPPED in (d.quarantine_reason or "") for d in raw)
    if swapped < AT_LEAST or swapped <= ctx.params.round.max_swapped * len(raw):
        return ""
    reason = f"answers swapped: {swapped} of {len(raw)} echo another item"
    _hold_back(ctx, row, [d for d in raw if d.quarantine_reason is None], reason)
    ctx.ledger.rounds.pause(ctx.campaign, row.round_no, reason, ctx.now(), ctx.worker)
    return (
        f"round {row.round_no} is paused, its answers are quarantined: {reason}; ask the vendor, then "
        "`tailfirst replay` (with round.max_swapped raised, to use those that echo their item) and `tailfirst resume`"
    )


def _hold_back(ctx: Context, row: RoundRow, good: list[DeliveryRow], reason: str) -> None:
    for d in good:
        ctx.ledger.deliveries.quarantine(
            ctx.campaign, row.round_no, d.vendor_id, d.revision, f"the batch is held: {reason}", ctx.now()
        )
