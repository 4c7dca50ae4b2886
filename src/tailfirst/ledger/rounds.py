"""Rounds: open, quote, approve, move, pause; and the one read that `tailfirst.rounds.next_step` decides on."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from tailfirst.errors import Conflict, LedgerError
from tailfirst.ledger import approvals, months, quotes, transitions
from tailfirst.ledger.engine import Database
from tailfirst.ledger.journal import Act, append_event, lock_campaign, move_round, record, round_row
from tailfirst.ledger.outages import read_outage
from tailfirst.ledger.plans import insert_tasks
from tailfirst.ledger.records import ApprovalRow, EventRow, NewTask, RoundRow
from tailfirst.ledger.tables import Budget, Event, Round, Task
from tailfirst.port import Quote
from tailfirst.rounds import RoundView

SPENDING = ("SUBMITTING", "OPEN", "COLLECTING", "CLOSING")
FREE_COLUMNS = ("vendor", "vendor_batch_id", "cursor", "opened_at", "sla_at", "sealed_sha256")


class Rounds:
    """`ledger.rounds`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def current(self, campaign: str) -> RoundRow | None:
        """The round with the highest number; None = no round yet."""
        newest = select(*Round.__table__.c).where(Round.campaign == campaign).order_by(Round.round_no.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(newest).one_or_none()
        return None if row is None else record(RoundRow, row)

    def get(self, campaign: str, round_no: int) -> RoundRow:
        """One round.

        Raises:
            LedgerError: There is no such round; the message lists those there are.
        """
        with self._database.read() as connection:
            return record(RoundRow, round_row(connection, campaign, round_no))

    def all(self, campaign: str) -> list[RoundRow]:
        """All rounds, oldest first."""
        chosen = select(*Round.__table__.c).where(Round.campaign == campaign).order_by(Round.round_no)
        with self._database.read() as connection:
            return [record(RoundRow, row) for row in connection.execute(chosen)]

    def some(self, campaign: str, numbers: Collection[int]) -> list[RoundRow]:
        """Those of the rounds that there are, oldest first."""
        chosen = select(*Round.__table__.c).where(Round.campaign == campaign, Round.round_no.in_(sorted(numbers)))
        with self._database.read() as connection:
            return [record(RoundRow, row) for row in connection.execute(chosen.order_by(Round.round_no))]

    def open(
        self,
        campaign: str,
        round_no: int,
        batch_sha256: str,
        tasks: Sequence[NewTask],
        at: datetime,
        plan_json: str | None = None,
    ) -> RoundRow:
        """Freeze a batch: the round SELECTED and all its tasks PLANNED, in one transaction.

        Repeating it with the same batch changes nothing and returns the round as it is. `plan_json` is kept as given.

        Raises:
            Conflict: The round exists with another batch, an earlier round is not finished, or a key was used before.
        """
        with self._database.write() as connection:
            lock_campaign(connection, campaign)
            rounds = connection.execute(
                select(Round.round_no, Round.state, Round.batch_sha256).where(Round.campaign == campaign)
            ).all()
            there = {row.round_no: row for row in rounds}
            if round_no in there:
                _same_batch(campaign, round_no, there[round_no].batch_sha256, batch_sha256)
            else:
                _all_finished(campaign, round_no, {row.round_no: row.state for row in rounds})
                frozen = {"batch_sha256": batch_sha256, "n_tasks": len(tasks), "plan_json": plan_json}
                _insert_round(connection, campaign, round_no, frozen, at)
                insert_tasks(connection, campaign, round_no, tasks, at)
            return record(RoundRow, round_row(connection, campaign, round_no))

    def supplement(
        self, campaign: str, round_no: int, batch_sha256: str, plan_json: str, at: datetime, actor: str
    ) -> RoundRow:
        """A round that buys nothing and is CLOSING at once: its seal exports what came late. One transaction.

        Raises:
            Conflict: An earlier round is not finished, or the round is there.
        """
        with self._database.write() as connection:
            lock_campaign(connection, campaign)
            rows = select(Round.round_no, Round.state).where(Round.campaign == campaign)
            there = {row.round_no: row.state for row in connection.execute(rows)}
            if round_no in there:
                raise Conflict(f"round {round_no} of {campaign!r} is {there[round_no]} already; read it again")
            _all_finished(campaign, round_no, there)
            frozen = {"batch_sha256": batch_sha256, "n_tasks": 0, "plan_json": plan_json}
            _insert_round(connection, campaign, round_no, frozen, at)
            for states in pairwise(("SELECTED", "QUOTED", "APPROVED", "SUBMITTING", "OPEN", "CLOSING")):
                move_round(connection, campaign, round_no, states, Act(at, actor, "late labels only"))
            return record(RoundRow, round_row(connection, campaign, round_no))

    def move(
        self,
        campaign: str,
        round_no: int,
        from_state: str,
        to_state: str,
        at: datetime,
        actor: str,
        note: str = "",
        **columns: Any,
    ) -> bool:
        """Compare-and-set of the state, with columns that change along; False = somebody else moved it.

        Raises:
            IllegalTransition: Not in the table of transitions; the message lists what is allowed from there.
            LedgerError: No such round, or a column that may not be set.
        """
        _only_free(columns)
        with self._database.write() as connection:
            round_row(connection, campaign, round_no)
            states = (from_state, to_state)
            return move_round(connection, campaign, round_no, states, Act(at, actor, note), **columns)

    def pause(self, campaign: str, round_no: int, reason: str | None, at: datetime, actor: str) -> None:
        """Pause with a reason, or resume with None. The state stays, so resuming goes back to the same place.

        Raises:
            LedgerError: There is no such round.
        """
        with self._database.write() as connection:
            row = round_row(connection, campaign, round_no, hold=True)
            if row.pause_reason == reason:
                return
            connection.execute(_of(campaign, round_no).values(pause_reason=reason, updated_at=at))
            note = "resumed" if reason is None else f"paused: {reason}"
            append_event(connection, campaign, round_no, None, (row.state, row.state), Act(at, actor, note))

    def annotate(self, campaign: str, round_no: int, **columns: Any) -> None:
        """Set columns that are no states: the vendor's names for the batch, its cursor, the SLA, the seal's hash.

        Raises:
            LedgerError: No such round, or a column that may not be set.
        """
        _only_free(columns)
        with self._database.write() as connection:
            round_row(connection, campaign, round_no)
            if columns:
                connection.execute(_of(campaign, round_no).values(**columns))

    def record_quote(
        self, campaign: str, round_no: int, quote: Quote, prices: Mapping[str, int], at: datetime, actor: str
    ) -> RoundRow:
        """Store the vendor's quote: round QUOTED, every task PRICED with its own price in micros.

        A new quote, as long as nothing was sent, takes back an approval. Repeating the same quote changes nothing.

        Raises:
            IllegalTransition: The round is past the point where a quote matters.
            LedgerError: A task has no price, or the currency differs from the campaign's.
        """
        with self._database.write() as connection:
            lock_campaign(connection, campaign)
            quotes.record_quote(connection, campaign, round_no, quote, prices, Act(at, actor))
            return record(RoundRow, round_row(connection, campaign, round_no))

    def approve(self, campaign: str, round_no: int, cap_micros: int, by: str, at: datetime) -> RoundRow:
        """Approve spending up to `cap_micros`: tasks APPROVED in rank order while it lasts, the rest OVER_BUDGET.

        The money left of the campaign's and the month's cap counts too. Repeating it with the same cap changes nothing.

        Raises:
            IllegalTransition: The round is not QUOTED.
            OverCap: The money does not even pay the first task.
            LedgerError: The quote has ended.
        """
        with self._database.write() as connection:
            budget = lock_campaign(connection, campaign)
            row = round_row(connection, campaign, round_no, hold=True)
            quotes.approve(connection, row, budget, cap_micros, Act(at, by))
            return record(RoundRow, round_row(connection, campaign, round_no))

    def approvals(self, campaign: str, round_no: int | None = None) -> list[ApprovalRow]:
        """Who approved what, oldest first; an approval that a new quote took back stays in the list."""
        with self._database.read() as connection:
            return approvals.listed(connection, campaign, round_no)

    def events(self, campaign: str, round_no: int | None = None) -> list[EventRow]:
        """The history, oldest first: of one round and its tasks, or of the whole campaign."""
        chosen = select(*Event.__table__.c).where(Event.campaign == campaign).order_by(Event.id)
        if round_no is not None:
            chosen = chosen.where(Event.round_no == round_no)
        with self._database.read() as connection:
            return [record(EventRow, row) for row in connection.execute(chosen)]

    def counts(self, campaign: str, round_no: int) -> Mapping[str, int]:
        """Number of tasks per state; states without a task are absent."""
        with self._database.read() as connection:
            return _counts(connection, campaign, round_no)

    def view(
        self, campaign: str, now: datetime, *, eligible_items: int | None = None, target_reached: bool = False
    ) -> RoundView:
        """One read of everything that `tailfirst.rounds.next_step` decides on; round 0 = there is no round yet."""
        newest = select(*Round.__table__.c).where(Round.campaign == campaign).order_by(Round.round_no.desc()).limit(1)
        sealed = select(func.count()).where(Round.campaign == campaign, Round.state.in_(transitions.SEALED_STATES))
        with self._database.read() as connection:
            row = connection.execute(newest).one_or_none()
            budget = connection.execute(select(*Budget.__table__.c).where(Budget.campaign == campaign)).one_or_none()
            outage = read_outage(connection, campaign, row.round_no) if row else None
            waits = outage is not None and row is not None and outage.reason == row.pause_reason
            return RoundView(
                campaign=campaign,
                round_no=row.round_no if row else 0,
                state=row.state if row else None,
                pause_reason=row.pause_reason if row else None,
                counts=_counts(connection, campaign, row.round_no) if row else {},
                n_tasks=row.n_tasks if row else 0,
                quote_micros=row.quote_micros if row else None,
                currency=row.currency if row else None,
                quote_valid_until=row.quote_valid_until if row else None,
                cap_micros=row.cap_micros if row else None,
                sla_at=row.sla_at if row else None,
                now=now,
                sealed_rounds=connection.scalar(sealed) or 0,
                left_micros=budget.cap - budget.reserved - budget.accrued if budget else 0,
                eligible_items=eligible_items,
                target_reached=target_reached,
                kill_switch=bool(budget and budget.kill_switch),
                opened_at=row.opened_at if row else None,
                month_left_micros=_month_left(connection, budget, row, now),
                not_before=outage.not_before if outage and waits else None,
            )


def _month_left(connection: Connection, budget: Row[Any] | None, row: Row[Any] | None, now: datetime) -> int | None:
    """What the cap of the round's month leaves, before an order that of this month; None = no such cap."""
    if budget is None or budget.cap_month is None:
        return None
    month = row.month if row is not None and row.month and row.state in SPENDING else months.month_of(now)
    there = months.pot(connection, budget.campaign, month, budget.cap_month)
    return there.cap - there.reserved - there.accrued


def _of(campaign: str, round_no: int) -> Any:
    return update(Round).where(Round.campaign == campaign, Round.round_no == round_no)


def _counts(connection: Connection, campaign: str, round_no: int) -> dict[str, int]:
    chosen = (
        select(Task.state, func.count())
        .where(Task.campaign == campaign, Task.round_no == round_no)
        .group_by(Task.state)
        .order_by(Task.state)
    )
    return {state: number for state, number in connection.execute(chosen).tuples()}  # noqa: C416  (typed)


def _only_free(columns: Mapping[str, Any]) -> None:
    wrong = sorted(set(columns) - set(FREE_COLUMNS))
    if wrong:
        raise LedgerError(f"a round's {', '.join(wrong)} cannot be set here; what can: {', '.join(FREE_COLUMNS)}")


def _same_batch(campaign: str, round_no: int, there: str, asked: str) -> None:
    if there != asked:
        raise Conflict(
            f"round {round_no} of {campaign!r} was frozen with batch {there[:12]}, now asked for {asked[:12]}; "
            "a frozen batch never changes: go on with the round as it is, or abort it and plan the next"
        )


def _all_finished(campaign: str, round_no: int, states: Mapping[int, str]) -> None:
    running = {no: state for no, state in states.items() if state not in transitions.FINAL_ROUND_STATES}
    if running or any(no > round_no for no in states):
        found = ", ".join(f"{no} {state}" for no, state in sorted(states.items()))
        raise Conflict(
            f"round {round_no} of {campaign!r} cannot be opened beside {found}; rounds run one after the other: "
            "finish or abort the running one, and take the next number"
        )


def _insert_round(
    connection: Connection, campaign: str, round_no: int, frozen: Mapping[str, Any], at: datetime
) -> None:
    born = {"state": "SELECTED", "reserved": 0, "accrued": 0, "created_at": at, "updated_at": at}
    connection.execute(insert(Round).values(campaign=campaign, round_no=round_no, **frozen, **born))
    act = Act(at, "plan", f"batch {frozen['batch_sha256'][:12]}, {frozen['n_tasks']} tasks")
    append_event(connection, campaign, round_no, None, ("DRAFT", "SELECTED"), act)
