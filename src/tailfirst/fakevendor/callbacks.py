"""Signed callbacks of the fake vendor: written in the transaction of what they tell, sent until answered or given up.

At least once and at most once both happen (specs/vendor.md section 8): a lost one is never sent, a duplicate is sent
twice under one delivery id, a forged one carries a signature of somebody else's key, an early one is sent before the
call that created its labeling task has answered.
"""

import json
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import httpx

from tailfirst.artifacts import sha256_bytes
from tailfirst.fakevendor.config import Config
from tailfirst.vendors import _simulated_wire as wire
from tailfirst.vendors._simulated_book import Book, EventRow, Job, Session
from tailfirst.webhooks.signing import sign

TABLE = """
CREATE TABLE IF NOT EXISTS callbacks (
    delivery_id TEXT PRIMARY KEY, url TEXT, body TEXT, forged INTEGER, copies INTEGER, tries INTEGER DEFAULT 0,
    next_at TEXT, state TEXT DEFAULT 'WAITING', answer TEXT DEFAULT '')
"""
TIMEOUT_S = 5.0
STRANGER = "a key that the receiver does not know"
Row = tuple[str, str, str, int, int, int]


class Callbacks:
    """The outbox of callbacks and the thread that empties it."""

    def __init__(
        self, book: Book, config: Config, secret: str | None, url: str | None, now: Callable[[], datetime]
    ) -> None:
        self.params = config
        self._book = book
        self._secret = secret
        self._url = url
        self._now = now
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._client = httpx.Client(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False)

    def prepare(self, session: Session) -> None:
        """The outbox's table."""
        session.db.execute(TABLE)

    def note(self, session: Session, job: Job, event: EventRow) -> None:
        """Write down that this line of the change list is to be told; nothing where nobody listens."""
        if self._url is None or wire.hits(self.params, "webhook_lost", job):
            return
        named = f"{job.vendor_id}|{event.revision}|{event.kind}"
        self._add(session, named, [job.vendor_id], event.kind, event.copies, forged=False)
        if wire.hits(self.params, "webhook_forged", job):
            self._add(session, f"forged|{named}", [job.vendor_id], event.kind, 1, forged=True)

    def early(self, session: Session, jobs: Iterable[Job]) -> bool:
        """Tell of labeling tasks that were created in this very call; whether there is something to send."""
        struck = [job for job in jobs if wire.hits(self.params, "webhook_early", job)] if self._url else []
        for job in struck:
            self._add(session, f"{job.vendor_id}|0|CREATED", [job.vendor_id], "CREATED", 1, forged=False)
        return bool(struck)

    def start(self) -> None:
        """Begin to send, in a thread of its own."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="callbacks", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Send nothing more; what waits is sent after the next start."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2 * TIMEOUT_S)
        self._client.close()

    def send_waiting(self) -> int:
        """Try every callback that is due; how many were tried."""
        now = self._now()
        with self._book.session() as session:
            due: list[Row] = session.db.execute(
                "SELECT delivery_id, url, body, forged, copies, tries FROM callbacks"
                " WHERE state = 'WAITING' AND next_at <= ? ORDER BY next_at, delivery_id LIMIT 500",
                (now.isoformat(),),
            ).fetchall()
        for row in due:
            answer = self._send(row)
            with self._book.session() as session:
                self._settle(session, row, answer)
        return len(due)

    def counts(self) -> dict[str, int]:
        """How many callbacks are in which state: WAITING, DONE, GIVEN_UP."""
        with self._book.session() as session:
            rows = session.db.execute("SELECT state, COUNT(*) FROM callbacks GROUP BY state ORDER BY state")
            return {str(state): int(n) for state, n in rows}

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            self.send_waiting()

    def _add(
        self, session: Session, named: str, vendor_ids: list[str], kind: str, copies: int, *, forged: bool
    ) -> None:
        delivery_id = f"cb-{sha256_bytes(named.encode())[:24]}"
        body = json.dumps({"delivery_id": delivery_id, "kind": kind, "task_ids": vendor_ids}, sort_keys=True)
        session.db.execute(
            "INSERT OR IGNORE INTO callbacks (delivery_id, url, body, forged, copies, next_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (delivery_id, self._url, body, int(forged), copies, self._now().isoformat()),
        )

    def _send(self, row: Row) -> str:
        """The status of the answer, or why there was none; a duplicate is sent twice under the same id."""
        delivery_id, url, text, forged, copies, _ = row
        body = text.encode()
        secret = STRANGER if forged else self._secret
        headers = {"content-type": "application/json"}
        said = ""
        for _ in range(copies):
            if secret:
                headers |= sign(secret, delivery_id, datetime.now(UTC), body)
            try:
                said = str(self._client.post(url, content=body, headers=headers).status_code)
            except httpx.HTTPError as error:
                said = type(error).__name__
        return said

    def _settle(self, session: Session, row: Row, answer: str) -> None:
        delivery_id, _, _, forged, _, before = row
        tries = before + 1
        done = answer.startswith("2")
        over = "DONE" if done else "GIVEN_UP" if forged or tries >= self.params.callback_tries else "WAITING"
        next_at = (self._now() + timedelta(seconds=self.params.callback_wait_s * 2**before)).isoformat()
        session.db.execute(
            "UPDATE callbacks SET state = ?, tries = ?, answer = ?, next_at = ? WHERE delivery_id = ?",
            (over, tries, answer, next_at, delivery_id),
        )
