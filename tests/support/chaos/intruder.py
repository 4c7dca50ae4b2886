"""Somebody who sends webhooks that are not the vendor's, or not now: every one must be refused (row 9)."""

import json
import random
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx

from tailfirst.webhooks.signing import sign
from tests.support.chaos.company import SECRET, Company, Served

OLD = timedelta(minutes=10)
SHARE = 0.15  # of the turns between workers
DEATH = 0.01  # of them: the receiver dies


@dataclass
class Intruder:
    """Listens on the line: it knows calls that were made, and in two of three cases even how they are signed."""

    company: Company
    answers: Counter[str] = field(default_factory=Counter)

    def act(self, rng: random.Random) -> None:
        if not isinstance(self.company, Served):
            return
        if rng.random() < DEATH:
            self.company.kill_receiver()
        known = self._overheard() if rng.random() < SHARE else None
        if known is not None:
            kind = rng.choice(("stale", "replayed", "forged"))
            self.answers[f"{kind} {self._send(kind, *known)}"] += 1

    def _overheard(self) -> tuple[str, bytes] | None:
        """A callback that the vendor has sent and we have taken."""
        with sqlite3.connect(self.company.book, timeout=30) as book:
            row = book.execute(
                "SELECT delivery_id, body FROM callbacks WHERE state = 'DONE' AND forged = 0"
                " ORDER BY random() LIMIT 1"
            ).fetchone()  # fmt: skip
        book.close()
        return None if row is None else (str(row[0]), str(row[1]).encode())

    def _send(self, kind: str, delivery_id: str, body: bytes) -> int:
        now = datetime.now(UTC)
        if kind == "stale":  # recorded, and sent again long after
            headers = sign(SECRET, delivery_id, now - OLD, body)
        elif kind == "replayed":  # its id used again for something else
            body = json.dumps({**json.loads(body), "task_ids": ["task-of-somebody-else"]}).encode()
            headers = sign(SECRET, delivery_id, now, body)
        else:
            headers = sign("a key that the receiver does not know", f"{delivery_id}-again", now, body)
        assert isinstance(self.company, Served)
        url = f"{self.company.hooks}/webhooks/kit"
        sent = httpx.post(url, content=body, headers=headers, trust_env=False, timeout=30)
        return sent.status_code
