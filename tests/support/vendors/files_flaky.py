"""File systems that fail on demand, and a real S3-compatible server on loopback."""

import atexit
import os
from collections.abc import Callable
from functools import cache
from typing import Any


class Killed(BaseException):
    """The process died here: no `except Exception` sees it."""


class Flaky:
    """Passes every call on to a file system; `on_write` and `on_any` may raise instead of, or after, it.

    on_write(n, path, when): n counts the objects written through this wrapper, from 1; called before and after
    (on a local disk: after the rename).
    """

    def __init__(self, fs: Any) -> None:
        self.fs = fs
        self.writes = 0
        self.on_write: Callable[[int, str, str], None] = lambda *_: None
        self.on_any: Callable[[], None] = lambda: None

    def pipe_file(self, path: str, data: bytes) -> None:
        self.on_any()
        self.writes += 1
        self.on_write(self.writes, path, "before")
        self.fs.pipe_file(path, data)
        if not path.endswith(".part"):
            self.on_write(self.writes, path, "after")

    def mv(self, before: str, after: str) -> None:
        self.fs.mv(before, after)
        self.on_write(self.writes, after, "after")

    def __getattr__(self, name: str) -> Any:
        if name in {"cat_file", "find", "ls", "info", "makedirs"}:
            self.on_any()
        return getattr(self.fs, name)


@cache
def moto_endpoint() -> str:
    """The address of this process's S3-compatible server, started when first asked for."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    atexit.register(server.stop)
    host, port = server.get_host_and_port()
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "tests")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "tests")
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    return f"http://{host}:{port}"


def make_bucket(name: str) -> None:
    import boto3

    boto3.client("s3", endpoint_url=moto_endpoint()).create_bucket(Bucket=name)
