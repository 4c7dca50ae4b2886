"""Which alarms of a round were told already."""

from datetime import datetime

from sqlalchemy import select

from tailfirst.ledger.engine import Database
from tailfirst.ledger.journal import insert_ignore
from tailfirst.ledger.tables import AlarmRecord


class Alarms:
    """`ledger.alarms`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def told(self, campaign: str, round_no: int) -> set[str]:
        """The kinds that were told for a round."""
        chosen = select(AlarmRecord.kind).where(AlarmRecord.campaign == campaign, AlarmRecord.round_no == round_no)
        with self._database.read() as connection:
            return set(connection.scalars(chosen))

    def tell(self, campaign: str, round_no: int, kind: str, sentence: str, at: datetime) -> None:
        """Note, after telling it, that an alarm was told; a kill in between tells it twice, never not at all."""
        values = {"campaign": campaign, "round_no": round_no, "kind": kind, "at": at, "sentence": sentence}
        with self._database.write() as connection:
            insert_ignore(connection, AlarmRecord, values)
