"""Deliveries: raw bytes first, then what a parser reads in them; a replay forgets and reads again."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, select, update

from tailfirst.errors import Conflict, LedgerError
from tailfirst.ledger import delivery_rows, transitions
from tailfirst.ledger.engine import Database
from tailfirst.ledger.journal import Act, lock_task, record, round_row
from tailfirst.ledger.records import AnnotationRow, DeliveryRow
from tailfirst.ledger.tables import AnnotationRecord, Delivery, Round, Task
from tailfirst.port import ParsedResult, RawResult

# The task is not known to be at the vendor yet: its delivery waits for `find` (failure `webhook_early`).
PARKED = (*transitions.BEFORE_VENDOR, "OUTBOX", "UNKNOWN")


class Deliveries:
    """`ledger.deliveries`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def store_raw(self, campaign: str, round_no: int, raw: RawResult) -> bool:
        """`store_many` of one result: whether it is new.

        Raises:
            LedgerError: There is no such round.
        """
        return self.store_many(campaign, round_no, [raw])[0]

    def store_many(self, campaign: str, round_no: int, raws: Sequence[RawResult]) -> list[bool]:
        """Store bytes before anything reads them, all or none; tasks move to RETURNED where that is allowed.

        Idempotent by (vendor id, revision). If the same revision comes with other bytes, the first ones stay and an
        event tells it.

        Returns:
            For each result whether it is new; False = known.

        Raises:
            LedgerError: There is no such round.
        """
        with self._database.write() as connection:
            round_row(connection, campaign, round_no)
            return delivery_rows.store(connection, campaign, round_no, raws)

    def known(self, campaign: str, round_no: int) -> set[tuple[str, str]]:
        """(vendor id, revision) of every stored delivery of a round, without its bytes."""
        chosen = select(Delivery.vendor_id, Delivery.revision)
        with self._database.read() as connection:
            mine = chosen.where(Delivery.campaign == campaign, Delivery.round_no == round_no)
            return {(vendor_id, revision) for vendor_id, revision in connection.execute(mine).tuples()}

    def answered(self, campaign: str, round_no: int) -> set[str]:
        """Keys with at least one stored delivery."""
        chosen = select(Delivery.key).where(Delivery.campaign == campaign, Delivery.round_no == round_no)
        with self._database.read() as connection:
            return {key for key in connection.scalars(chosen) if key is not None}

    def awaited(self, campaign: str, states: Iterable[str]) -> set[int]:
        """Rounds with a task in one of `states` that the vendor has and nobody answered; one query, no rows loaded."""
        of_task = Delivery.campaign == Task.campaign, Delivery.round_no == Task.round_no, Delivery.key == Task.key
        waits = exists().where(
            Task.campaign == Round.campaign,
            Task.round_no == Round.round_no,
            Task.state.in_(tuple(states)),
            Task.vendor_task_id.is_not(None),
            ~exists().where(*of_task),
        )
        with self._database.read() as connection:
            return set(connection.scalars(select(Round.round_no).where(Round.campaign == campaign, waits)))

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
        """`record_many` of one result.

        Raises:
            LedgerError: No delivery of this key and revision is stored.
            Conflict: The parsed result is for another key or revision.
        """
        if (parsed.key, parsed.revision) != (key, revision):
            raise Conflict(f"parsed {parsed.key} revision {parsed.revision}, asked to store {key} revision {revision}")
        self.record_many([parsed], at)

    def record_many(self, results: Sequence[ParsedResult], at: datetime) -> None:
        """Store what the parser read, all or none: annotations; tasks go to PARSED from where they wait for that.

        A task that is past PARSED (a newer revision, a replay) keeps its state. Repeating it writes the same rows.

        Raises:
            LedgerError: No delivery of a key and revision is stored.
        """
        with self._database.write() as connection:
            delivery_rows.record(connection, results, at)

    def quarantine(
        self, campaign: str, round_no: int, vendor_id: str, revision: str, reason: str, at: datetime
    ) -> None:
        """Put a delivery aside with a reason; its bytes stay and a replay can release it.

        Raises:
            LedgerError: No such delivery.
        """
        mine = (Delivery.campaign == campaign) & (Delivery.round_no == round_no)
        mine &= (Delivery.vendor_id == vendor_id) & (Delivery.revision == revision)
        with self._database.write() as connection:
            row = connection.execute(select(Delivery.id, Delivery.key).where(mine)).one_or_none()
            if row is None:
                raise LedgerError(
                    f"no delivery of the vendor's {vendor_id!r} with revision {revision!r} in round {round_no} of "
                    f"{campaign!r}; bytes are stored before they are put aside"
                )
            task = None if row.key is None else lock_task(connection, row.key)
            connection.execute(update(Delivery).where(Delivery.id == row.id).values(quarantine_reason=reason))
            if task is not None:
                delivery_rows.lead(connection, [task], "QUARANTINED", Act(at, "collect", reason), reason)

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
            .where(AnnotationRecord.campaign == campaign, AnnotationRecord.round_no == round_no)
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
        answers = (AnnotationRecord.campaign == campaign) & (AnnotationRecord.round_no == round_no)
        mine = (Delivery.campaign == campaign) & (Delivery.round_no == round_no)
        empty = {"parsed_at": None, "parser_version": None, "vendor_updated_at": None, "quarantine_reason": None}
        with self._database.write() as connection:
            round_row(connection, campaign, round_no)
            connection.execute(delete(AnnotationRecord).where(answers))
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
