"""Deliveries: raw bytes first, then what a parser reads in them; a replay forgets and reads again."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, exists, insert, select, update

from tailfirst.errors import Conflict, LedgerError
from tailfirst.ledger import transitions
from tailfirst.ledger.engine import Database
from tailfirst.ledger.journal import Act, Shift, append_event, insert_ignore, lock_task, move_tasks, record, round_row
from tailfirst.ledger.records import AnnotationRow, DeliveryRow
from tailfirst.ledger.tables import AnnotationRecord, Delivery, Event, Task
from tailfirst.port import ParsedResult, RawResult

# The task is not known to be at the vendor yet: its delivery waits for `find` (failure `webhook_early`).
PARKED = (*transitions.BEFORE_VENDOR, "OUTBOX", "UNKNOWN")


class Deliveries:
    """`ledger.deliveries`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def store_raw(self, campaign: str, round_no: int, raw: RawResult) -> bool:
        """Store the bytes before anything reads them, and move the task to RETURNED where that is allowed.

        Idempotent by (vendor id, revision): False = known. If the same revision comes with other bytes, the first ones
        stay and an event tells it.

        Raises:
            LedgerError: There is no such round.
        """
        with self._database.write() as connection:
            round_row(connection, campaign, round_no)
            key = _owner(connection, campaign, round_no, raw)
            task = None if key is None else lock_task(connection, key)
            if not insert_ignore(connection, Delivery, _columns(campaign, round_no, key, raw)):
                _note_other_bytes(connection, campaign, round_no, key, raw)
                return False
            if task is not None and transitions.allowed(transitions.TASK, task.state, "RETURNED"):
                move_tasks(connection, [Shift(task, "RETURNED")], Act(raw.fetched_at, "collect"))
            return True

    def unparsed(self, campaign: str, round_no: int) -> list[DeliveryRow]:
        """What waits to be parsed: neither parsed nor quarantined, and its task is known to be at the vendor."""
        parked = exists().where(Task.key == Delivery.key, Task.state.in_(PARKED))
        chosen = _of(campaign, round_no).where(
            Delivery.parsed_at.is_(None), Delivery.quarantine_reason.is_(None), ~parked
        )
        with self._database.read() as connection:
            return _sorted(connection, chosen)

    def raw(self, campaign: str, round_no: int) -> list[DeliveryRow]:
        """Every delivery of a round, sorted by key, vendor id and revision."""
        with self._database.read() as connection:
            return _sorted(connection, _of(campaign, round_no))

    def record_parsed(self, key: str, revision: str, parsed: ParsedResult, at: datetime) -> None:
        """Store what the parser read: annotations; the task goes to PARSED from where it waits for that.

        A task that is past PARSED (a newer revision, a replay) keeps its state. Repeating it writes the same rows.

        Raises:
            LedgerError: No delivery of this key and revision is stored.
            Conflict: The parsed result is for another key or revision.
        """
        if (parsed.key, parsed.revision) != (key, revision):
            raise Conflict(f"parsed {parsed.key} revision {parsed.revision}, asked to store {key} revision {revision}")
        with self._database.write() as connection:
            task = lock_task(connection, key)
            values = {
                "parsed_at": at,
                "parser_version": parsed.parser_version,
                "vendor_updated_at": parsed.vendor_updated_at,
                "quarantine_reason": None,
            }
            stored = update(Delivery).where(Delivery.key == key, Delivery.revision == revision).values(**values)
            if task is None or connection.execute(stored).rowcount == 0:
                raise LedgerError(
                    f"no delivery of {key} with revision {revision!r} is stored; bytes come before parsing"
                )
            _write_annotations(connection, parsed)
            _lead(connection, task, "PARSED", Act(at, "collect", parsed.parser_version))

    def quarantine(self, key: str | None, vendor_id: str, revision: str, reason: str, at: datetime) -> None:
        """Put a delivery aside with a reason; its bytes stay and a replay can release it.

        Raises:
            LedgerError: No such delivery.
        """
        mine = (Delivery.vendor_id == vendor_id) & (Delivery.revision == revision)
        mine &= Delivery.key.is_(None) if key is None else Delivery.key == key
        with self._database.write() as connection:
            task = None if key is None else lock_task(connection, key)
            if connection.execute(update(Delivery).where(mine).values(quarantine_reason=reason)).rowcount == 0:
                raise LedgerError(f"no delivery of {key} at the vendor's {vendor_id!r} with revision {revision!r}")
            if task is not None:
                _lead(connection, task, "QUARANTINED", Act(at, "collect", reason), reason)

    def annotations(self, campaign: str, round_no: int, *, all_revisions: bool = False) -> list[AnnotationRow]:
        """The answers of a round, sorted by key: of the newest parsed revision of each task, or of all.

        Newest is by the vendor's update time, then revision; never by arrival. An empty newest revision (a deletion)
        hides the older ones.
        """
        revisions = select(Delivery.key, Delivery.revision, Delivery.vendor_updated_at).where(
            Delivery.campaign == campaign,
            Delivery.round_no == round_no,
            Delivery.parsed_at.is_not(None),
            Delivery.quarantine_reason.is_(None),
        )
        answers = (
            select(*AnnotationRecord.__table__.c)
            .join(Task, Task.key == AnnotationRecord.key)
            .where(Task.campaign == campaign, Task.round_no == round_no)
            .order_by(AnnotationRecord.key, AnnotationRecord.revision, AnnotationRecord.ordinal)
        )
        with self._database.read() as connection:
            newest = _newest(connection.execute(revisions).all())
            rows = connection.execute(answers).all()
        return [record(AnnotationRow, row) for row in rows if all_revisions or newest.get(row.key) == row.revision]

    def forget_parsed(self, campaign: str, round_no: int) -> None:
        """Forget everything that was parsed or quarantined, for a replay; bytes and states stay.

        Raises:
            LedgerError: There is no such round.
        """
        keys = select(Task.key).where(Task.campaign == campaign, Task.round_no == round_no)
        mine = (Delivery.campaign == campaign) & (Delivery.round_no == round_no)
        empty = {"parsed_at": None, "parser_version": None, "vendor_updated_at": None, "quarantine_reason": None}
        with self._database.write() as connection:
            round_row(connection, campaign, round_no)
            connection.execute(delete(AnnotationRecord).where(AnnotationRecord.key.in_(keys)))
            connection.execute(update(Delivery).where(mine).values(**empty))


def revision_order(row: Any) -> tuple[Any, int, str]:
    """Sorts revisions: by the vendor's time, then 9 before 10."""
    number = int(row.revision) if row.revision.isdecimal() else -1
    return row.vendor_updated_at, number, row.revision


def _newest(rows: Any) -> dict[str, str]:
    return {row.key: row.revision for row in sorted(rows, key=revision_order) if row.key is not None}


def _of(campaign: str, round_no: int) -> Select[Any]:
    return select(*Delivery.__table__.c).where(Delivery.campaign == campaign, Delivery.round_no == round_no)


def _sorted(connection: Connection, chosen: Select[Any]) -> list[DeliveryRow]:
    rows = [record(DeliveryRow, row) for row in connection.execute(chosen)]
    return sorted(rows, key=lambda row: (row.key or "", row.vendor_id, row.revision))


def _owner(connection: Connection, campaign: str, round_no: int, raw: RawResult) -> str | None:
    """The task these bytes are for: by our key, else by the vendor's id; None = not (yet) ours."""
    if raw.key is not None:
        mine = select(Task.key).where(Task.key == raw.key, Task.campaign == campaign)
    else:
        mine = select(Task.key).where(
            Task.campaign == campaign, Task.round_no == round_no, Task.vendor_task_id == raw.vendor_id
        )
    return connection.scalar(mine)


def _columns(campaign: str, round_no: int, key: str | None, raw: RawResult) -> dict[str, Any]:
    return {
        "campaign": campaign,
        "round_no": round_no,
        "key": key,
        "vendor_id": raw.vendor_id,
        "revision": raw.revision,
        "sha256": raw.sha256,
        "body": raw.body,
        "fetched_at": raw.fetched_at,
    }


def _note_other_bytes(connection: Connection, campaign: str, round_no: int, key: str | None, raw: RawResult) -> None:
    mine = _of(campaign, round_no).where(Delivery.vendor_id == raw.vendor_id, Delivery.revision == raw.revision)
    stored = connection.execute(mine).one()
    if stored.sha256 == raw.sha256:
        return
    note = (
        f"revision {raw.revision} of {raw.vendor_id} came again with other bytes {raw.sha256[:12]}; the first are kept"
    )
    told = exists().where(Event.campaign == campaign, Event.round_no == round_no, Event.note == note)
    if not connection.scalar(select(told)):
        state = connection.scalar(select(Task.state).where(Task.key == key)) or ""
        append_event(connection, campaign, round_no, key, (state, state), Act(raw.fetched_at, "collect", note))


def _write_annotations(connection: Connection, parsed: ParsedResult) -> None:
    mine = (AnnotationRecord.key == parsed.key) & (AnnotationRecord.revision == parsed.revision)
    connection.execute(delete(AnnotationRecord).where(mine))
    rows = [
        {
            "key": parsed.key,
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
    if rows:
        connection.execute(insert(AnnotationRecord), rows)


def _lead(connection: Connection, task: Row[Any], to_state: str, act: Act, reason: str = "") -> None:
    """Move the task to a state, over RETURNED if need be; stay where neither is allowed."""
    values = {"reason": reason} if reason else {}
    if transitions.allowed(transitions.TASK, task.state, to_state):
        move_tasks(connection, [Shift(task, to_state, values=values)], act)
    elif transitions.allowed(transitions.TASK, task.state, "RETURNED"):
        move_tasks(connection, [Shift(task, "RETURNED")], act)
        returned = lock_task(connection, task.key)
        assert returned is not None
        move_tasks(connection, [Shift(returned, to_state, values=values)], act)
