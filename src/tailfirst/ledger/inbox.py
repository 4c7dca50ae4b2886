"""The inbox: what webhooks announced. A hint moves the next poll forward; the poll alone finds out what happened.

Losing every row here loses nothing but time (specs/vendor.md section 8).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Select, case, delete, exists, func, insert, or_, select, update

from tailfirst.ledger.engine import Database
from tailfirst.ledger.journal import held, insert_ignore
from tailfirst.ledger.records import InboxStatus, MissRate, NewHint
from tailfirst.ledger.tables import Delivery, Hint, HintTask, Round, Task

Stored = Literal["WAITING", "PARKED", "REPEATED", "REPLAYED"]
IDS_MAX = 1000  # of one hint; it is only a hint
AT_ONCE = 1000  # ids in a statement


class Inbox:
    """`ledger.inbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def store(self, hint: NewHint, *, again: bool = False) -> Stored:
        """Store a verified delivery once.

        Args:
            hint: The delivery.
            again: Whether a repetition moves the next poll forward too: where nothing is signed, the same bytes may
                well be a second event.

        Returns:
            WAITING: new. PARKED: new, and names nothing that we know yet (failure `webhook_early`). REPEATED: the same
            delivery came again, which is counted. REPLAYED: its id was used before for other bytes.
        """
        return self.store_all([(hint, again)])[0]

    def store_all(self, hints: Sequence[tuple[NewHint, bool]]) -> list[Stored]:
        """The same for many in one transaction: one commit, however many call at once."""
        with self._database.write() as connection:
            return [_store(connection, hint, again=again) for hint, again in hints]

    def look(self, hint: NewHint) -> Stored:
        """What `store` would say, without storing; never waits for a writer."""
        with self._database.read() as connection:
            body = connection.scalar(select(Hint.body_sha256).where(_mine(hint)))
            if body is not None:
                return "REPEATED" if body == hint.body_sha256 else "REPLAYED"
            return "WAITING" if _known(connection, hint) else "PARKED"

    def waiting(self, campaign: str) -> list[int]:
        """Hints that the next poll answers: those that wait, and parked ones whose vendor id is known by now."""
        with self._database.read() as connection:
            return list(connection.scalars(_due(campaign).order_by(Hint.id)))

    def take(self, hints: Sequence[int], at: datetime) -> None:
        """Say that a poll has ended which began after these hints came."""
        if not hints:
            return
        taken = update(Hint).where(Hint.state != "TAKEN").values(state="TAKEN", taken_at=at)
        with self._database.write() as connection:
            for start in range(0, len(hints), AT_ONCE):
                connection.execute(taken.where(Hint.id.in_(hints[start : start + AT_ONCE])))

    def status(self, campaign: str) -> InboxStatus:
        """What lies in the inbox."""
        chosen = select(
            func.coalesce(func.sum(case((Hint.state == "WAITING", 1), else_=0)), 0),
            func.coalesce(func.sum(case((Hint.state == "PARKED", 1), else_=0)), 0),
            func.coalesce(func.sum(Hint.repeats), 0),
        ).where(Hint.campaign == campaign)
        with self._database.read() as connection:
            return InboxStatus(*map(int, connection.execute(chosen).one()))

    def heard(self, campaign: str) -> bool:
        """Whether any hint lies here: somebody has set webhooks up."""
        with self._database.read() as connection:
            return connection.execute(select(Hint.id).where(Hint.campaign == campaign).limit(1)).first() is not None

    def miss_rate(self, campaign: str, since: datetime) -> MissRate:
        """Of the results stored since then: how many no webhook announced before a poll found them.

        A newer revision counts as announced only by a hint that came after the revision before it was stored.
        """
        found = (
            select(func.count(), func.coalesce(func.sum(case((_announced(), 0), else_=1)), 0))
            .select_from(Delivery)
            .join(Round, (Round.campaign == Delivery.campaign) & (Round.round_no == Delivery.round_no))
            .where(Delivery.campaign == campaign, Delivery.fetched_at >= since)
        )
        with self._database.read() as connection:
            return MissRate(*map(int, connection.execute(found).one()))

    def prune(self, before: datetime) -> int:
        """Forget what came before then, whatever its state; returns how many."""
        old = select(Hint.id).where(Hint.received_at < before)
        with self._database.write() as connection:
            connection.execute(delete(HintTask).where(HintTask.inbox_id.in_(old)))
            return connection.execute(delete(Hint).where(Hint.received_at < before)).rowcount


def _store(connection: Connection, hint: NewHint, *, again: bool) -> Stored:
    state: Stored = "WAITING" if _known(connection, hint) else "PARKED"
    if insert_ignore(connection, Hint, _columns(hint, state)):
        _write_ids(connection, hint)
        return state
    return _repeat(connection, hint, state if again else None)


def _columns(hint: NewHint, state: str) -> dict[str, Any]:
    return {
        "campaign": hint.campaign,
        "vendor": hint.vendor,
        "delivery_id": hint.delivery_id,
        "body_sha256": hint.body_sha256,
        "sent_at": hint.sent_at,
        "received_at": hint.received_at,
        "repeats": 0,
        "state": state,
        "taken_at": None,
    }


def _ids(hint: NewHint) -> list[str]:
    return sorted(set(hint.vendor_ids))[:IDS_MAX]


def _mine(hint: NewHint) -> Any:
    same = (Hint.campaign == hint.campaign) & (Hint.vendor == hint.vendor)
    return same & (Hint.delivery_id == hint.delivery_id)


def _write_ids(connection: Connection, hint: NewHint) -> None:
    ids = _ids(hint)
    if ids:
        inbox_id = connection.scalar(select(Hint.id).where(_mine(hint)))
        connection.execute(insert(HintTask), [{"inbox_id": inbox_id, "vendor_id": one} for one in ids])


def _repeat(connection: Connection, hint: NewHint, state: str | None) -> Stored:
    row = connection.execute(held(select(Hint.id, Hint.body_sha256).where(_mine(hint)))).one()
    if row.body_sha256 != hint.body_sha256:
        return "REPLAYED"
    values: dict[str, Any] = {"repeats": Hint.repeats + 1} | ({} if state is None else {"state": state})
    connection.execute(update(Hint).where(Hint.id == row.id).values(**values))
    return "REPEATED"


def _known(connection: Connection, hint: NewHint) -> bool:
    """Whether the hint names a task or an order of ours; one that names nothing may mean anything."""
    ids = _ids(hint)
    if not ids:
        return True
    task = exists().where(Task.campaign == hint.campaign, Task.vendor_task_id.in_(ids))
    order = exists().where(Round.campaign == hint.campaign, Round.vendor_batch_id.in_(ids))
    return bool(connection.scalar(select(or_(task, order))))


def _due(campaign: str) -> Select[tuple[int]]:
    named = HintTask.inbox_id == Hint.id
    task = exists().where(named, Task.campaign == Hint.campaign, Task.vendor_task_id == HintTask.vendor_id)
    order = exists().where(named, Round.campaign == Hint.campaign, Round.vendor_batch_id == HintTask.vendor_id)
    known = (Hint.state == "PARKED") & or_(task, order)
    return select(Hint.id).where(Hint.campaign == campaign, or_(Hint.state == "WAITING", known))


def _announced() -> Any:
    """Whether a hint that names this delivery's task or order came in time."""
    before = Delivery.__table__.alias("before")
    last = (
        select(func.max(before.c.fetched_at))
        .where(
            before.c.campaign == Delivery.campaign,
            before.c.round_no == Delivery.round_no,
            before.c.vendor_id == Delivery.vendor_id,
            before.c.fetched_at < Delivery.fetched_at,
        )
        .correlate(Delivery)
        .scalar_subquery()
    )
    # Nested, so that the database begins with the few hints of one vendor id and never with all of the campaign.
    in_time = (
        exists()
        .where(
            Hint.id == HintTask.inbox_id,
            Hint.campaign == Delivery.campaign,
            Hint.received_at <= Delivery.fetched_at,
            or_(last.is_(None), Hint.received_at > last),
        )
        .correlate(HintTask, Delivery)
    )
    names_task = exists().where(HintTask.vendor_id == Delivery.vendor_id, in_time)
    names_order = exists().where(HintTask.vendor_id == Round.vendor_batch_id, in_time)
    return or_(names_task, names_order)
