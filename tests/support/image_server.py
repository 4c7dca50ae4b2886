"""A web server on 127.0.0.1 that serves images and misbehaves in every way that a test names by path."""

import gzip
import socket
import ssl
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tailfirst.fetching.client import Caps, Client
from tailfirst.fetching.guard import Guard
from tests.support.pictures import picture

HOST = "127.0.0.1"


def bomb(side: int) -> bytes:
    """A sound PNG of side x side black pixels in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((side // 8 + 2) * side), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class Server(ThreadingHTTPServer):
    """Counts what was asked, by path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self.asked: Counter[str] = Counter()
        self.hosts: list[str] = []  # Host headers
        self.agents: set[str] = set()
        self.at_once: Counter[str] = Counter()  # visits that run now, by Host
        self.most_at_once = 0
        self.lock = threading.Lock()
        self.release = threading.Event()  # what /wait/N waits for
        self.ending = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str, host: str = HOST) -> str:
        return f"http://{host}:{self.port}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, host = self.server, self.headers.get("Host", "")
        with server.lock:
            server.asked[self.path] += 1
            server.hosts.append(host)
            server.agents.add(self.headers.get("User-Agent", ""))
            server.at_once[host] += 1
            self.inside = 1
            server.most_at_once = max(server.most_at_once, server.at_once[host])
        try:
            kind, _, rest = self.path.lstrip("/").partition("/")
            with suppress(BrokenPipeError, ConnectionResetError):
                getattr(self, f"on_{kind}", self.on_nothing)(rest)
        finally:
            self.leave(host)

    def leave(self, host: str) -> None:
        """The visit is over; said before the last bytes are sent, since the client may come again once it has them."""
        with self.server.lock:
            self.server.at_once[host] -= self.inside
            self.inside = 0

    def answer(self, body: bytes, kind: str = "image/png", status: int = 200, length: int | None = None, **headers):
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.leave(self.headers.get("Host", ""))
        self.wfile.write(body)

    def on_nothing(self, _):
        self.answer(b"no", "text/plain", 404)

    def on_image(self, rest):
        self.answer(picture(int(rest)))

    def on_jpeg(self, rest):
        self.answer(picture(int(rest), kind="JPEG"), "image/jpeg")

    def on_untyped(self, rest):
        self.answer(picture(int(rest)), "")

    def on_wait(self, rest):
        self.server.release.wait(20)
        self.answer(picture(int(rest)))

    def on_status(self, rest):
        self.answer(b"no", "text/plain", int(rest))

    def on_busy(self, rest):
        """429 with a Retry-After, then the image."""
        first = self.server.asked[self.path] == 1
        self.answer(b"no", "text/plain", 429, Retry_After="0") if first else self.on_image(rest)

    def on_flaky(self, rest):
        """500 twice, then the image."""
        self.answer(b"no", "text/plain", 500) if self.server.asked[self.path] <= 2 else self.on_image(rest)

    def on_slow(self, _):
        """One byte of the body every now and then, for ever."""
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", "100000")
        self.end_headers()
        while not self.server.ending.wait(0.02):
            self.wfile.write(b"x")
            self.wfile.flush()

    def on_slowheader(self, _):
        """One byte of the headers every now and then, for ever."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Never: ")
        while not self.server.ending.wait(0.02):
            self.wfile.write(b"x")
            self.wfile.flush()

    def on_silent(self, _):
        self.server.ending.wait(20)

    def on_endless(self, _):
        """A body without a length that never ends."""
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.end_headers()
        while not self.server.ending.is_set():
            self.wfile.write(bytes(65_536))

    def on_chunked(self, _):
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while not self.server.ending.is_set():
            self.wfile.write(b"10000\r\n" + bytes(65_536) + b"\r\n")

    def on_big(self, _):
        self.answer(b"", length=10**12)

    def on_html(self, _):
        self.answer(b"<html>not here any more</html>", "text/html; charset=utf-8")

    def on_htmlasjpeg(self, _):
        self.answer(b"<html>not here any more</html>", "image/jpeg")

    def on_svg(self, _):
        self.answer(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml")

    def on_truncated(self, rest):
        data = picture(int(rest), kind="JPEG")
        self.answer(data[: len(data) // 2], "image/jpeg")

    def on_empty(self, _):
        self.answer(b"")

    def on_bomb(self, rest):
        self.answer(bomb(int(rest)))

    def on_gzip(self, rest):
        self.answer(gzip.compress(picture(int(rest))), Content_Encoding="gzip")

    def on_noai(self, rest):
        self.answer(picture(int(rest)), X_Robots_Tag="noindex, noai")

    def on_otherbot(self, rest):
        self.answer(picture(int(rest)), X_Robots_Tag="otherbot: noai")

    def on_to(self, rest):
        """Redirect to whatever the path says."""
        self.answer(b"", "text/plain", 302, Location=rest)

    def on_loop(self, rest):
        self.answer(b"", "text/plain", 301, Location=f"/loop/{int(rest or 0) + 1}")

    def on_nowhere(self, _):
        self.answer(b"", "text/plain", 302)

    def on_reset(self, _):
        """A TCP reset in the middle of the body."""
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b"x" * 100)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def on_hangup(self, _):
        """Nothing at all, and the connection closed."""
        self.close_connection = True

    def on_longer(self, rest):
        """Promises more bytes than come."""
        data = picture(int(rest))
        self.answer(data, length=len(data) + 1000)
        self.close_connection = True

    def on_shorter(self, rest):
        """Promises fewer bytes than come."""
        data = picture(int(rest), kind="JPEG")
        self.answer(data, "image/jpeg", length=len(data) // 2)

    def on_noise(self, _):
        self.wfile.write(b"\x00\x01 this is not HTTP\r\n\r\n")

    def on_hugeheader(self, _):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Big: ")
        for _ in range(64):
            self.wfile.write(b"x" * 65_536)
        self.wfile.write(b"\r\n\r\n")

    def log_message(self, *_):
        """Silence."""


def certificate(folder: Path, name: str) -> Path:
    """A certificate of a host name, signed by itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "certificate.pem"
    path.write_bytes(plain + made.public_bytes(Encoding.PEM))
    return path


@contextmanager
def running(tls: Path | None = None) -> Iterator[Server]:
    """The server, until the block ends; with a certificate it speaks TLS."""
    with Server() as server:
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ending.set()
            server.release.set()
            server.shutdown()
            thread.join()


def client(server: Server, lookup=None, **caps) -> Client:
    """A client that may talk to this server, and to nobody else that is not public."""
    known = {"lookup": lookup} if lookup else {}
    guard = Guard(ports=frozenset({80, 443, server.port}), test_servers=frozenset({(HOST, server.port)}), **known)
    return Client(guard, Caps(**{"max_bytes": 1_000_000, "time_s": 5.0, **caps}))
