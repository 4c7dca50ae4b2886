"""The ledger: what was planned, approved, bought, delivered and paid. The only owner of these facts."""

from types import TracebackType
from typing import Any, Self

from sqlalchemy.exc import DBAPIError

from tailfirst.errors import UserError
from tailfirst.ledger import dump
from tailfirst.ledger.alarms import Alarms
from tailfirst.ledger.checks import Checks
from tailfirst.ledger.deliveries import Deliveries
from tailfirst.ledger.engine import BUSY_MS, Database, hidden
from tailfirst.ledger.exports import Exports
from tailfirst.ledger.inbox import Inbox
from tailfirst.ledger.leases import Leases
from tailfirst.ledger.money import Money
from tailfirst.ledger.outages import Outages
from tailfirst.ledger.rounds import Rounds
from tailfirst.ledger.tasks import Tasks


class Ledger:
    """One database. Methods are short transactions and never call a network; share it between threads only."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.rounds = Rounds(database)
        self.tasks = Tasks(database)
        self.money = Money(database)
        self.leases = Leases(database)
        self.deliveries = Deliveries(database)
        self.exports = Exports(database)
        self.checks = Checks(database)
        self.inbox = Inbox(database)
        self.alarms = Alarms(database)
        self.outages = Outages(database)

    @classmethod
    def open(cls, url: str, busy_ms: int = BUSY_MS, *, eager: bool = False) -> Self:
        """Open a ledger by its SQLAlchemy URL and bring its schema up to date.

        Args:
            url: Where it lies.
            busy_ms: How long a write waits for others (SQLite).
            eager: Whether a write must be quick beside busy writers (SQLite).

        Raises:
            UserError: Unusable URL, missing driver, unreachable database, or a ledger of a newer tailfirst.
        """
        from tailfirst.ledger import migrate

        database = Database(url, busy_ms, eager=eager)
        try:
            with database.read():
                pass
            migrate.upgrade(database)
        except DBAPIError as error:
            database.close()
            raise UserError(f"the ledger at {hidden(database.url)} cannot be opened: {error.orig}") from error
        except BaseException:
            database.close()
            raise
        return cls(database)

    def export(self, campaign: str) -> dict[str, Any]:
        """The campaign without times, tokens and foreign ids, sorted: to compare two ledgers."""
        return dump.export(self.database, campaign)

    def fingerprint(self, campaign: str) -> str:
        """Hex sha256 of `export`."""
        return dump.fingerprint(self.database, campaign)

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
