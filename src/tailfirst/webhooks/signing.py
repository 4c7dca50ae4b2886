"""Signed calls: HMAC-SHA256 over delivery id, time and raw bytes, in the headers of the Standard Webhooks scheme.

`webhook-id` names the delivery, `webhook-timestamp` holds unix seconds, `webhook-signature` one or more `v1,<base64>`
separated by spaces: the HMAC of `<id>.<timestamp>.<body>`. A vendor that changes its key signs with both for a while;
a receiver that changes its key accepts both. Only the standard library, so that any adapter may use it.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tailfirst.errors import ConfigError, WebhookForged, WebhookStale

ID_HEADER, TIME_HEADER, SIGNATURE_HEADER = "webhook-id", "webhook-timestamp", "webhook-signature"
WINDOW = timedelta(minutes=5)  # both ways: a clock may be ahead too
ID_MAX = 128
SIGNATURES_MAX = 5  # two are enough for a change of keys; a long list only costs us time
KEY_MIN_BYTES = 16


@dataclass(frozen=True, slots=True)
class Signed:
    """What a verified call says about itself."""

    delivery_id: str
    sent_at: datetime  # aware UTC


def sign(secret: str, delivery_id: str, sent_at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a signed call.

    Args:
        secret: The shared key.
        delivery_id: 1 to 128 visible ASCII characters without a dot; the same for every repetition of one delivery.
        sent_at: Aware; whole seconds count.
        body: The raw bytes as they go over the wire.
    """
    seconds = str(int(sent_at.timestamp()))
    signature = base64.b64encode(_mac(secret, delivery_id, seconds, body)).decode()
    return {ID_HEADER: delivery_id, TIME_HEADER: seconds, SIGNATURE_HEADER: f"v1,{signature}"}


def verify(
    secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime, window: timedelta = WINDOW
) -> Signed:
    """Check a call; header names count in any case.

    Every secret is compared with every signature in constant time, whichever matches. The time is looked at last: it is
    signed too, so a stale call is one that was genuine once.

    Raises:
        ConfigError: No secret to check with, or one that could be guessed.
        WebhookForged: A header is missing or unreadable, or no signature fits.
        WebhookStale: Genuine, but outside the window around `now`.
    """
    usable(secrets)
    given = {name.lower(): value for name, value in headers.items()}
    delivery_id, seconds = _delivery_id(given.get(ID_HEADER, "")), given.get(TIME_HEADER, "")
    sent_at = _moment(seconds)
    found = _signatures(given.get(SIGNATURE_HEADER, ""))
    wanted = [_mac(secret, delivery_id, seconds, body) for secret in secrets]
    fits = [hmac.compare_digest(one, other) for one in wanted for other in found]
    if not any(fits):
        raise WebhookForged(f"none of {len(found)} signatures fits any of {len(wanted)} secrets")
    if abs(now - sent_at) > window:
        raise WebhookStale(f"sent at {sent_at:%Y-%m-%d %H:%M:%S} UTC, more than {window} away from now")
    return Signed(delivery_id, sent_at)


def usable(secrets: Sequence[str]) -> None:
    """Make sure that there is something to check with.

    Raises:
        ConfigError: No secret, or one below 16 bytes.
    """
    if not secrets:
        raise ConfigError("no webhook secret is set, so no call can be verified; set it in the environment")
    if any(len(secret.encode()) < KEY_MIN_BYTES for secret in secrets):
        raise ConfigError(f"a webhook secret is shorter than {KEY_MIN_BYTES} bytes; `openssl rand -hex 32` makes one")


def several(text: str | None) -> tuple[str, ...]:
    """Secrets from one environment variable: separated by commas, the newest first; two while they are changed."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _mac(secret: str, delivery_id: str, seconds: str, body: bytes) -> bytes:
    return hmac.digest(secret.encode(), f"{delivery_id}.{seconds}.".encode() + body, hashlib.sha256)


def _delivery_id(text: str) -> str:
    visible = text.isascii() and text.isprintable() and not any(c in text for c in " .")
    if not text or len(text) > ID_MAX or not visible:
        raise WebhookForged(f"{ID_HEADER} must be 1 to {ID_MAX} visible ASCII characters without a dot")
    return text


def _moment(seconds: str) -> datetime:
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 11):
        raise WebhookForged(f"{TIME_HEADER} must be unix seconds")
    return datetime.fromtimestamp(int(seconds), UTC)


def _signatures(text: str) -> list[bytes]:
    parts = text.split(" ")
    if len(parts) > SIGNATURES_MAX:
        raise WebhookForged(f"{SIGNATURE_HEADER} holds {len(parts)} signatures, at most {SIGNATURES_MAX} are read")
    return [_decoded(part[3:]) for part in parts if part.startswith("v1,")]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WebhookForged(f"{SIGNATURE_HEADER} is not base64") from error
