"""Hints on disk until a busy SQLite ledger takes them.

SQLite lets one writer in at a time, and a poll that stores a thousand answers holds it for longer than a vendor should
wait. So a call is looked up (readers never wait), written to a file, answered; a thread moves the file's lines into the
inbox. Whoever is killed in between finds the lines at the next start. PostgreSQL needs none of this.
"""

import json
import logging
import os
import threading
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy.exc import DBAPIError

from tailfirst.errors import ConfigError, LedgerError
from tailfirst.ledger.inbox import Inbox, Stored
from tailfirst.ledger.records import NewHint

LOG = logging.getLogger(__name__)
MOST = 10_000  # lines that wait; beyond, the vendor is asked to come again
AGAIN_S = 1.0  # between two tries while the ledger is locked
STOP_WITHIN_S = 10.0

Line = tuple[NewHint, bool]
Key = tuple[str, str, str]


class Spool:
    """`Inbox.store` for many threads beside a busy writer; one process per file."""

    def __init__(self, path: Path, inbox: Inbox) -> None:
        """Take over what an earlier process left, and begin to move.

        Raises:
            ConfigError: Another process serves this ledger.
        """
        self._inbox = inbox
        self._owner = FileLock(f"{path}.lock")
        try:
            self._owner.acquire(timeout=0)
        except Timeout as error:
            raise ConfigError(f"another process takes webhooks for this ledger already ({path}.lock)") from error
        self._lines: list[Line] = _left(path)
        self._bodies: dict[Key, str] = {_key(hint): hint.body_sha256 for hint, _ in self._lines}
        self._file = path.open("ab")
        self._lock, self._news, self._ending = threading.Lock(), threading.Event(), threading.Event()
        self._news.set()
        self._mover = threading.Thread(target=self._run, name="spool", daemon=True)
        self._mover.start()

    def store(self, hint: NewHint, *, again: bool) -> Stored:
        """Store a hint; comes back once it is on disk.

        Raises:
            LedgerError: The ledger took nothing for too long, or the disk is full.
        """
        with self._lock:
            stored = self._look(hint)
            if stored == "REPLAYED":
                return stored
            if len(self._lines) >= MOST:
                raise LedgerError(f"{len(self._lines)} webhooks wait for a ledger that stays locked")
            self._write(hint, again=again)
        self._news.set()
        return stored

    def close(self) -> None:
        """Move what is left, if the ledger lets us, and end."""
        self._ending.set()
        self._news.set()
        self._mover.join(STOP_WITHIN_S)
        self._file.close()
        self._owner.release()

    def _look(self, hint: NewHint) -> Stored:
        """What storing would say: the waiting lines know first, the ledger next."""
        body = self._bodies.get(_key(hint))
        if body is None:
            return self._inbox.look(hint)
        return "REPEATED" if body == hint.body_sha256 else "REPLAYED"

    def _write(self, hint: NewHint, *, again: bool) -> None:
        try:
            self._file.write(_as_line(hint, again=again))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise LedgerError(f"a webhook could not be written to {self._file.name}: {error}") from error
        self._lines.append((hint, again))
        self._bodies[_key(hint)] = hint.body_sha256

    def _run(self) -> None:
        """Move whenever something came; when told to end, once more."""
        ending = False
        while not ending:
            self._news.wait()
            self._news.clear()
            ending = self._ending.is_set()
            if not self._move() and not ending:
                self._ending.wait(AGAIN_S)
                self._news.set()

    def _move(self) -> bool:
        """Bring the lines into the ledger; False = it is locked."""
        with self._lock:
            lines = list(self._lines)
        if not lines:
            return True
        try:
            self._inbox.store_all(lines)
        except (LedgerError, DBAPIError) as error:
            LOG.warning("%d webhooks wait on disk: %s", len(lines), error)
            return False
        with self._lock:
            del self._lines[: len(lines)]
            self._bodies = {_key(hint): hint.body_sha256 for hint, _ in self._lines}
            if not self._lines:
                self._file.truncate(0)
        return True


def _key(hint: NewHint) -> Key:
    return hint.campaign, hint.vendor, hint.delivery_id


def _as_line(hint: NewHint, *, again: bool) -> bytes:
    values = asdict(hint) | {"sent_at": hint.sent_at.isoformat(), "received_at": hint.received_at.isoformat()}
    return json.dumps([values, again]).encode() + b"\n"


def _left(path: Path) -> list[Line]:
    """The whole lines of a file; a last one that was cut off was never acknowledged, and is taken out."""
    if not path.exists():
        return []
    whole, _, cut = path.read_bytes().rpartition(b"\n")
    if cut:
        os.truncate(path, path.stat().st_size - len(cut))
    return [_read(line) for line in whole.split(b"\n") if line]


def _read(line: bytes) -> Line:
    values: dict[str, Any]
    values, again = json.loads(line)
    times = {name: datetime.fromisoformat(values[name]) for name in ("sent_at", "received_at")}
    return NewHint(**{**values, **times, "vendor_ids": tuple(values["vendor_ids"])}), bool(again)
