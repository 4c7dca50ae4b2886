"""Results of the gates."""

from dataclasses import asdict

from sqlalchemy import delete, insert, select

from tailfirst.ledger.engine import Database
from tailfirst.ledger.journal import record
from tailfirst.ledger.records import CheckRow
from tailfirst.ledger.tables import Check

CheckRows = list[CheckRow]  # inside the class, `list` is a method


class Checks:
    """`ledger.checks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, row: CheckRow) -> None:
        """Store the result of a suite for a round; running the suite again replaces it."""
        mine = (Check.campaign == row.campaign) & (Check.round_no == row.round_no) & (Check.suite == row.suite)
        with self._database.write() as connection:
            connection.execute(delete(Check).where(mine))
            connection.execute(insert(Check).values(**asdict(row)))

    def list(self, campaign: str, round_no: int) -> CheckRows:
        """The results of a round, by suite."""
        chosen = select(*Check.__table__.c).where(Check.campaign == campaign, Check.round_no == round_no)
        with self._database.read() as connection:
            return [record(CheckRow, row) for row in connection.execute(chosen.order_by(Check.suite))]
