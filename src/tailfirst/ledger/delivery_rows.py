"""What storing and reading deliveries does to the rows, many at a time: one statement per kind of change."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, exists, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tailfirst.errors import LedgerError
from tailfirst.ledger import transitions
from tailfirst.ledger.journal import CHUNK, Act, Shift, among, append_event, lock_tasks, move_tasks
from tailfirst.ledger.tables import AnnotationRecord, Delivery, Event, Task
from tailfirst.port import ParsedResult, RawResult

Place = tuple[str, str]  # vendor id, revision


def store(connection: Connection, campaign: str, round_no: int, raws: Sequence[RawResult]) -> list[bool]:
    """Insert what is not there yet and move its tasks to RETURNED; for each result whether it is new."""
    owners = _owners(connection, campaign, round_no, raws)
    rows = [_columns(campaign, round_no, task, raw) for task, raw in zip(owners, raws, strict=True)]
    inserted = _insert_new(connection, rows)
    new: list[bool] = []
    moved: dict[str, Shift] = {}
    for task, raw in zip(owners, raws, strict=True):
        new.append((raw.vendor_id, raw.revision) in inserted)
        inserted.discard((raw.vendor_id, raw.revision))  # the same twice in one call is new once
        if new[-1] and task is not None and transitions.allowed(transitions.TASK, task.state, "RETURNED"):
            moved.setdefault(task.key, Shift(task, "RETURNED"))
    if moved:
        move_tasks(connection, moved.values(), Act(raws[0].fetched_at, "collect"))
    for task, raw, fresh in zip(owners, raws, new, strict=True):
        if not fresh:
            _note_other_bytes(connection, campaign, round_no, task, raw)
    return new


def record(connection: Connection, results: Sequence[ParsedResult], at: datetime) -> None:
    """Annotations of parsed results, and their tasks to PARSED.

    Raises:
        LedgerError: No delivery of a key and revision is stored.
    """
    if not results:
        return
    tasks = lock_tasks(connection, {str(result.key) for result in results})
    if len(tasks) < len({result.key for result in results}):
        raise LedgerError(_not_stored(connection, results))
    columns = ("parsed_at", "parser_version", "vendor_updated_at", "quarantine_reason")
    stored = (
        update(Delivery)
        .where(*_place(Delivery))
        .values({name: bindparam(f"to_{name}", type_=Delivery.__table__.c[name].type) for name in columns})
    )
    owners = {task.key: task for task in tasks}
    places = [_place_of(owners[result.key], result) for result in results]
    values: list[dict[str, Any]] = [
        {
            "to_parsed_at": at,
            "to_parser_version": r.parser_version,
            "to_vendor_updated_at": r.vendor_updated_at,
            "to_quarantine_reason": None,
        }
        for r in results
    ]
    wanted = [place | value for place, value in zip(places, values, strict=True)]
    if connection.execute(stored, wanted).rowcount < len(results):
        raise LedgerError(_not_stored(connection, results))
    connection.execute(delete(AnnotationRecord).where(*_place(AnnotationRecord)), places)
    answers = [row for result in results for row in _annotations(owners[result.key], result)]
    if answers:
        connection.execute(insert(AnnotationRecord), answers)
    by_version: dict[str, list[Row[Any]]] = {}
    versions = {str(result.key): result.parser_version for result in results}
    for task in tasks:
        by_version.setdefault(versions[task.key], []).append(task)
    for version, some in sorted(by_version.items()):
        lead(connection, some, "PARSED", Act(at, "collect", version))


def _place(table: type[Delivery | AnnotationRecord]) -> tuple[ColumnElement[bool], ...]:
    """One revision of one task's answer, found as the indexes are that begin with the round."""
    return (
        table.campaign == bindparam("of_campaign"),
        table.round_no == bindparam("of_round"),
        table.key == bindparam("of_key"),
        table.revision == bindparam("of_revision"),
    )


def _place_of(task: Row[Any], result: ParsedResult) -> dict[str, Any]:
    return {
        "of_campaign": task.campaign,
        "of_round": task.round_no,
        "of_key": task.key,
        "of_revision": result.revision,
    }


def lead(connection: Connection, tasks: Sequence[Row[Any]], to_state: str, act: Act, reason: str = "") -> None:
    """Move tasks to a state, over RETURNED if need be; those where neither is allowed stay."""
    values = {"reason": reason} if reason else {}
    ready = [task for task in tasks if transitions.allowed(transitions.TASK, task.state, to_state)]
    others = [task for task in tasks if not transitions.allowed(transitions.TASK, task.state, to_state)]
    first = [task for task in others if transitions.allowed(transitions.TASK, task.state, "RETURNED")]
    move_tasks(connection, [Shift(task, "RETURNED") for task in first], act)
    ready += lock_tasks(connection, [task.key for task in first])
    move_tasks(connection, [Shift(task, to_state, values=values) for task in ready], act)


def _owners(connection: Connection, campaign: str, round_no: int, raws: Sequence[RawResult]) -> list[Row[Any] | None]:
    """The task of each result, held: by our key, else by the vendor's id; None = not (yet) one of this round."""
    of_round = select(Task.vendor_task_id, Task.key).where(Task.campaign == campaign, Task.round_no == round_no)
    nameless = sorted({raw.vendor_id for raw in raws if raw.key is None})
    by_id = {str(row[0]): row[1] for row in among(connection, of_round, Task.vendor_task_id, nameless)}
    keys = [by_id.get(raw.vendor_id) if raw.key is None else str(raw.key) for raw in raws]
    found = lock_tasks(connection, {key for key in keys if key})
    ours = {task.key: task for task in found if (task.campaign, task.round_no) == (campaign, round_no)}
    return [None if key is None else ours.get(key) for key in keys]


def _insert_new(connection: Connection, rows: Sequence[dict[str, Any]]) -> set[Place]:
    """Insert unless (vendor id, revision) is there; which ones were inserted."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    inserted: set[Place] = set()
    for start in range(0, len(rows), CHUNK):
        wanted = dialect.insert(Delivery).values(rows[start : start + CHUNK]).on_conflict_do_nothing()
        found = connection.execute(wanted.returning(Delivery.vendor_id, Delivery.revision))
        inserted |= {(vendor_id, revision) for vendor_id, revision in found.tuples()}
    return inserted


def _columns(campaign: str, round_no: int, task: Row[Any] | None, raw: RawResult) -> dict[str, Any]:
    return {
        "campaign": campaign,
        "round_no": round_no,
        "key": None if task is None else task.key,
        "vendor_id": raw.vendor_id,
        "revision": raw.revision,
        "sha256": raw.sha256,
        "body": raw.body,
        "fetched_at": raw.fetched_at,
    }


def _note_other_bytes(
    connection: Connection, campaign: str, round_no: int, task: Row[Any] | None, raw: RawResult
) -> None:
    mine = select(Delivery.sha256).where(
        Delivery.campaign == campaign,
        Delivery.round_no == round_no,
        Delivery.vendor_id == raw.vendor_id,
        Delivery.revision == raw.revision,
    )
    if connection.execute(mine).scalar_one() == raw.sha256:
        return
    note = (
        f"revision {raw.revision} of {raw.vendor_id} came again with other bytes {raw.sha256[:12]}; the first are kept"
    )
    told = exists().where(Event.campaign == campaign, Event.round_no == round_no, Event.note == note)
    if not connection.scalar(select(told)):
        key, state = (None, "") if task is None else (task.key, task.state)
        append_event(connection, campaign, round_no, key, (state, state), Act(raw.fetched_at, "collect", note))


def _annotations(task: Row[Any], parsed: ParsedResult) -> list[dict[str, Any]]:
    return [
        {
            "campaign": task.campaign,
            "round_no": task.round_no,
            "key": task.key,
            "revision": parsed.revision,
            "ordinal": ordinal,
            "annotator_id": answer.annotator_id,
            "class_ids": answer.class_ids,
            "skipped": answer.skipped,
            "reason": answer.reason,
            "started_at": answer.started_at,
            "submitted_at": answer.submitted_at,
            "work_s": answer.work_s,
            "provenance": answer.provenance,
        }
        for ordinal, answer in enumerate(parsed.annotations)
    ]


def _not_stored(connection: Connection, results: Sequence[ParsedResult]) -> str:
    for result in results:
        mine = exists().where(
            Task.key == result.key,
            Delivery.campaign == Task.campaign,
            Delivery.round_no == Task.round_no,
            Delivery.key == Task.key,
            Delivery.revision == result.revision,
        )
        if not connection.scalar(select(mine)):
            return f"no delivery of {result.key} with revision {result.revision!r} is stored; bytes come before parsing"
    return f"{len(results)} results name deliveries that are not stored once each; bytes come before parsing"
