"""Labeling tasks: the outbox, the outcomes of a call, and single moves."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, select

from tailfirst.errors import LedgerError
from tailfirst.ledger import outbox, transitions
from tailfirst.ledger.engine import Database
from tailfirst.ledger.journal import (
    Act,
    Shift,
    lock_campaign,
    lock_task,
    lock_tasks,
    move_tasks,
    record,
    round_row,
)
from tailfirst.ledger.leases import check_lease
from tailfirst.ledger.quotes import ranked
from tailfirst.ledger.records import LeaseRow, TaskRow
from tailfirst.ledger.tables import Round, Task
from tailfirst.port import ItemOutcome, TaskRef

TaskRows = list[TaskRow]  # inside the class, `list` is a method


class Tasks:
    """`ledger.tasks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, campaign: str, round_no: int, states: Iterable[str] | None = None) -> TaskRows:
        """The tasks of a round in buying order; with `states`, only those."""
        with self._database.read() as connection:
            return [record(TaskRow, row) for row in ranked(connection, campaign, round_no, states)]

    def get(self, key: str) -> TaskRow:
        """One task.

        Raises:
            LedgerError: No such key.
        """
        with self._database.read() as connection:
            row = connection.execute(select(*Task.__table__.c).where(Task.key == key)).one_or_none()
        if row is None:
            raise LedgerError(f"no task with key {key!r}; keys are made by PLAN and never change")
        return record(TaskRow, row)

    def by_item(self, campaign: str, item_id: str) -> TaskRows:
        """Every task ever planned for an item, oldest first."""
        chosen = select(*Task.__table__.c).where(Task.campaign == campaign, Task.item_id == item_id)
        with self._database.read() as connection:
            rows = connection.execute(chosen.order_by(Task.round_no, Task.rank, Task.attempt, Task.key)).all()
        return [record(TaskRow, row) for row in rows]

    def to_outbox(self, campaign: str, round_no: int, cap: int, lease: LeaseRow, at: datetime) -> int:
        """Reserve the money of all APPROVED tasks and put them into the outbox; returns how many.

        `cap` (micros) bounds the round's spending beside its approval. The round is from now on guarded by `lease`;
        where nothing is APPROVED (any more), it only takes the guard over, in any state of the round.

        Raises:
            LeaseLost: The lease is not ours any more.
            OverCap: A cap does not reach; nothing was reserved.
            IllegalTransition: There is something to buy, but the round is not APPROVED or SUBMITTING.
            LedgerError: The kill switch is on, or there is no such round.
        """
        with self._database.write() as connection:
            check_lease(connection, lease, at)
            budget = lock_campaign(connection, campaign)
            row = round_row(connection, campaign, round_no, hold=True)
            return outbox.fill(connection, row, budget, cap, lease, Act(at, lease.holder))

    def mark_sent(self, keys: Sequence[str], token: int, at: datetime) -> None:
        """Say that these tasks are about to be sent; commit this before calling the vendor.

        Raises:
            LeaseLost: The token is not the newest, or a task is guarded by another.
        """
        with self._database.write() as connection:
            outbox.mark_sent(connection, keys, token, at)

    def record_outcomes(self, outcomes: Sequence[ItemOutcome], token: int, at: datetime, actor: str) -> None:
        """Write down what the vendor said; repeating it changes nothing.

        CREATED and EXISTED lead to SUBMITTED, REJECTED to REFUSED and CANCELED to CANCELED (both give the money
        back), UNKNOWN to UNKNOWN, TOO_LATE to TOO_LATE. NOT_FOUND after a cancel request means CANCELED.

        Raises:
            LeaseLost: The token is not the newest, or a task is guarded by another.
            Conflict: The vendor has the key with another payload.
        """
        with self._database.write() as connection:
            outbox.record_outcomes(connection, outcomes, token, Act(at, actor))

    def settle_unknown(
        self, found: Mapping[str, TaskRef], missing: Sequence[str], token: int, at: datetime, actor: str = "find"
    ) -> None:
        """Write down what `find` said: found ones are SUBMITTED, missing ones go back to OUTBOX as never sent.

        Tasks in OUTBOX that were perhaps sent become UNKNOWN first, so that history tells it.

        Raises:
            LeaseLost: The token is not the newest, or a task is guarded by another.
            Conflict: The vendor has the key with another payload.
        """
        with self._database.write() as connection:
            outbox.settle_unknown(connection, found, missing, token, Act(at, actor))

    def move(self, key: str, from_state: str, to_state: str, at: datetime, actor: str, reason: str = "") -> bool:
        """Compare-and-set of one task's state; False = it is not in `from_state` (any more).

        Raises:
            IllegalTransition: Not in the table of transitions; the message lists what is allowed from there.
            LedgerError: No such key.
        """
        transitions.check(transitions.TASK, f"task {key}", from_state, to_state)
        with self._database.write() as connection:
            row = lock_task(connection, key)
            if row is None:
                raise LedgerError(f"no task with key {key!r}; keys are made by PLAN and never change")
            if row.state != from_state:
                return False
            values = {"reason": reason} if reason else {}
            move_tasks(connection, [Shift(row, to_state, reason, values)], Act(at, actor))
            return True

    def move_many(
        self, keys: Sequence[str], from_state: str, to_state: str, at: datetime, actor: str, reason: str = ""
    ) -> int:
        """Compare-and-set of many tasks in one transaction; returns how many were in `from_state` and moved.

        Raises:
            IllegalTransition: Not in the table of transitions; the message lists what is allowed from there.
        """
        transitions.check(transitions.TASK, "tasks", from_state, to_state)
        values = {"reason": reason} if reason else {}
        with self._database.write() as connection:
            rows = [row for row in lock_tasks(connection, keys) if row.state == from_state]
            move_tasks(connection, [Shift(row, to_state, reason, values) for row in rows], Act(at, actor))
        return len(rows)

    def in_flight(self, campaign: str) -> TaskRows:
        """Tasks that may still become a label: their items must not be chosen again."""
        open_rounds = Round.state.not_in((*transitions.SEALED_STATES, "ABORTED"))
        undecided = (*transitions.BEFORE_VENDOR, "EXPIRED", "QUARANTINED", "SKIPPED_BY_ANNOTATOR", "REJECTED")
        tasks = select(*Task.__table__.c)
        chosen = [
            tasks.where(*_in_states(campaign, (*transitions.AT_VENDOR, *transitions.ANSWERED))),
            tasks.where(*_in_states(campaign, undecided, open_rounds)),
        ]
        with self._database.read() as connection:
            rows = [row for some in chosen for row in connection.execute(some)]
        rows.sort(key=lambda task: (task.round_no, task.rank, task.overlap_slot, task.key))
        return [record(TaskRow, row) for row in rows]

    def ignored(self, campaign: str) -> set[str]:
        """Ids of items that are not asked again: dropped here, or refused by the vendor."""
        chosen = select(Task.item_id).where(*_in_states(campaign, transitions.IGNORED))
        with self._database.read() as connection:
            return set(connection.scalars(chosen))


def _in_states(
    campaign: str, states: Sequence[str], *of_rounds: ColumnElement[bool]
) -> tuple[ColumnElement[bool], ...]:
    """Tasks in these states of the campaign's rounds; named round by round, as the index is that finds them."""
    rounds = select(Round.round_no).where(Round.campaign == campaign, *of_rounds)
    return Task.campaign == campaign, Task.round_no.in_(rounds), Task.state.in_(states)
