"""From a URL to the bytes of one sound image, or to the reason why there is none."""

import io
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
from PIL import Image, UnidentifiedImageError

from tailfirst import __version__
from tailfirst.errors import TaskFolderError, UrlGone, UrlRefused, UrlRetry
from tailfirst.fetching.guard import Guard, host_of
from tailfirst.fetching.transport import Reply, exchange, trusted
from tailfirst.items import FORMATS, MAX_PIXELS, open_image

AGENT = f"tailfirst/{__version__} (downloads images of an open corpus)"
MOVED = frozenset({301, 302, 303, 307, 308})
LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
# Types under which servers send images without saying so; what the bytes are is decided by decoding them.
UNTYPED = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/x-octet-stream"})
# By these a site says that its images are not for training or indexing.
KEEP_OUT = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})
# What Pillow's decoders raise on hostile bytes.
BROKEN = (
    TaskFolderError, OSError, SyntaxError, ValueError, EOFError, ArithmeticError, LookupError, TypeError,
    AttributeError, NotImplementedError, struct.error, zlib.error,
)  # fmt: skip
DECODERS = 4  # images decoded at a time: one of the most allowed pixels takes 150 MB
MAX_WAIT_S = 120.0  # of what a server may ask us to wait


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that one URL may cost."""

    max_bytes: int = 20_000_000
    max_pixels: int = MAX_PIXELS
    time_s: float = 30.0  # all redirects together
    redirects: int = 5


@dataclass(frozen=True, slots=True)
class Client:
    """Asks for images; may be used by many threads."""

    guard: Guard = field(default_factory=Guard)
    caps: Caps = field(default_factory=Caps)
    agent: str = AGENT
    authorities: ssl.SSLContext = field(default_factory=trusted)
    _decoding: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(DECODERS))

    def image(self, url: str, enter: Callable[[str, float], None] = lambda _host, _deadline: None) -> bytes:
        """The bytes of the image at a URL: whole, of a known format, decoded once to the last pixel.

        Args:
            url: As the corpus has it.
            enter: Called with each host and the deadline before it is asked, so that the caller can limit visits.

        Raises:
            UrlRefused: Our own rules forbid it: address, port, type, size, pixels, not an image, kept out by the site.
            UrlGone: The server says that there is nothing.
            UrlRetry: Worth asking again later.
        """
        deadline = time.monotonic() + self.caps.time_s
        data = self._follow(url, enter, deadline)
        with self._decoding:
            _decode(data, self.caps.max_pixels)
        return data

    def _follow(self, url: str, enter: Callable[[str, float], None], deadline: float) -> bytes:
        at = self.guard.checked(url)
        for _ in range(self.caps.redirects + 1):
            enter(host_of(at)[0], deadline)
            with exchange(at, self._headers(), self.guard, self.authorities, deadline) as reply:
                if reply.status not in MOVED:
                    return self._body(reply)
                at = self._next(at, reply)
        raise UrlRefused("too many redirects")

    def _headers(self) -> httpx.Headers:
        # No compression: an image is compressed already, and a few bytes could unfold to gigabytes.
        return httpx.Headers({"User-Agent": self.agent, "Accept": "image/*", "Accept-Encoding": "identity"})

    def _next(self, at: httpx.URL, reply: Reply) -> httpx.URL:
        place = reply.headers.get("location")
        if not place:
            raise UrlGone("redirect to nowhere", reply.status)
        try:
            return self.guard.checked(str(at.join(place)))
        except (httpx.InvalidURL, ValueError) as error:
            raise UrlRefused("redirect to something that is not a URL", reply.status) from error

    def _body(self, reply: Reply) -> bytes:
        _check_status(reply)
        _check_headers(reply, self.caps.max_bytes)
        data = bytearray()
        for block in reply.blocks:
            data += block
            if len(data) > self.caps.max_bytes:
                raise UrlRefused("too many bytes", reply.status)
        if not data:
            raise UrlRefused("empty answer", reply.status)
        return bytes(data)


def _check_status(reply: Reply) -> None:
    if reply.status in LATER:
        raise UrlRetry(f"status {reply.status}", reply.status, _pause(reply.headers.get("retry-after", "")))
    if reply.status != httpx.codes.OK:
        raise UrlGone(f"status {reply.status}", reply.status)


def _check_headers(reply: Reply, max_bytes: int) -> None:
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in UNTYPED and not kind.startswith("image/"):
        raise UrlRefused("not sent as an image", reply.status)
    if reply.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise UrlRefused("compressed although not asked for", reply.status)
    if _kept_out(reply.headers):
        raise UrlRefused("the site does not want it (X-Robots-Tag)", reply.status)
    length = reply.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > max_bytes:
        raise UrlRefused("too many bytes", reply.status)


def _kept_out(headers: httpx.Headers) -> bool:
    """Rules for everybody or for us; `otherbot: noai` is not ours."""
    for line in headers.get_list("x-robots-tag"):
        name, colon, rest = line.lower().rpartition(":")
        if colon and "tailfirst" not in name:
            continue
        if KEEP_OUT & {word.strip() for word in rest.split(",")}:
            return True
    return False


def _pause(value: str) -> float | None:
    """Seconds of a Retry-After header; a date is not worth its parser and counts as nothing said."""
    return min(float(value), MAX_WAIT_S) if value.isdecimal() else None


def _decode(data: bytes, max_pixels: int) -> None:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise UrlRefused("too many pixels")
        open_image(data, max_pixels).close()
    except Image.DecompressionBombError as error:
        raise UrlRefused("too many pixels") from error
    except UnidentifiedImageError as error:
        raise UrlRefused("not an image of a known format") from error
    except BROKEN as error:
        raise UrlRefused("unreadable image") from error
