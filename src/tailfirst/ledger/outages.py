"""When the vendor cannot be reached, and how its calls went: what waiting and `tailfirst status` go by."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from tailfirst.ledger.engine import Database
from tailfirst.ledger.journal import Act, append_event, insert_ignore, record, round_row
from tailfirst.ledger.tables import Outage, Round, VendorCall


@dataclass(frozen=True, slots=True)
class OutageRow:
    """An outage of a round's vendor; `failures` 0 = it only asked us to come back later."""

    campaign: str
    round_no: int
    reason: str  # the pause reason that it set
    since: datetime
    not_before: datetime  # the next try
    failures: int


@dataclass(frozen=True, slots=True)
class CallCount:
    """How often an operation ended in one way."""

    vendor: str
    operation: str
    outcome: str
    n: int
    seconds: float  # all of them together
    last_at: datetime


class Outages:
    """`ledger.outages`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, campaign: str, round_no: int) -> OutageRow | None:
        """The outage that a round waits for, or has not been seen to end."""
        with self._database.read() as connection:
            return read_outage(connection, campaign, round_no)

    def down(self, row: OutageRow, at: datetime, actor: str) -> None:
        """Pause the round until `not_before`; the schedule does nothing before that.

        Raises:
            LedgerError: There is no such round.
        """
        values = {"reason": row.reason, "since": row.since, "not_before": row.not_before, "failures": row.failures}
        with self._database.write() as connection:
            there = round_row(connection, row.campaign, row.round_no, hold=True)
            insert_ignore(connection, Outage, {"campaign": row.campaign, "round_no": row.round_no, **values})
            connection.execute(update(Outage).where(*_mine(row.campaign, row.round_no)).values(**values))
            connection.execute(_of(row.campaign, row.round_no).values(pause_reason=row.reason, updated_at=at))
            note = f"paused: {row.reason}; next try {row.not_before:%Y-%m-%d %H:%M:%S} UTC"
            states = (there.state, there.state)
            append_event(connection, row.campaign, row.round_no, None, states, Act(at, actor, note))

    def probe(self, row: OutageRow) -> None:
        """Take the pause back for a try; the outage stays until `up`."""
        mine = _of(row.campaign, row.round_no).where(Round.pause_reason == row.reason)
        with self._database.write() as connection:
            connection.execute(mine.values(pause_reason=None))

    def up(self, row: OutageRow, at: datetime, actor: str, note: str, sla_at: datetime | None) -> None:
        """The vendor answers again: forget the outage, set the SLA.

        Raises:
            LedgerError: There is no such round.
        """
        with self._database.write() as connection:
            there = round_row(connection, row.campaign, row.round_no, hold=True)
            gone = connection.execute(delete(Outage).where(*_mine(row.campaign, row.round_no)))
            if gone.rowcount == 0:
                return
            values = {} if sla_at is None else {"sla_at": sla_at}
            connection.execute(_of(row.campaign, row.round_no).values(updated_at=at, **values))
            states = (there.state, there.state)
            append_event(connection, row.campaign, row.round_no, None, states, Act(at, actor, note))

    def count(
        self, campaign: str, vendor: str, calls: Mapping[tuple[str, str], tuple[int, float]], at: datetime
    ) -> None:
        """Add up how calls went: (operation, outcome) -> how many, seconds together."""
        with self._database.write() as connection:
            for (operation, outcome), (n, seconds) in sorted(calls.items()):
                place = {"campaign": campaign, "vendor": vendor, "operation": operation, "outcome": outcome}
                insert_ignore(connection, VendorCall, {**place, "n": 0, "seconds": 0.0, "last_at": at})
                more = {"n": VendorCall.n + n, "seconds": VendorCall.seconds + seconds, "last_at": at}
                connection.execute(update(VendorCall).filter_by(**place).values(**more))

    def calls(self, campaign: str) -> list[CallCount]:
        """How the campaign's calls went, by vendor, operation and outcome."""
        order = (VendorCall.vendor, VendorCall.operation, VendorCall.outcome)
        chosen = select(*VendorCall.__table__.c).where(VendorCall.campaign == campaign).order_by(*order)
        with self._database.read() as connection:
            return [record(CallCount, row) for row in connection.execute(chosen)]


def read_outage(connection: Connection, campaign: str, round_no: int) -> OutageRow | None:
    """The outage of a round."""
    row = connection.execute(select(*Outage.__table__.c).where(*_mine(campaign, round_no))).one_or_none()
    return None if row is None else record(OutageRow, row)


def _mine(campaign: str, round_no: int) -> tuple[Any, Any]:
    return Outage.campaign == campaign, Outage.round_no == round_no


def _of(campaign: str, round_no: int) -> Any:
    return update(Round).where(Round.campaign == campaign, Round.round_no == round_no)
