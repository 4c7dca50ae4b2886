"""The cap per calendar month (UTC). A round's money counts in the month in which its order was first reserved.

Wherever that money goes later (a charge next month, a refund, a release), it moves within the same month, so that
neither the order of events nor the vendor's clock decides which month pays.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, case, select, update

from tailfirst.errors import OverCap
from tailfirst.ledger.book import Pot
from tailfirst.ledger.journal import insert_ignore
from tailfirst.ledger.records import MonthRow
from tailfirst.ledger.tables import Month, Round

UNLIMITED = 2**62  # micros: a cap that nothing reaches


def month_of(at: datetime) -> str:
    """The calendar month of a moment in UTC: "2026-03"."""
    return f"{at.astimezone(UTC):%Y-%m}"


def pot(connection: Connection, campaign: str, month: str, cap_month: int | None) -> Pot:
    """What is committed in a month; without a cap nothing is ever too much."""
    row = _row(connection, campaign, month)
    reserved, accrued = (row.reserved, row.accrued) if row is not None else (0, 0)
    limit = UNLIMITED if cap_month is None else max(cap_month, reserved + accrued)
    return Pot(limit, reserved, accrued)


def recap(connection: Connection, campaign: str, cap_month: int | None) -> None:
    """Set the cap of every month; below what a month has committed it becomes exactly that."""
    committed = Month.reserved + Month.accrued
    cap = None if cap_month is None else case((committed > cap_month, committed), else_=cap_month)
    connection.execute(update(Month).where(Month.campaign == campaign).values(cap=cap))


def reserve(connection: Connection, row: Row[Any], amount: int, cap_month: int | None, at: datetime) -> str:
    """Reserve in the round's month, or in the month of `at` if this is its first order; one UPDATE decides.

    Raises:
        OverCap: The month's cap does not reach.
    """
    month = _opened(connection, row, cap_month, at)
    moved = connection.execute(
        update(Month)
        .where(_is(row.campaign, month))
        .where(Month.cap.is_(None) | (Month.reserved + Month.accrued + amount <= Month.cap))
        .values(reserved=Month.reserved + amount)
    )
    if moved.rowcount == 0:
        there = _row(connection, row.campaign, month)
        assert there is not None
        raise OverCap(
            f"round {row.round_no} of {row.campaign!r} asks for {amount} micros; {month} has "
            f"{there.cap - there.reserved - there.accrued} left (cap {there.cap}, reserved {there.reserved}, accrued "
            f"{there.accrued}); wait for the next month (UTC), or raise money.cap_month"
        )
    return month


def charge(
    connection: Connection, row: Row[Any], moves: tuple[int, int], cap_month: int | None, at: datetime
) -> tuple[str, bool]:
    """Turn reservations of the round's month into charges; the month, and whether its cap reaches.

    `moves` are the micros freed and the micros charged.
    """
    freed, charged = moves
    month = _opened(connection, row, cap_month, at)
    after = Month.reserved - freed + Month.accrued + charged
    moved = connection.execute(
        update(Month)
        .where(_is(row.campaign, month), Month.cap.is_(None) | (after <= Month.cap))
        .values(reserved=Month.reserved - freed, accrued=Month.accrued + charged)
    )
    return month, moved.rowcount > 0


def give_back(connection: Connection, campaign: str, round_no: int, amount: int) -> None:
    """Release reserved money in the round's month."""
    mine = select(Round.month).where(Round.campaign == campaign, Round.round_no == round_no).scalar_subquery()
    connection.execute(
        update(Month).where(Month.campaign == campaign, Month.month == mine).values(reserved=Month.reserved - amount)
    )


def listed(connection: Connection, campaign: str) -> list[MonthRow]:
    """All months in which something was reserved, oldest first."""
    rows = connection.execute(select(*Month.__table__.c).where(Month.campaign == campaign).order_by(Month.month))
    return [MonthRow(r.month, r.cap, r.reserved, r.accrued) for r in rows]


def _opened(connection: Connection, row: Row[Any], cap_month: int | None, at: datetime) -> str:
    """The round's month, with a row of its own."""
    month = row.month or month_of(at)
    empty = {"campaign": row.campaign, "month": month, "cap": cap_month, "reserved": 0, "accrued": 0}
    insert_ignore(connection, Month, empty)
    return month


def _row(connection: Connection, campaign: str, month: str) -> Row[Any] | None:
    return connection.execute(select(*Month.__table__.c).where(_is(campaign, month))).one_or_none()


def _is(campaign: str, month: str) -> Any:
    return (Month.campaign == campaign) & (Month.month == month)
