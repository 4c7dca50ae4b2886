"""Hooks of Label Studio. Nothing signs them: a fixed secret in a header of ours is all there is."""

import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from tailfirst.artifacts import sha256_bytes
from tailfirst.errors import AuthRefused, ConfigError, InvalidDelivery
from tailfirst.port import WebhookHint

SECRET_HEADER = "X-Tailfirst-Secret"  # noqa: S105 - the name of a header


def hint(headers: Mapping[str, str], body: bytes, now: datetime, secrets: Sequence[str]) -> WebhookHint:
    """The tasks that a hook names.

    Label Studio gives no delivery id and no time: the id is the sha256 of the body, so the same body again is seen as
    the same hook, and the time is ours. Hooks about deletions name no task.

    Args:
        headers: Of the request, in any case.
        body: Its raw bytes.
        now: When it came.
        secrets: Any of them is right: two are valid during a change.

    Raises:
        ConfigError: No secret is set here.
        AuthRefused: The header holds none of them.
        InvalidDelivery: The body is no hook of Label Studio.
    """
    if not secrets:
        raise ConfigError(
            f"TAILFIRST_WEBHOOK_SECRETS is not set: nothing can tell a hook from a forged one ({SECRET_HEADER})"
        )
    given = {name.lower(): value for name, value in headers.items()}.get(SECRET_HEADER.lower(), "")
    right = [
        hmac.compare_digest(given.encode(), secret.encode()) for secret in secrets
    ]  # all, so that time tells nothing
    if not any(right):
        raise AuthRefused(f"a hook without the right {SECRET_HEADER}")
    try:
        value = json.loads(body)
        project = int(value["project"]["id"])
        one = value.get("task")
        named = [*([one] if one else []), *value.get("tasks", ())]
        ids = tuple(f"{project}-{int(task['id'])}" for task in named)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidDelivery(f"{len(body)} bytes that are no hook of Label Studio: {type(error).__name__}") from error
    return WebhookHint(sha256_bytes(body), ids, now)
