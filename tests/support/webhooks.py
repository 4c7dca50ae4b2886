"""A vendor that only pushes, signed or not, and signed calls for it."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import StrictStr, TypeAdapter

from tailfirst.artifacts import sha256_bytes
from tailfirst.config import Settings
from tailfirst.errors import InvalidDelivery
from tailfirst.paths import Workspace
from tailfirst.port import Capabilities, WebhookHint
from tailfirst.vendors import simulated
from tailfirst.webhooks.signing import sign, verify

SECRET, NEXT_SECRET = "a secret of the tests", "the next secret of the tests"
PATH = "a-long-random-word-for-tests"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NUMBERS = itertools.count()


class Pushing:
    """`verify_webhook` and nothing else of the port, for a receiver."""

    name = "stub"

    def __init__(self, push: Literal["NONE", "UNSIGNED", "SIGNED"] = "SIGNED", secrets: Sequence[str] = (SECRET,)):
        self.push, self.secrets = push, secrets
        plain = simulated.load(simulated.Params(), Workspace(Path("nowhere")), Settings(_env_file=None))
        self._capabilities = plain.capabilities()

    def capabilities(self) -> Capabilities:
        return replace(self._capabilities, push=self.push)

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> WebhookHint:
        if self.push == "SIGNED":
            seen = verify(self.secrets, headers, body, now)
            return WebhookHint(seen.delivery_id, task_ids(body), seen.sent_at)
        return WebhookHint(sha256_bytes(body), task_ids(body), now)


def task_ids(body: bytes) -> tuple[str, ...]:
    """The ids in `{"tasks": [...]}`."""
    try:
        tasks = TypeAdapter(list[StrictStr]).validate_python(json.loads(body)["tasks"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidDelivery(f"not a call of the stub: {error}") from error
    return tuple(tasks)


@dataclass
class Clock:
    at: datetime = field(default=NOW)

    def __call__(self) -> datetime:
        return self.at


def call(
    *tasks: str, delivery_id: str | None = None, at: datetime = NOW, secret: str = SECRET
) -> tuple[dict[str, str], bytes]:
    """Headers and body of a signed call."""
    body = json.dumps({"tasks": tasks}).encode()
    return sign(secret, delivery_id or f"delivery-{next(NUMBERS)}", at, body), body
