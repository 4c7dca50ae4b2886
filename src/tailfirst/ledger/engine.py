"""One database, two kinds of short transactions: reads and writes."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import StaticPool

from tailfirst.errors import LedgerError, UserError

BUSY_MS = 30_000
EAGER_S = 0.001
# SQLite's own 2 MB hold not even what one page of a thousand answers touches: it was written twice, and read again.
CACHE_KB = 32_768
# Pages of the log before it is copied into the database (32 MB): what many answers touch again is copied once.
CHECKPOINT_PAGES = 8_192
WRITES = "tailfirst_writes"


class Database:
    """A database behind `read()` and `write()`; safe to share between threads, not between processes."""

    def __init__(self, url: str, busy_ms: int = BUSY_MS, *, eager: bool = False) -> None:
        """Connect lazily.

        Args:
            url: Where it lies.
            busy_ms: How long a write waits for other writers (SQLite).
            eager: Ask for the lock every millisecond (SQLite); see `_begin`.

        Raises:
            UserError: The URL is not one of SQLite or PostgreSQL, or the driver is missing.
        """
        self.url = parse(url)
        self.busy_ms = busy_ms
        self.engine = _engine(self.url, busy_ms, eager=eager)
        # SQLite: one snapshot by BEGIN. PostgreSQL: READ COMMITTED would let two SELECTs of one read see two states.
        reads: dict[str, Any] = {} if self.sqlite else {"isolation_level": "REPEATABLE READ"}
        self._reader = self.engine.execution_options(**reads)
        self._writer = self.engine.execution_options(**{WRITES: True})

    @property
    def sqlite(self) -> bool:
        """Whether this is SQLite."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def path(self) -> Path | None:
        """The SQLite file; None for PostgreSQL and for a database in memory."""
        name = self.url.database
        return Path(name) if self.sqlite and name and name != ":memory:" else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the ledger and writes nothing."""
        with self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits whole or not at all.

        Raises:
            LedgerError: SQLite stayed locked by other writers for longer than the busy timeout.
        """
        try:
            with self._writer.begin() as connection:
                yield connection
        except OperationalError as error:
            if "database is locked" not in str(error):
                raise
            raise LedgerError(
                f"{self.path} stayed locked for {self.busy_ms / 1000:g} s: another process holds a write transaction "
                "open; end it, or use PostgreSQL (TAILFIRST_LEDGER_URL) when several machines write"
            ) from error

    def writer(self) -> Connection:
        """A connection whose transactions, begun by the caller, write; the caller closes it."""
        return self._writer.connect()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def parse(url: str) -> URL:
    """A SQLAlchemy URL with the driver that tailfirst uses.

    Raises:
        UserError: Not a URL, or neither SQLite nor PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UserError(
            f"the ledger URL {url!r} is not readable; examples: sqlite:///state/ledger.db, "
            "postgresql://user@host/database (TAILFIRST_LEDGER_URL)"
        ) from error
    backend = parsed.get_backend_name()
    if backend not in {"sqlite", "postgresql"}:
        raise UserError(f"the ledger runs on sqlite or postgresql; found {backend!r} in {hidden(parsed)}")
    return parsed.set(drivername="sqlite" if backend == "sqlite" else "postgresql+psycopg")


def hidden(url: URL) -> str:
    """A URL for messages: without the password."""
    return url.render_as_string(hide_password=True)


def _engine(url: URL, busy_ms: int, *, eager: bool) -> Engine:
    if url.get_backend_name() != "sqlite":
        try:
            return create_engine(url, pool_pre_ping=True)
        except ModuleNotFoundError as error:
            raise UserError(
                f"the ledger at {hidden(url)} needs psycopg; install it with: pip install 'tailfirst[postgres]'"
            ) from error
    if not url.database or url.database == ":memory:":
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        _make_folder(Path(url.database).parent)
        engine = create_engine(url)
    event.listen(engine, "connect", lambda connection, _: _prepare(connection, 0 if eager else busy_ms))
    event.listen(engine, "begin", lambda connection: _begin(connection, busy_ms if eager else 0))
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the folder of the ledger, {folder}, cannot be made: {error}") from error


def _prepare(connection: Any, busy_ms: int) -> None:
    """Traps L1, L5 and L7: foreign keys are off by default, and pysqlite begins late and commits before DDL."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={busy_ms}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # money: a commit must survive a power cut, not only a crash
    cursor.execute(f"PRAGMA cache_size=-{CACHE_KB}")
    cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection, eager_ms: int) -> None:
    """Writers take the lock at once: who reads first and writes later would decide on rows that have changed.

    SQLite's own waiting backs off to a try every 100 ms, and beside a busy writer loses every time. Whoever must be
    quick asks every millisecond instead.
    """
    if not connection.get_execution_options().get(WRITES, False):
        connection.exec_driver_sql("BEGIN")
        return
    raw, end = connection.connection.driver_connection, time.monotonic() + eager_ms / 1000
    while raw is not None and time.monotonic() < end:
        try:
            raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "database is locked" not in str(error):
                raise
            time.sleep(EAGER_S)
        else:
            return
    connection.exec_driver_sql("BEGIN IMMEDIATE")
