"""What a running fetch has got, safe against a kill at any line, until it is written as a shard below data/open.

Each outcome is one transaction of a small SQLite file in state/, image included. From time to time, at the end, and at
the next start after a kill, the rows become a shard whose name is the digest of what it holds: writing the same rows
again gives the same file.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from typing import Literal

import pyarrow as pa

from tailfirst import artifacts, schemas
from tailfirst.paths import Workspace
from tailfirst.retrieval.fetched import write_segment

SHARD_BYTES = 256 << 20
SHARD_ROWS = 50_000
Status = Literal["done", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one URL; the fields are the columns of schemas.FETCHED."""

    url: str
    status: Status
    reason: str | None
    retryable: bool
    http_status: int | None
    tries: int
    at: datetime
    sha256: str | None = None
    image: bytes | None = None


COLUMNS = tuple(field.name for field in fields(Outcome))


class Spool:
    """The pending outcomes of a workspace; one process at a time (`ws.fetch_lock`), one thread."""

    def __init__(self, ws: Workspace) -> None:
        self.ws = ws
        ws.state.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(ws.spool, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")  # survives the death of the process; the power is another matter
        typed = ", ".join(f"{name} BLOB" if name == "image" else name for name in COLUMNS)
        self._db.execute(f"CREATE TABLE IF NOT EXISTS pending (place INTEGER PRIMARY KEY, {typed})")
        rows, size = self._db.execute("SELECT count(*), coalesce(sum(length(image)), 0) FROM pending").fetchone()
        self._rows, self._bytes = int(rows), int(size)

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome; from the return on, a kill does not lose it."""
        values = astuple(outcome)
        marks = ", ".join("?" * len(COLUMNS))
        stored = [value.isoformat() if isinstance(value, datetime) else value for value in values]
        self._db.execute(f"INSERT INTO pending ({', '.join(COLUMNS)}) VALUES ({marks})", stored)  # noqa: S608 (own names)
        self._rows += 1
        self._bytes += len(outcome.image or b"")
        if self._bytes >= SHARD_BYTES or self._rows >= SHARD_ROWS:
            self.pack()

    def pack(self) -> None:
        """Write what is pending as one shard below data/open/fetched."""
        found = self._db.execute(f"SELECT {', '.join(COLUMNS)} FROM pending ORDER BY place").fetchall()  # noqa: S608
        if found:
            table = _table(found)
            name = artifacts.sha256_bytes(artifacts.canonical_json(_identity(table)).encode())[:20]
            with artifacts.atomic_file(self.ws.fetched / f"{name}.parquet") as temporary:
                write_segment(temporary, table)
            self._db.execute("DELETE FROM pending")
        self._rows = self._bytes = 0

    def close(self) -> None:
        """Write what is pending and remove the file: a deleted row would leave its bytes in it."""
        self.pack()
        self._db.close()
        for suffix in ("", "-wal", "-shm"):
            self.ws.spool.with_name(self.ws.spool.name + suffix).unlink(missing_ok=True)


def _table(found: Sequence[Sequence[object]]) -> pa.Table:
    columns = dict(zip(COLUMNS, map(list, zip(*found, strict=True)), strict=True))
    columns["retryable"] = [bool(value) for value in columns["retryable"]]
    columns["at"] = [datetime.fromisoformat(str(value)).astimezone(UTC) for value in columns["at"]]
    return pa.table(columns, schema=schemas.FETCHED)


def _identity(table: pa.Table) -> list[list[str]]:
    return [[str(value) for value in table[name].to_pylist()] for name in ("url", "status", "at", "sha256")]
