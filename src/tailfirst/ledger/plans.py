"""Insert the tasks of a frozen batch, each linked to its earlier attempt."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, insert, select

from tailfirst.errors import Conflict
from tailfirst.ledger.journal import Act, among, event_of
from tailfirst.ledger.records import NewTask
from tailfirst.ledger.tables import Event, Task

Slot = tuple[str, str, int, int]  # item, purpose, overlap slot, attempt


def insert_tasks(connection: Connection, campaign: str, round_no: int, tasks: Sequence[NewTask], at: datetime) -> None:
    """All tasks PLANNED.

    Raises:
        Conflict: A key is there already or comes twice: the same key is the same purchase.
    """
    _refuse_known(connection, tasks)
    parents = _attempts(connection, campaign, [task.item_id for task in tasks])
    rows = []
    for task in tasks:
        earlier = parents.get((task.item_id, task.purpose, task.overlap_slot, task.attempt - 1))
        extra = {"parent_key": task.parent_key or earlier, "campaign": campaign, "round_no": round_no}
        rows.append(asdict(task) | extra | {"state": "PLANNED", "reserved": 0, "reason": ""})
    if rows:
        connection.execute(insert(Task), rows)
        act = Act(at, "plan")
        births = [event_of(campaign, round_no, task.key, ("", "PLANNED"), act) for task in tasks]
        connection.execute(insert(Event), births)


def _refuse_known(connection: Connection, tasks: Sequence[NewTask]) -> None:
    keys = [task.key for task in tasks]
    twice = sorted({key for key in keys if keys.count(key) > 1}) if len(set(keys)) < len(keys) else []
    if twice:
        raise Conflict(f"{len(twice)} keys come twice in one batch, e.g. {twice[0]}; copies differ by overlap_slot")
    for known in among(connection, select(Task.key, Task.campaign, Task.round_no), Task.key, sorted(keys)):
        raise Conflict(
            f"key {known.key} was planned before, in round {known.round_no} of {known.campaign!r}; "
            "buying it again needs the next attempt, which is a new key"
        )


def _attempts(connection: Connection, campaign: str, item_ids: Sequence[str]) -> dict[Slot, str]:
    chosen = select(Task.item_id, Task.purpose, Task.overlap_slot, Task.attempt, Task.key)
    rows = among(connection, chosen.where(Task.campaign == campaign), Task.item_id, item_ids)
    return {(row[0], row[1], row[2], row[3]): row[4] for row in rows}
