"""Talking to a REST vendor: one request, its answer as JSON, every failure classified once into `errors.py`."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tailfirst.errors import (
    AuthRefused,
    Gone,
    QuotaExceeded,
    Retryable,
    Throttled,
    VendorConflict,
    VendorError,
)

TRIES = 3  # of a call that is safe to repeat and got no answer at all
PAUSE_S = 0.2
WAIT_S = 60.0  # where a 429 does not say how long
REASON_MAX = 300


@dataclass(frozen=True, slots=True)
class Wire:
    """A connection to the vendor; the key is in the client's headers and nowhere else.

    Args:
        client: Ready to use: base URL, key, timeout, no settings from the environment.
        sleep: How a short pause between two tries is made.
    """

    client: httpx.Client
    sleep: Callable[[float], None] = time.sleep

    def read(self, method: str, path: str, json_: object = None, params: Mapping[str, str] | None = None) -> Any:
        """A call that changes nothing, or the same thing however often it comes: tried again when no answer came.

        Raises:
            VendorError: As `classified`, or Retryable when there was no answer.
        """
        for left in reversed(range(TRIES)):
            try:
                return self.once(method, path, json_, params)
            except Unanswered:
                if not left:
                    raise
                self.sleep(PAUSE_S * (TRIES - left))
        raise AssertionError("unreachable")

    def once(self, method: str, path: str, json_: object = None, params: Mapping[str, str] | None = None) -> Any:
        """A call that must not be repeated blindly.

        Raises:
            Unanswered: Nothing came back that can be read: it may have happened or not.
            VendorError: As `classified`.
        """
        try:
            reply = self.client.request(method, path, json=json_, params=params)
        except httpx.HTTPError as error:
            raise Unanswered(f"{method} {path}: no answer ({type(error).__name__})") from error
        if reply.status_code >= 400:
            raise classified(reply, f"{method} {path}")
        try:
            return reply.json()
        except ValueError as error:
            raise Unanswered(f"{method} {path}: {reply.status_code} whose body is no JSON") from error


class Unanswered(Retryable):
    """No answer that can be read: what was asked may have happened or not."""


class Failed(Retryable):
    """The vendor answered with a server error: what was asked may have happened or not."""


def classified(reply: httpx.Response, what: str) -> VendorError:
    """The error of an answer with a status of 400 or more (specs/vendor.md section 2, rule 4).

    Only 429 and the statuses of a broken or overloaded server may be tried later; the message never holds a header.
    """
    code = reply.status_code
    said = f"{what}: {code} {_reason(reply)}".strip()
    if code == 429:
        return Throttled(said, _seconds(reply.headers.get("retry-after", "")))
    if code in {408, 425} or (code >= 500 and code != 501):
        return Failed(said)
    kinds: dict[int, type[VendorError]] = {
        401: AuthRefused, 402: QuotaExceeded, 403: AuthRefused, 404: Gone, 409: VendorConflict, 410: Gone,
    }  # fmt: skip
    return kinds.get(code, VendorError)(said)


def _reason(reply: httpx.Response) -> str:
    """The vendor's words for it, cut short."""
    try:
        value = json.loads(reply.content)
    except ValueError:
        return ""
    said = value.get("error", value.get("detail", "")) if isinstance(value, dict) else ""
    return str(said)[:REASON_MAX]


def _seconds(text: str) -> float:
    """Retry-After in seconds; a date or nothing gives a minute."""
    try:
        return max(float(text), 0.0)
    except ValueError:
        return WAIT_S
