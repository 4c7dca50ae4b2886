"""What a quote and an approval do to a round and its tasks."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, Row, select, update

from tailfirst.errors import IllegalTransition, LedgerError, OverCap
from tailfirst.ledger import approvals, months
from tailfirst.ledger.journal import Act, Shift, move_round, move_tasks, round_row
from tailfirst.ledger.tables import Budget, Task
from tailfirst.port import Quote

BEFORE_QUOTE = ("PLANNED", "PRICED", "APPROVED", "OVER_BUDGET")


def record_quote(
    connection: Connection, campaign: str, round_no: int, quote: Quote, prices: Mapping[str, int], act: Act
) -> None:
    """Round QUOTED and tasks PRICED; a repetition of the same quote changes nothing."""
    row = round_row(connection, campaign, round_no, hold=True)
    tasks = [task for task in ranked(connection, campaign, round_no) if task.state in BEFORE_QUOTE]
    _check_prices(row, tasks, prices)
    _keep_currency(connection, campaign, quote.total.currency)
    if row.state == "QUOTED" and _same(row, quote) and all(t.price_micros == prices[t.key] for t in tasks):
        return
    values = {
        "quote_micros": quote.total.micros,
        "currency": quote.total.currency,
        "quote_valid_until": quote.valid_until,
        "quote_basis": quote.basis,
        "cap_micros": None,
        "approved_by": None,
        "approved_at": None,
    }
    noted = Act(act.at, act.actor, f"{quote.total.micros} micros {quote.total.currency}, {quote.basis}")
    if not move_round(connection, campaign, round_no, (row.state, "QUOTED"), noted, **values):
        raise IllegalTransition(f"round {round_no} of {campaign!r} is no longer {row.state}; read it again")
    _reprice(connection, [task for task in tasks if task.state == "PRICED"], prices)
    others = [task for task in tasks if task.state != "PRICED"]
    shifts = [Shift(t, "PRICED", values={"price_micros": prices[t.key], "reason": ""}) for t in others]
    move_tasks(connection, shifts, act)


def approve(connection: Connection, row: Row[Any], budget: Row[Any], cap_micros: int, act: Act) -> None:
    """Round APPROVED; tasks APPROVED in rank order while the approval's, the campaign's and the month's money lasts."""
    if row.state == "APPROVED" and row.cap_micros == cap_micros:
        return
    if row.quote_valid_until is not None and act.at > row.quote_valid_until:
        raise LedgerError(
            f"the quote of round {row.round_no} ended at {row.quote_valid_until:%Y-%m-%d %H:%M} UTC; ask for a new one "
            "(the next `tailfirst` step does) and approve that"
        )
    priced = [task for task in ranked(connection, row.campaign, row.round_no) if task.state == "PRICED"]
    limits = _limits(connection, row, budget, cap_micros, act)
    reach = affordable([task.price_micros for task in priced], min(limits.values()))
    said = ", ".join(f"{what} {micros}" for what, micros in limits.items())
    if priced and reach == 0:
        raise OverCap(
            f"round {row.round_no} of {row.campaign!r}: the first of {len(priced)} tasks costs "
            f"{priced[0].price_micros} micros; there are: {said}; approve more, raise money.cap_campaign or "
            "money.cap_month, or wait for the next month (UTC)"
        )
    note = f"cap {cap_micros} micros: {reach} of {len(priced)} tasks"
    values = {"cap_micros": cap_micros, "approved_by": act.actor, "approved_at": act.at}
    states = (row.state, "APPROVED")
    if not move_round(connection, row.campaign, row.round_no, states, Act(act.at, act.actor, note), **values):
        raise IllegalTransition(f"round {row.round_no} of {row.campaign!r} is no longer {row.state}; read it again")
    approvals.keep(connection, row, cap_micros, (len(priced), reach), act)
    over = f"the approved {min(limits.values())} micros do not reach this far ({said})"
    shifts = [Shift(task, "APPROVED") for task in priced[:reach]]
    shifts += [Shift(task, "OVER_BUDGET", over, {"reason": over}) for task in priced[reach:]]
    move_tasks(connection, shifts, act)


def _limits(connection: Connection, row: Row[Any], budget: Row[Any], cap_micros: int, act: Act) -> dict[str, int]:
    """What may be spent, in micros, by who says so."""
    limits = {"approved": cap_micros, "left of the campaign's cap": budget.cap - budget.reserved - budget.accrued}
    if budget.cap_month is not None:
        month = row.month or months.month_of(act.at)
        there = months.pot(connection, row.campaign, month, budget.cap_month)
        limits[f"left of the cap of {month}"] = there.cap - there.reserved - there.accrued
    return limits


def affordable(prices: Sequence[int], money: int) -> int:
    """How many of these prices, from the first on, the money pays."""
    return sum(1 for total in accumulate(prices) if total <= money)


def ranked(
    connection: Connection, campaign: str, round_no: int, states: Iterable[str] | None = None
) -> Sequence[Row[Any]]:
    """All tasks of a round in buying order; with `states`, only those."""
    chosen = select(*Task.__table__.c).where(Task.campaign == campaign, Task.round_no == round_no)
    if states is not None:
        chosen = chosen.where(Task.state.in_(sorted(states)))
    return connection.execute(chosen.order_by(Task.rank, Task.overlap_slot, Task.key)).all()


def _check_prices(row: Row[Any], tasks: Sequence[Row[Any]], prices: Mapping[str, int]) -> None:
    missing = [task.key for task in tasks if task.key not in prices]
    if missing:
        raise LedgerError(
            f"round {row.round_no} of {row.campaign!r}: {len(missing)} of {len(tasks)} tasks have no price, "
            f"e.g. {missing[0]}; a quote prices every task, GOLD and AUDIT included"
        )


def _keep_currency(connection: Connection, campaign: str, currency: str) -> None:
    there = connection.scalar(select(Budget.currency).where(Budget.campaign == campaign))
    if there not in {None, currency}:
        raise LedgerError(f"campaign {campaign!r} counts in {there}, the quote is in {currency}; there is no exchange")
    connection.execute(update(Budget).where(Budget.campaign == campaign).values(currency=currency))


def _same(row: Row[Any], quote: Quote) -> bool:
    there = (row.quote_micros, row.currency, row.quote_valid_until, row.quote_basis)
    return there == (quote.total.micros, quote.total.currency, quote.valid_until, quote.basis)


def _reprice(connection: Connection, tasks: Sequence[Row[Any]], prices: Mapping[str, int]) -> None:
    for task in tasks:
        if task.price_micros != prices[task.key]:
            connection.execute(update(Task).where(Task.key == task.key).values(price_micros=prices[task.key]))
