"""The simulated vendor's own durable memory: it stands for a company outside, so it shares nothing with the ledger.

One short SQLite transaction per call, committed before the call answers: kill -9 on our side loses nothing of theirs.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS projects (vendor_id TEXT PRIMARY KEY, ontology_digest TEXT, ontology_version TEXT);
CREATE TABLE IF NOT EXISTS batches (
    vendor_id TEXT PRIMARY KEY, batch_key TEXT UNIQUE, project TEXT, round_no INTEGER, overlap INTEGER,
    polls INTEGER DEFAULT 0, finalized INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS tasks (
    vendor_id TEXT PRIMARY KEY, batch TEXT, key TEXT, item_id TEXT, item_digest TEXT, purpose TEXT,
    payload_sha256 TEXT, due_s INTEGER, canceled INTEGER DEFAULT 0);
CREATE INDEX IF NOT EXISTS tasks_key ON tasks (key);
CREATE INDEX IF NOT EXISTS tasks_batch ON tasks (batch, due_s);
CREATE TABLE IF NOT EXISTS results (
    vendor_id TEXT, revision TEXT, body BLOB, updated_at TEXT, PRIMARY KEY (vendor_id, revision));
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, batch TEXT, vendor_id TEXT, key TEXT, kind TEXT, revision TEXT, at TEXT,
    copies INTEGER DEFAULT 1, hidden INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS charges (
    line_id TEXT PRIMARY KEY, batch TEXT, key TEXT, amount_micros INTEGER, currency TEXT, at TEXT);
CREATE TABLE IF NOT EXISTS calls (operation TEXT PRIMARY KEY, n INTEGER);
"""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """An order as the vendor knows it."""

    vendor_id: str
    batch_key: str
    round_no: int
    overlap: int
    polls: int
    finalized: bool


@dataclass(frozen=True, slots=True)
class Job:
    """One labeling task as the vendor knows it; due_s = seconds after the round's start."""

    vendor_id: str
    batch: str
    key: str
    item_id: str
    item_digest: str
    purpose: str
    payload_sha256: str
    due_s: int


@dataclass(frozen=True, slots=True)
class EventRow:
    """A line of the vendor's change list."""

    seq: int
    vendor_id: str
    key: str
    kind: str
    revision: str
    at: str
    copies: int


@dataclass(frozen=True, slots=True)
class ResultRow:
    """Bytes that a fetch returns."""

    vendor_id: str
    key: str
    revision: str
    body: bytes
    updated_at: str


@dataclass(frozen=True, slots=True)
class Charge:
    """A line of the vendor's own money book."""

    line_id: str
    key: str
    amount_micros: int
    currency: str
    at: str


class Session:
    """The queries of one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def count_call(self, operation: str) -> int:
        """The 1-based number of this call of an operation."""
        self._db.execute("INSERT OR IGNORE INTO calls VALUES (?, 0)", (operation,))
        self._db.execute("UPDATE calls SET n = n + 1 WHERE operation = ?", (operation,))
        (n,) = self._db.execute("SELECT n FROM calls WHERE operation = ?", (operation,)).fetchone()
        return int(n)

    def add_project(self, vendor_id: str, digest: str, version: str) -> None:
        """Find or create."""
        self._db.execute("INSERT OR IGNORE INTO projects VALUES (?, ?, ?)", (vendor_id, digest, version))

    def add_batch(self, vendor_id: str, batch_key: str, project: str, round_no: int, overlap: int) -> None:
        """Find or create."""
        self._db.execute(
            "INSERT OR IGNORE INTO batches (vendor_id, batch_key, project, round_no, overlap) VALUES (?, ?, ?, ?, ?)",
            (vendor_id, batch_key, project, round_no, overlap),
        )

    def batch(self, vendor_id: str) -> BatchRow | None:
        """An order."""
        row = self._db.execute(
            "SELECT vendor_id, batch_key, round_no, overlap, polls, finalized FROM batches WHERE vendor_id = ?",
            (vendor_id,),
        ).fetchone()
        return BatchRow(row[0], row[1], row[2], row[3], row[4], bool(row[5])) if row else None

    def finalize(self, vendor_id: str) -> None:
        """Let the people start."""
        self._db.execute("UPDATE batches SET finalized = 1 WHERE vendor_id = ?", (vendor_id,))

    def poll(self, vendor_id: str) -> None:
        """Let time pass on an order."""
        self._db.execute("UPDATE batches SET polls = polls + 1 WHERE vendor_id = ?", (vendor_id,))

    def add_job(self, job: Job) -> None:
        """Create a labeling task; nothing here stops a second one with the same key."""
        self._db.execute(
            "INSERT INTO tasks (vendor_id, batch, key, item_id, item_digest, purpose, payload_sha256, due_s)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (job.vendor_id, job.batch, job.key, job.item_id, job.item_digest, job.purpose, job.payload_sha256,
             job.due_s),
        )  # fmt: skip

    def jobs(self, key: str) -> tuple[Job, ...]:
        """All labeling tasks with a key, oldest first."""
        return self._jobs("key = ? AND NOT canceled ORDER BY rowid", key)

    def job(self, vendor_id: str) -> Job | None:
        """One labeling task."""
        return next(iter(self._jobs("vendor_id = ? AND NOT canceled", vendor_id)), None)

    def due(self, batch: str, elapsed_s: float) -> tuple[Job, ...]:
        """Labeling tasks of an order whose answers are in by now, in the order they came in."""
        return self._jobs("batch = ? AND NOT canceled AND due_s <= ? ORDER BY due_s, vendor_id", batch, elapsed_s)

    def cancel(self, vendor_id: str) -> None:
        """Take a labeling task back."""
        self._db.execute("UPDATE tasks SET canceled = 1 WHERE vendor_id = ?", (vendor_id,))

    def add_result(self, result: ResultRow) -> bool:
        """Store what a fetch will return; False where it is there already."""
        done = self._db.execute(
            "INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?)",
            (result.vendor_id, result.revision, result.body, result.updated_at),
        )
        return done.rowcount == 1

    def results(self, vendor_id: str) -> tuple[ResultRow, ...]:
        """Every revision of a labeling task's result, oldest first."""
        rows = self._db.execute(
            "SELECT r.vendor_id, t.key, r.revision, r.body, r.updated_at FROM results r JOIN tasks t"
            " ON t.vendor_id = r.vendor_id WHERE r.vendor_id = ? ORDER BY r.revision",
            (vendor_id,),
        )
        return tuple(ResultRow(*row) for row in rows)

    def add_event(self, batch: str, event: EventRow, *, hidden: bool) -> None:
        """Append to the change list; `hidden` = the next reader's cursor will skip it."""
        self._db.execute(
            "INSERT INTO events (batch, vendor_id, key, kind, revision, at, copies, hidden)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (batch, event.vendor_id, event.key, event.kind, event.revision, event.at, event.copies, int(hidden)),
        )

    def events(self, batch: str, after: int, limit: int) -> tuple[EventRow, ...]:
        """The change list after a sequence number."""
        rows = self._db.execute(
            "SELECT seq, vendor_id, key, kind, revision, at, copies FROM events"
            " WHERE batch = ? AND seq > ? AND NOT hidden ORDER BY seq LIMIT ?",
            (batch, after, limit),
        )
        return tuple(EventRow(*row) for row in rows)

    def last_seq(self, batch: str) -> int:
        """The sequence number of the newest event, hidden ones too."""
        (seq,) = self._db.execute("SELECT COALESCE(MAX(seq), 0) FROM events WHERE batch = ?", (batch,)).fetchone()
        return int(seq)

    def unhide(self, batch: str) -> None:
        """Make skipped events visible to whoever reads the list from the start."""
        self._db.execute("UPDATE events SET hidden = 0 WHERE batch = ?", (batch,))

    def charge(self, batch: str, charge: Charge) -> None:
        """Book a charge once."""
        self._db.execute(
            "INSERT OR IGNORE INTO charges VALUES (?, ?, ?, ?, ?, ?)",
            (charge.line_id, batch, charge.key, charge.amount_micros, charge.currency, charge.at),
        )

    def charges(self, batch: str | None = None) -> tuple[Charge, ...]:
        """The money book, of one order or of all."""
        rows = self._db.execute(
            "SELECT line_id, key, amount_micros, currency, at FROM charges WHERE ? IS NULL OR batch = ?"
            " ORDER BY line_id",
            (batch, batch),
        )
        return tuple(Charge(*row) for row in rows)

    def _jobs(self, where: str, *values: object) -> tuple[Job, ...]:
        columns = "vendor_id, batch, key, item_id, item_digest, purpose, payload_sha256, due_s"
        rows: Sequence[tuple[str, str, str, str, str, str, str, int]] = self._db.execute(
            f"SELECT {columns} FROM tasks WHERE {where}",  # noqa: S608 - `where` is one of the constants above
            values,
        ).fetchall()
        return tuple(Job(*row) for row in rows)


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
            if not connection.execute("PRAGMA user_version").fetchone()[0]:
                connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = 1; COMMIT;")
            connection.execute("PRAGMA synchronous = NORMAL")  # outlives kill -9; a power cut is beyond a simulation
            connection.execute("BEGIN IMMEDIATE")
            try:
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
