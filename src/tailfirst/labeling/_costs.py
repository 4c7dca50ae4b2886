"""What the vendor charges, booked into the ledger."""

from tailfirst.context import Context
from tailfirst.errors import Conflict, OverCap
from tailfirst.labeling._round import order_ref
from tailfirst.ledger.records import RoundRow
from tailfirst.port import BatchRef, CostLine, Money, SubmissionKey


def account(ctx: Context, row: RoundRow) -> str:
    """Book what the vendor charges for the order; what the ledger refuses, in words, for the dispute list.

    A line that is booked already changes nothing, and good lines are booked also when others are refused.
    """
    batch = order_ref(ctx, row)
    if batch is None:
        return ""
    estimated = ctx.vendor.capabilities().cost == "NONE"
    lines = _estimated(ctx, row, batch) if estimated else ctx.vendor.costs(batch)
    try:
        ctx.ledger.money.accrue(ctx.campaign, row.round_no, lines, ctx.now())
    except (Conflict, OverCap) as error:
        return f"costs in dispute: {error}"
    return ""


def _estimated(ctx: Context, row: RoundRow, batch: BatchRef) -> list[CostLine]:
    """Where the vendor reports no costs the price list is ours: one line per answered task."""
    answered = {d.key for d in ctx.ledger.deliveries.raw(ctx.campaign, row.round_no)}
    currency = row.currency or ctx.params.money.currency
    return [
        CostLine(
            f"estimated-{t.key}",
            SubmissionKey(t.key),
            batch.key,
            Money(t.price_micros, currency),
            ctx.now(),
            "ESTIMATED",
        )
        for t in ctx.ledger.tasks.list(ctx.campaign, row.round_no)
        if t.key in answered and t.price_micros is not None
    ]
