"""Money: caps, reservations, cost lines, the kill switch. Amounts are integer micros of one currency per campaign.

Three caps hold at every moment: the campaign's, the calendar month's (optional) and the round's.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, text, update

from tailfirst.errors import Conflict, LedgerError, OverCap
from tailfirst.ledger import months, outbox
from tailfirst.ledger.book import CHARGES, Book, Charge, Pot, Settled, settle
from tailfirst.ledger.engine import Database
from tailfirst.ledger.journal import Act, among, append_event, lock_campaign, lock_task, record, round_row
from tailfirst.ledger.quotes import ranked
from tailfirst.ledger.records import CostRow, MoneyStatus, MonthRow, RoundMoney
from tailfirst.ledger.tables import CHARGES as CHARGED
from tailfirst.ledger.tables import WHOLE, Budget, Cost, Round, Task
from tailfirst.port import BatchKey, CostLine, SubmissionKey
from tailfirst.port import Money as Amount

NOTHING_TO_PAY = ("REFUSED", "CANCELED", "CLOSED_UNLABELED", "SKIPPED_BY_ANNOTATOR", "DROPPED", "RESUBMIT")
NO_CURRENCY = "XXX"  # ISO 4217: no currency involved


class Money:
    """`ledger.money`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def caps(
        self, campaign: str, cap_micros: int, currency: str | None = None, *, cap_month: int | None = None
    ) -> MoneyStatus:
        """Set the caps of the campaign and of its months; call it whenever a workspace is opened: params.yaml decides.

        Before the first call the cap is 0: nothing can be approved or bought. A cap below what is committed becomes
        exactly that: nothing more can be bought. `cap_month` None = no cap per month. Setting what is set already
        takes no lock.

        Raises:
            LedgerError: The campaign counts in another currency.
        """
        there = self.status(campaign)
        if (there.cap, there.cap_month) == (cap_micros, cap_month) and currency in {None, there.currency}:
            return there
        with self._database.write() as connection:
            budget = lock_campaign(connection, campaign)
            _one_currency(campaign, budget, currency)
            cap = max(cap_micros, budget.reserved + budget.accrued)
            values = {"cap": cap, "currency": budget.currency or currency, "cap_month": cap_month}
            connection.execute(update(Budget).where(Budget.campaign == campaign).values(**values))
            months.recap(connection, campaign, cap_month)
            return _status(connection, campaign)

    def status(self, campaign: str) -> MoneyStatus:
        """Cap, reserved, accrued and what is left."""
        with self._database.read() as connection:
            return _status(connection, campaign)

    def months(self, campaign: str) -> list[MonthRow]:
        """The calendar months (UTC) in which something was ordered, oldest first."""
        with self._database.read() as connection:
            return months.listed(connection, campaign)

    def rounds(self, campaign: str) -> list[RoundMoney]:
        """The rounds with their approved caps, oldest first."""
        mine = select(*Round.__table__.c).where(Round.campaign == campaign).order_by(Round.round_no)
        with self._database.read() as connection:
            rows = list(connection.execute(mine))
        return [RoundMoney(r.round_no, r.state, r.cap_micros, r.reserved, r.accrued) for r in rows]

    def accrue(self, campaign: str, round_no: int, lines: Sequence[CostLine], at: datetime) -> int:
        """Store the vendor's cost lines and turn reservations into accrued money; returns how many were new.

        A line that was stored before, or that charges a key as it was charged before, changes nothing. Good lines are
        kept also when others are refused.

        Raises:
            OverCap: Lines charge more than was reserved and the caps do not reach; each is named, for the dispute list.
            Conflict: Lines contradict the ledger (unknown key, another amount, another currency); each is named.
        """
        with self._database.write() as connection:
            budget = lock_campaign(connection, campaign)
            row = round_row(connection, campaign, round_no)
            settled = settle(_book(connection, budget, row, lines, at), lines)
            _store(connection, row, settled, budget.cap_month, at)
        _complain(campaign, round_no, settled)
        return len(settled.new)

    def release(self, key: str, at: datetime) -> int:
        """Give back what is reserved for a key that will not be paid; returns the micros, 0 when nothing is reserved.

        Raises:
            LedgerError: No such key.
        """
        with self._database.read() as connection:
            campaign = connection.scalar(select(Task.campaign).where(Task.key == key))
        if campaign is None:
            raise LedgerError(f"no task with key {key!r}; nothing was released")
        with self._database.write() as connection:
            lock_campaign(connection, campaign)
            task = lock_task(connection, key)
            assert task is not None
            outbox.release(connection, task)
            touched = (Round.campaign == campaign) & (Round.round_no == task.round_no)
            connection.execute(update(Round).where(touched).values(updated_at=at))
            return int(task.reserved)

    def release_round(self, campaign: str, round_no: int, at: datetime) -> int:
        """Give back what is still reserved for tasks of a round that brought no answer to pay for; returns the micros.

        That is: refused, canceled, closed without a label, skipped, dropped, ordered again. Should the vendor charge
        one of them all the same, the charge is taken as far as the caps reach.

        Raises:
            LedgerError: There is no such round.
        """
        with self._database.write() as connection:
            lock_campaign(connection, campaign)
            round_row(connection, campaign, round_no, hold=True)
            tasks = ranked(connection, campaign, round_no)
            over = [task for task in tasks if task.state in NOTHING_TO_PAY and task.reserved]
            for task in sorted(over, key=lambda task: str(task.key)):  # as lock_tasks does
                outbox.release(connection, task)
            mine = (Round.campaign == campaign) & (Round.round_no == round_no)
            connection.execute(update(Round).where(mine).values(updated_at=at))
        return sum(task.reserved for task in over)

    def lines(self, campaign: str, round_no: int | None = None) -> list[CostRow]:
        """Stored cost lines of a round or of the campaign, by round, time and id."""
        chosen = select(*Cost.__table__.c).where(Cost.campaign == campaign)
        if round_no is not None:
            chosen = chosen.where(Cost.round_no == round_no)
        with self._database.read() as connection:
            rows = connection.execute(chosen.order_by(Cost.round_no, Cost.at, Cost.line_id))
            return [record(CostRow, row) for row in rows]

    def kill_switch(self, campaign: str) -> bool:
        """Whether buying is stopped."""
        with self._database.read() as connection:
            return bool(connection.scalar(select(Budget.kill_switch).where(Budget.campaign == campaign)))

    def set_kill_switch(self, campaign: str, on: bool, by: str, at: datetime) -> None:
        """Stop or allow buying; who and when is an event of round 0."""
        with self._database.write() as connection:
            budget = lock_campaign(connection, campaign)
            if budget.kill_switch == on:
                return
            connection.execute(update(Budget).where(Budget.campaign == campaign).values(kill_switch=on))
            states = ("RUNNING", "KILLED") if on else ("KILLED", "RUNNING")
            append_event(connection, campaign, 0, None, states, Act(at, by, "kill switch"))


def _status(connection: Connection, campaign: str) -> MoneyStatus:
    row = connection.execute(select(*Budget.__table__.c).where(Budget.campaign == campaign)).one_or_none()
    if row is None:
        return MoneyStatus(0, 0, 0, 0, NO_CURRENCY)
    left = row.cap - row.reserved - row.accrued
    return MoneyStatus(row.cap, row.reserved, row.accrued, left, row.currency or NO_CURRENCY, row.cap_month)


def _one_currency(campaign: str, budget: Row[Any], currency: str | None) -> None:
    if currency is not None and budget.currency not in {None, currency}:
        raise LedgerError(
            f"campaign {campaign!r} counts in {budget.currency}, asked for {currency}: there is no exchange in the "
            "ledger; set money.currency back or start another campaign"
        )


def _book(connection: Connection, budget: Row[Any], row: Row[Any], lines: Sequence[CostLine], at: datetime) -> Book:
    """Gather what the decision needs, under the campaign's lock: no more than the lines are about."""
    keys = sorted({str(line.key) for line in lines if line.key is not None})
    whole = any(line.key is None for line in lines)  # a charge for the batch may end any reservation
    costs = _charges(connection, row, None if whole else keys)
    charged: dict[Charge, int] = {}
    for cost in costs:
        charged[cost.key, cost.kind] = charged.get((cost.key, cost.kind), 0) + cost.amount_micros
    known = {cost.line_id: _line(cost) for cost in _known(connection, row, lines)}
    tasks = ranked(connection, row.campaign, row.round_no) if whole else _tasks(connection, row, keys)
    pots = (
        Pot(budget.cap, budget.reserved, budget.accrued),
        Pot(row.cap_micros or 0, row.reserved, row.accrued),
        months.pot(connection, row.campaign, row.month or months.month_of(at), budget.cap_month),
    )
    return Book(budget.currency, pots, {task.key: task.reserved for task in tasks}, charged, known)


def _charges(connection: Connection, row: Row[Any], keys: Sequence[str] | None) -> list[Row[Any]]:
    """The round's charges: of these keys, or all. The condition is worded as the index `uq_cost_lines_charge` is."""
    mine = Cost.campaign == row.campaign, Cost.round_no == row.round_no
    if keys is not None:
        return among(connection, select(*Cost.__table__.c).where(text(CHARGED), *mine), Cost.key, keys)
    return list(connection.execute(select(*Cost.__table__.c).where(*mine, Cost.kind.in_(CHARGES))))


def _known(connection: Connection, row: Row[Any], lines: Sequence[CostLine]) -> list[Row[Any]]:
    """Lines that are stored already: for a task in its round, for whole orders wherever they are."""
    stored = select(*Cost.__table__.c).where(Cost.campaign == row.campaign)
    ids = [line.line_id for line in lines]
    mine = among(connection, stored.where(Cost.round_no == row.round_no), Cost.line_id, ids)
    others = [line.line_id for line in lines if line.key is None]
    return [*among(connection, stored.where(text(WHOLE)), Cost.line_id, others), *mine]


def _tasks(connection: Connection, row: Row[Any], keys: Sequence[str]) -> list[Row[Any]]:
    found = among(connection, select(*Task.__table__.c), Task.key, keys)
    return [task for task in found if (task.campaign, task.round_no) == (row.campaign, row.round_no)]


def _line(cost: Row[Any]) -> CostLine:
    key = None if cost.key is None else SubmissionKey(cost.key)
    return CostLine(cost.line_id, key, BatchKey(""), Amount(cost.amount_micros, cost.currency), cost.at, cost.kind)


def _store(connection: Connection, row: Row[Any], settled: Settled, cap_month: int | None, at: datetime) -> None:
    """Act: the conditional updates and the lines, in one transaction."""
    if not settled.new:
        return
    freed = sum(settled.freed.values())
    for table, mine in (
        (Budget, Budget.campaign == row.campaign),
        (Round, (Round.campaign == row.campaign) & (Round.round_no == row.round_no)),
    ):
        cap = Budget.cap if table is Budget else Round.cap_micros
        after = table.reserved - freed + table.accrued + settled.charged
        moved = connection.execute(
            update(table)
            .where(mine, after <= cap)
            .values(reserved=table.reserved - freed, accrued=table.accrued + settled.charged)
        )
        if moved.rowcount == 0:
            raise OverCap(f"round {row.round_no} of {row.campaign!r}: the caps changed while costs were written; again")
    month = row.month
    if freed or settled.charged:
        month, reached = months.charge(connection, row, (freed, settled.charged), cap_month, at)
        if not reached:
            raise OverCap(f"round {row.round_no} of {row.campaign!r}: {month} does not pay what its cap allows; again")
    if settled.freed:
        less = Task.reserved - bindparam("freed")
        taken = [
            {"of_key": key, "freed": amount} for key, amount in sorted(settled.freed.items())
        ]  # as lock_tasks does
        connection.execute(update(Task).where(Task.key == bindparam("of_key")).values(reserved=less), taken)
    currency = settled.new[0].amount.currency
    connection.execute(update(Budget).where(Budget.campaign == row.campaign).values(currency=currency))
    connection.execute(
        update(Round)
        .where(Round.campaign == row.campaign, Round.round_no == row.round_no)
        .values(updated_at=at, month=month)
    )
    connection.execute(insert(Cost), [_columns(row, line) for line in settled.new])


def _columns(row: Row[Any], line: CostLine) -> dict[str, Any]:
    return {
        "line_id": line.line_id,
        "campaign": row.campaign,
        "round_no": row.round_no,
        "key": line.key,
        "kind": line.kind,
        "amount_micros": line.amount.micros,
        "currency": line.amount.currency,
        "at": line.at,
    }


def _complain(campaign: str, round_no: int, settled: Settled) -> None:
    kept = f"{len(settled.new)} other new lines were stored"
    if settled.over_cap:
        raise OverCap(
            f"round {round_no} of {campaign!r}: {len(settled.over_cap)} cost lines charge more than the caps allow: "
            f"{'; '.join(settled.over_cap[:5])}; {kept}; dispute them with the vendor or raise the cap"
        )
    if settled.refused:
        raise Conflict(
            f"round {round_no} of {campaign!r}: {len(settled.refused)} cost lines contradict the ledger: "
            f"{'; '.join(settled.refused[:5])}; {kept}; dispute them with the vendor"
        )
