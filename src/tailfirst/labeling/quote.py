"""QUOTE: ask the vendor what a round costs, every purpose apart. Nothing is ordered."""

from collections import Counter
from collections.abc import Sequence

from tailfirst.context import Context
from tailfirst.errors import ConfigError, UserError
from tailfirst.labeling._capabilities import switched_off
from tailfirst.labeling._guard import guarded
from tailfirst.labeling._round import current, idle, in_units, order_spec, project, slots
from tailfirst.labeling.abort import abort
from tailfirst.ledger.records import RoundRow, TaskRow
from tailfirst.port import Money, Quote

BEFORE_ORDER = ("PRICED", "APPROVED", "OVER_BUDGET")
NOTHING_LEFT = "every item to be bought was taken down before anything was ordered"


@guarded
def quote(ctx: Context) -> str:
    """Price every labeling task of the round; also a quote that ran out is asked for again.

    A round whose items were all taken down has nothing to price: it ends, and the next batch can be planned.

    Raises:
        ConfigError: The vendor cannot do what params.yaml asks, or prices in another currency.
        VendorConflict: The vendor holds other classes.
    """
    row = current(ctx)
    nothing = idle(row, "quote", "SELECTED", "QUOTED", "APPROVED")
    if nothing:
        return nothing
    tasks = [task for task in ctx.ledger.tasks.list(ctx.campaign, row.round_no) if task.state != "DROPPED"]
    if not tasks:
        return ended(ctx)
    if row.state != "SELECTED" and row.quote_valid_until is not None and ctx.now() <= row.quote_valid_until:
        return f"round {row.round_no} has a quote until {row.quote_valid_until:%Y-%m-%d %H:%M} UTC: {row.quote_basis}"
    _check_capabilities(ctx)
    whole = _record(ctx, row, tasks)
    said = [f"{in_units(whole.total.micros, whole.total.currency)} for {len(tasks)} items: {whole.basis}"]
    return "; ".join(said + switched_off(ctx.vendor.name, ctx.vendor.capabilities()))


def ended(ctx: Context) -> str:
    """End a round of which nothing is left to order: it is ABORTED, and the vendor gets no empty order."""
    return f"{abort(ctx, ctx.worker, NOTHING_LEFT)} ({NOTHING_LEFT})"


def asked_again(ctx: Context, row: RoundRow) -> str:
    """Ask for the price of an approved round once more, just before it is ordered; "" where it has not moved.

    Another price is a new quote: the round is QUOTED again and waits for a new approval (failure `price_changed`).
    """
    tasks = [t for t in ctx.ledger.tasks.list(ctx.campaign, row.round_no) if t.state in BEFORE_ORDER]
    parts = _quotes(ctx, row, Counter(task.purpose for task in tasks))
    if all(task.price_micros == parts[task.purpose].per_task.micros for task in tasks):
        return ""
    before = row.quote_micros or 0
    now = _record(ctx, row, tasks).total
    return (
        f"the price changed from {in_units(before, now.currency)} to {in_units(now.micros, now.currency)} since round "
        f"{row.round_no} was approved: nothing was sent, approve again"
    )


def _record(ctx: Context, row: RoundRow, tasks: Sequence[TaskRow]) -> Quote:
    parts = _quotes(ctx, row, Counter(task.purpose for task in tasks))
    whole = _sum(parts)
    prices = {task.key: parts[task.purpose].per_task.micros for task in tasks}
    ctx.ledger.rounds.record_quote(ctx.campaign, row.round_no, whole, prices, ctx.now(), ctx.worker)
    return whole


def _quotes(ctx: Context, row: RoundRow, counts: Counter[str]) -> dict[str, Quote]:
    made = project(ctx)
    parts: dict[str, Quote] = {}
    for purpose, n_tasks in sorted(counts.items()):
        parts[purpose] = ctx.vendor.quote(order_spec(ctx, row, made, n_tasks, purpose))  # type: ignore[arg-type]
        found, asked = parts[purpose].total.currency, ctx.params.money.currency
        if found != asked:
            raise ConfigError(
                f"vendor {ctx.vendor.name} prices in {found}, money.currency says {asked}; the ledger converts nothing"
            )
    return parts


def _sum(parts: dict[str, Quote]) -> Quote:
    total = sum(part.total.micros for part in parts.values())
    currencies = {part.total.currency for part in parts.values()}
    if len(currencies) != 1:
        found = ", ".join(sorted(currencies)) or "no items"
        raise UserError(f"a quote needs exactly one currency; found {found}")
    currency = currencies.pop()
    highest = max(part.per_task.micros for part in parts.values())
    basis = " + ".join(part.basis for part in parts.values())
    until = min(part.valid_until for part in parts.values())
    return Quote(Money(total, currency), Money(highest, currency), basis, until)


def _check_capabilities(ctx: Context) -> None:
    offered = ctx.vendor.capabilities()
    if len(slots(ctx)) == 1 and ctx.params.round.overlap > offered.overlap_max:
        raise ConfigError(
            f"round.overlap is {ctx.params.round.overlap}; vendor {ctx.vendor.name} gives at most "
            f"{offered.overlap_max} answers per item"
        )
