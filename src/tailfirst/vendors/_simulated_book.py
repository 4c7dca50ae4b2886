"""The simulated vendor's own durable memory: it stands for a company outside, so it shares nothing with the ledger.

One short SQLite transaction per call, committed before the call answers: kill -9 on our side loses nothing of theirs.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tailfirst.vendors._simulated_rows import (
    SECOND,
    TABLES,
    VERSION,
    BatchRow,
    Charge,
    EventRow,
    Job,
    ResultRow,
    Review,
)
from tailfirst.vendors._simulated_session import Session

__all__ = ["BatchRow", "Book", "Charge", "EventRow", "Job", "ResultRow", "Review", "Session"]


@dataclass(frozen=True, slots=True)
class Book:
    """The vendor's database file; opened anew for every call, so it survives forks and kills."""

    path: Path

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, gone when it raises."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")  # outlives kill -9; a power cut is beyond a simulation
            connection.execute("BEGIN IMMEDIATE")
            try:
                _make(connection)
                yield Session(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        finally:
            connection.close()

    def charges(self) -> tuple[Charge, ...]:
        """The whole money book."""
        with self.session() as session:
            return session.charges()


def _make(connection: sqlite3.Connection) -> None:
    """The tables, new or as an earlier release left them; inside the caller's transaction."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    for statement in (
        *(TABLES.split(";") if not version else ()),
        *SECOND.split(";"),
        f"PRAGMA user_version = {VERSION}",
    ):
        if statement.strip():
            connection.execute(statement)
