"""Insert the tasks of a frozen batch, each linked to its earlier attempt."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, insert, select

from tailfirst.errors import Conflict
from tailfirst.ledger.journal import Act, event_of
from tailfirst.ledger.records import NewTask
from tailfirst.ledger.tables import Event, Task

CHUNK = 500  # parameters of one IN list; SQLite's oldest limit is 999
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
    for start in range(0, len(keys), CHUNK):
        chosen = select(Task.key, Task.campaign, Task.round_no).where(Task.key.in_(keys[start : start + CHUNK]))
        known = connection.execute(chosen.order_by(Task.key)).first()
        if known is not None:
            raise Conflict(
                f"key {known.key} was planned before, in round {known.round_no} of {known.campaign!r}; "
                "buying it again needs the next attempt, which is a new key"
            )


def _attempts(connection: Connection, campaign: str, item_ids: Sequence[str]) -> dict[Slot, str]:
    found: dict[Slot, str] = {}
    for start in range(0, len(item_ids), CHUNK):
        chosen = select(Task.item_id, Task.purpose, Task.overlap_slot, Task.attempt, Task.key).where(
            Task.campaign == campaign, Task.item_id.in_(item_ids[start : start + CHUNK])
        )
        found |= {(row[0], row[1], row[2], row[3]): row[4] for row in connection.execute(chosen)}
    return found
