"""Moving states: every move is a compare-and-set and one row in `events`, in the same transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute

from tailfirst.errors import Conflict, LedgerError
from tailfirst.ledger import transitions
from tailfirst.ledger.tables import Budget, Event, Round, Task
from tailfirst.ledger.types import Base

R = TypeVar("R")

CHUNK = 500  # parameters of one IN list; SQLite's oldest limit is 999


@dataclass(frozen=True, slots=True)
class Act:
    """When, by whom and why a state is moved."""

    at: datetime
    actor: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Shift:
    """One task's move, with the columns that change along with it."""

    task: Row[Any]
    to_state: str
    note: str = ""
    values: dict[str, Any] = field(default_factory=dict)


def record(kind: type[R], row: Row[Any]) -> R:
    """A frozen record from a row that has (at least) its columns."""
    mapping = row._mapping  # noqa: SLF001  (the documented way to read columns by name)
    return kind(**{column.name: mapping[column.name] for column in fields(kind)})  # type: ignore[arg-type]


def append_event(
    connection: Connection, campaign: str, round_no: int, key: str | None, states: tuple[str, str], act: Act
) -> None:
    """Write down one transition."""
    connection.execute(insert(Event), [event_of(campaign, round_no, key, states, act)])


def event_of(campaign: str, round_no: int, key: str | None, states: tuple[str, str], act: Act) -> dict[str, Any]:
    """The columns of one event."""
    return {
        "campaign": campaign,
        "round_no": round_no,
        "key": key,
        "from_state": states[0],
        "to_state": states[1],
        "at": act.at,
        "actor": act.actor,
        "note": act.note,
    }


def insert_ignore(connection: Connection, table: type[Base], values: dict[str, Any]) -> bool:
    """Insert unless a row with the same key is there; says whether it was inserted."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    wanted = dialect.insert(table).values(**values).on_conflict_do_nothing()
    return connection.execute(wanted.returning(*table.__table__.primary_key)).first() is not None


def held(chosen: Select[Any]) -> Select[Any]:
    """Rows that nobody else changes until the end of this transaction; others may go on pointing at them.

    PostgreSQL holds the rows. SQLite ignores the words (trap L4); there `Database.write` lets one writer in at a time.
    On both, every change is a compare-and-set all the same.
    """
    return chosen.with_for_update(key_share=True)


def lock_campaign(connection: Connection, campaign: str) -> Row[Any]:
    """The campaign's budget row, made if need be and held until the end of the transaction.

    Rows are held in one order everywhere: lease, campaign, round, tasks.
    """
    empty = {"campaign": campaign, "cap": 0, "reserved": 0, "accrued": 0, "currency": None, "kill_switch": False}
    insert_ignore(connection, Budget, empty)
    return connection.execute(held(select(*Budget.__table__.c).where(Budget.campaign == campaign))).one()


def round_row(connection: Connection, campaign: str, round_no: int, *, hold: bool = False) -> Row[Any]:
    """The round's row; with `hold`, nobody else changes it until the end of the transaction.

    Raises:
        LedgerError: There is no such round.
    """
    chosen = select(*Round.__table__.c).where(Round.campaign == campaign, Round.round_no == round_no)
    row = connection.execute(held(chosen) if hold else chosen).one_or_none()
    if row is None:
        there = connection.scalars(select(Round.round_no).where(Round.campaign == campaign).order_by(Round.round_no))
        found = ", ".join(map(str, there)) or "none"
        raise LedgerError(f"no round {round_no} in campaign {campaign!r}; rounds there: {found}")
    return row


def lock_task(connection: Connection, key: str) -> Row[Any] | None:
    """The task's row, held until the end of the transaction; None = no such key."""
    return connection.execute(held(select(*Task.__table__.c).where(Task.key == key))).one_or_none()


def lock_tasks(connection: Connection, keys: Iterable[str]) -> list[Row[Any]]:
    """The rows of these keys in buying order, held until the end of the transaction.

    They are held in the order of their keys. Whoever changes more than one task holds them first, or changes them in
    that order: two workers with orders of their own would wait for each other.
    """
    chosen = held(select(*Task.__table__.c).order_by(Task.key))
    rows = among(connection, chosen, Task.key, sorted(set(keys)))
    return sorted(rows, key=lambda task: (task.round_no, task.rank, task.overlap_slot, task.key))


def among(
    connection: Connection, chosen: Select[Any], column: InstrumentedAttribute[Any], values: Sequence[str]
) -> list[Row[Any]]:
    """The rows whose column has one of the values, in portions that every database takes.

    Beside this list, `chosen` should name nothing that an index of its own finds: without fresh statistics a database
    takes that one, and reads the whole campaign for each portion.
    """
    return [
        row
        for start in range(0, len(values), CHUNK)
        for row in connection.execute(chosen.where(column.in_(values[start : start + CHUNK])))
    ]


def move_round(
    connection: Connection, campaign: str, round_no: int, states: tuple[str, str], act: Act, **values: Any
) -> bool:
    """Compare-and-set of a round's state; False = it is not in `states[0]` (any more).

    Raises:
        IllegalTransition: The move is not in the table.
    """
    transitions.check(transitions.ROUND, f"round {round_no} of {campaign!r}", *states)
    moved = connection.execute(
        update(Round)
        .where(Round.campaign == campaign, Round.round_no == round_no, Round.state == states[0])
        .values(state=states[1], updated_at=act.at, **values)
    )
    if moved.rowcount == 0:
        return False
    append_event(connection, campaign, round_no, None, states, act)
    return True


def move_tasks(connection: Connection, shifts: Iterable[Shift], act: Act) -> None:
    """Compare-and-set of many tasks, all or none.

    Raises:
        IllegalTransition: A move is not in the table.
        Conflict: A task is not in the state in which it was read.
    """
    ordered = sorted(shifts, key=_shape)
    for shift in ordered:
        transitions.check(transitions.TASK, f"task {shift.task.key}", shift.task.state, shift.to_state)
    for _, group in groupby(ordered, key=_shape):
        _move_alike(connection, list(group))
    events = [
        event_of(s.task.campaign, s.task.round_no, s.task.key, (s.task.state, s.to_state), _noted(act, s))
        for s in sorted(ordered, key=lambda s: (s.task.rank, s.task.overlap_slot, s.task.key))
    ]
    if events:
        connection.execute(insert(Event), events)


def _shape(shift: Shift) -> tuple[str, str, list[str]]:
    return shift.task.state, shift.to_state, sorted(shift.values)


def _noted(act: Act, shift: Shift) -> Act:
    return Act(act.at, act.actor, shift.note or act.note)


def _move_alike(connection: Connection, shifts: Sequence[Shift]) -> None:
    """Moves between the same two states with the same columns: a statement for many where the values are the same too.

    Raises:
        Conflict: A task is not in the state in which it was read.
    """
    first = shifts[0]
    alike = all(shift.values == first.values for shift in shifts)
    moved = _move_same(connection, shifts) if alike else _move_each(connection, shifts)
    if moved != len(shifts):
        raise Conflict(
            f"{len(shifts) - moved} of {len(shifts)} tasks are no longer {first.task.state}, "
            f"so none was moved to {first.to_state}: another worker was faster; read the round again"
        )


def _move_same(connection: Connection, shifts: Sequence[Shift]) -> int:
    first, keys = shifts[0], [shift.task.key for shift in shifts]
    moving = update(Task).where(Task.state == first.task.state).values(state=first.to_state, **first.values)
    portions = (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))
    return sum(connection.execute(moving.where(Task.key.in_(some))).rowcount for some in portions)


def _move_each(connection: Connection, shifts: Sequence[Shift]) -> int:
    first = shifts[0]
    columns: dict[str, Any] = {name: bindparam(f"to_{name}") for name in first.values}
    moving = (
        update(Task)
        .where(Task.key == bindparam("of_key"), Task.state == first.task.state)
        .values(state=first.to_state, **columns)
    )
    values = [{"of_key": s.task.key, **{f"to_{name}": value for name, value in s.values.items()}} for s in shifts]
    return int(connection.execute(moving, values).rowcount)
