"""HTTP to a Label Studio: both kinds of token, and errors classified once. No retries: those belong to the core."""

import json
import logging
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from tailfirst.errors import (
    AuthRefused,
    ConfigError,
    Gone,
    QuotaExceeded,
    Retryable,
    Throttled,
    VendorConflict,
    VendorError,
)

LOG = logging.getLogger("tailfirst.vendors.label_studio")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PAUSE_S = 30.0  # where a 429 does not say how long


class Refused(VendorError):
    """400, 413 or 422: the request as it is will never be taken, and nothing was done."""


@dataclass
class Client:
    """One server and one token.

    A legacy token is sent as it is. A personal access token (a JWT) is traded for an access token that lives for some
    minutes, and again when that one is refused.
    """

    base_url: str
    token: str
    timeout_s: float
    transport: httpx.BaseTransport | None = None
    clock: Callable[[], float] = time.monotonic
    _http: httpx.Client | None = field(default=None, repr=False)
    _access: str | None = field(default=None, repr=False)

    def call(
        self, operation: str, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> Any:
        """The JSON of an answer; None for an empty one. Logs one event without any content.

        Raises:
            Retryable: No connection, no answer in time, 5xx, or an answer that is not JSON.
            VendorError: Anything final; see `errors.py`.
        """
        began, outcome = self.clock(), "OK"
        try:
            response = self._send(method, path, params, body)
            self._check(response, f"{method} {path}")
            return _read(response, f"{method} {path}")
        except VendorError as error:
            outcome = type(error).__name__
            raise
        finally:
            event = {"vendor": "label_studio", "operation": operation, "outcome": outcome}
            LOG.debug("vendor call", extra={"event": {**event, "latency_s": round(self.clock() - began, 3)}})

    def answers(self) -> tuple[bool, str]:
        """Whether the server answers and takes the token, and what to tell people about it."""
        try:
            version = self.call("health", "GET", "/api/version")
            self.call("health", "GET", "/api/current-user/whoami")
        except (VendorError, ConfigError) as error:
            return False, str(error)
        return True, f"Label Studio {version.get('release', 'of unknown version')}"

    def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _send(self, method: str, path: str, params: Mapping[str, Any] | None, body: Any) -> httpx.Response:
        response = self._request(method, path, params, body, self._authorization())
        if response.status_code == 401 and self._personal:
            self._access = None  # it ran out
            response = self._request(method, path, params, body, self._authorization())
        return response

    def _request(
        self, method: str, path: str, params: Mapping[str, Any] | None, body: Any, authorization: str | None
    ) -> httpx.Response:
        headers = {"Authorization": authorization} if authorization else {}
        try:
            return self._client().request(method, path, params=params, json=body, headers=headers)
        except httpx.TransportError as error:
            raise Retryable(
                f"Label Studio at {self.base_url}: {method} {path}: {type(error).__name__} {error}"
            ) from error

    @property
    def _personal(self) -> bool:
        return self.token.count(".") == 2

    def _authorization(self) -> str:
        if not self.token:
            raise ConfigError("TAILFIRST_LABEL_STUDIO_TOKEN is not set; a token is on the page Account & Settings")
        if not self._personal:
            return f"Token {self.token}"
        if self._access is None:
            path = "/api/token/refresh"
            response = self._request("POST", path, None, {"refresh": self.token}, None)
            self._check(response, f"POST {path}")
            self._access = str(_read(response, f"POST {path}")["access"])
        return f"Bearer {self._access}"

    def _client(self) -> httpx.Client:
        if self._http is None:
            address = urlsplit(self.base_url)
            self._http = httpx.Client(
                base_url=self.base_url,
                timeout=self.timeout_s,
                transport=self.transport,
                trust_env=address.hostname not in LOOPBACK,  # proxies of the environment lead outside
                verify=address.scheme == "https",  # without TLS there is nothing to verify, and its setup takes long
            )
            weakref.finalize(self, self._http.close)
        return self._http

    def _check(self, response: httpx.Response, what: str) -> None:
        """Raise what a status code means; never with a header or a token in the text."""
        status = response.status_code
        if response.is_success:
            return
        said = f"Label Studio at {self.base_url} answered {what} with {status}: {_detail(response)}"
        if status == 429:
            raise Throttled(said, _retry_after_s(response))
        if status in {401, 403}:
            raise AuthRefused(f"{said}; check TAILFIRST_LABEL_STUDIO_TOKEN")
        final: dict[int, type[VendorError]] = {
            400: Refused, 402: QuotaExceeded, 404: Gone, 409: VendorConflict, 410: Gone, 413: Refused, 422: Refused,
        }  # fmt: skip
        raise final.get(status, Retryable)(said)


def _read(response: httpx.Response, what: str) -> Any:
    if response.status_code == 204 or not response.content:
        return None
    try:
        return response.json()
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Retryable(
            f"{what}: {len(response.content)} bytes that are no JSON: cut on the way, or another server"
        ) from error


def _detail(response: httpx.Response) -> str:
    """What the server says is wrong, short."""
    try:
        value = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return response.reason_phrase
    if not isinstance(value, dict):
        return response.reason_phrase
    parts = [str(value[name]) for name in ("detail", "validation_errors") if value.get(name)]
    return ": ".join(parts)[:500] or response.reason_phrase


def _retry_after_s(response: httpx.Response) -> float:
    """Seconds of `Retry-After`, be it a number or a date."""
    said = response.headers.get("Retry-After", "")
    try:
        return max(float(said), 0.0)
    except ValueError:
        pass
    try:
        now = parsedate_to_datetime(response.headers["Date"])
        return max((parsedate_to_datetime(said) - now).total_seconds(), 0.0)
    except (ValueError, KeyError, TypeError):
        return PAUSE_S
