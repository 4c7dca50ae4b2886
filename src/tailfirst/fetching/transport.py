"""One HTTP exchange: connected to a checked address, ended at a deadline, with no more bytes than asked for.

httpx's own connection layer, httpcore, with a network backend of ours: it looks the host up, has every address
checked, and connects to one of them; the Host header, the name in the TLS handshake and the certificate check stay
those of the URL. No proxy, cookie, credential or certificate path comes from the environment, and no connection is
used twice, so that a deadline belongs to one exchange.
"""

import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from tailfirst.errors import UrlGone, UrlRetry
from tailfirst.fetching.guard import Guard, host_of

CONNECT_S = 10.0
IDLE_S = 10.0  # without a single byte
BLOCK = 65_536
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and headers, and the body block by block as it stands on the wire."""

    status: int
    headers: httpx.Headers
    blocks: Iterator[bytes]


class _Timed(httpcore.NetworkStream):
    """A stream whose every wait ends at the deadline: a server that drips bytes gains nothing."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._left(timeout, httpcore.ConnectTimeout)
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _left(self, timeout: float | None, late: type[Exception]) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise late("deadline")
        return left if timeout is None else min(timeout, left)


class _Pinned(httpcore.NetworkBackend):
    """Connects to addresses that the guard has checked, and to nothing else."""

    def __init__(self, guard: Guard, deadline: float) -> None:
        self._guard, self._deadline = guard, deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failed: Exception | None = None
        for address in self._guard.addresses(host, port):
            left = min(timeout or CONNECT_S, self._deadline - time.monotonic())
            if left <= 0:
                break
            try:
                stream = self._sockets.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
                continue
            return _Timed(stream, self._deadline)
        raise failed or httpcore.ConnectTimeout("deadline")


def trusted() -> ssl.SSLContext:
    """The certificate authorities that httpx brings along, whatever the environment says."""
    return httpx.create_ssl_context(verify=True, trust_env=False)


@contextmanager
def exchange(
    url: httpx.URL, headers: httpx.Headers, guard: Guard, authorities: ssl.SSLContext, deadline: float
) -> Iterator[Reply]:
    """GET a URL that the guard has checked.

    Args:
        url: Absolute.
        headers: Beside Host, which is the URL's.
        guard: Checks the addresses.
        authorities: For https.
        deadline: On `time.monotonic`; nothing waits longer.

    Raises:
        UrlRefused: The host is not public.
        UrlGone: No such host, or its certificate is not valid.
        UrlRetry: The connection could not be made, was cut, stalled, or carried no HTTP.
    """
    pool = httpcore.ConnectionPool(
        ssl_context=authorities,
        max_connections=1,
        max_keepalive_connections=0,
        network_backend=_Pinned(guard, deadline),
    )
    host, port = host_of(url)
    target = httpcore.URL(scheme=url.raw_scheme, host=host.encode("ascii"), port=port, target=url.raw_path)
    waits = {"connect": CONNECT_S, "read": IDLE_S, "write": IDLE_S, "pool": CONNECT_S}
    sent, more = _host(url, headers), {"timeout": waits}
    with _named_errors(), pool, pool.stream("GET", target, headers=sent, extensions=more) as got:
        yield Reply(got.status, httpx.Headers(got.headers), got.iter_stream())


def _host(url: httpx.URL, headers: httpx.Headers) -> list[tuple[bytes, bytes]]:
    return [(b"Host", url.netloc), *headers.raw]


@contextmanager
def _named_errors() -> Iterator[None]:
    """The errors of httpcore as ours; timeouts of connecting and of reading look alike to whoever asks again."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise UrlRetry("too slow") from error
    except httpcore.ConnectError as error:
        if isinstance(error.__context__, ssl.SSLCertVerificationError):
            raise UrlGone("certificate is not valid") from error
        raise UrlRetry("no connection") from error
    except httpcore.NetworkError as error:
        raise UrlRetry("connection was cut") from error
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        raise UrlRetry("no valid HTTP answer") from error
