"""Serve the fake vendor until SIGTERM."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import uvicorn

from tailfirst.errors import ConfigError

ASGI = Callable[..., Any]  # what uvicorn serves
HOST = "127.0.0.1"  # it is a fake: nobody outside this machine has business with it
GRACE_S = 2  # for requests that are being answered when the end comes


def bound(port: int) -> socket.socket:
    """A listening socket; port 0 lets the system choose.

    Raises:
        ConfigError: The port is taken.
    """
    # With its protocol named asyncio sets TCP_NODELAY; without, every answer waits 40 ms for the caller's delayed ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise ConfigError(f"--port {port} cannot be used: {error.strerror}; 0 takes a free one") from error
    listener.listen(128)
    return listener


def address(listener: socket.socket) -> str:
    """The base URL."""
    return f"http://{HOST}:{listener.getsockname()[1]}"


class Server(uvicorn.Server):
    """A uvicorn server that says when it is ready, and can be run in a thread."""

    def __init__(self, app: ASGI, ready: Callable[[], None]) -> None:
        quiet = uvicorn.Config(
            app, log_level="critical", access_log=False, timeout_graceful_shutdown=GRACE_S, lifespan="on"
        )
        super().__init__(quiet)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell that connections are taken."""
        await super().startup(sockets=sockets)
        self._ready()


class Hosted:
    """An application in a thread of this process: `with Hosted(make_app(shop)) as url`."""

    def __init__(self, app: ASGI) -> None:
        self._listener = bound(0)
        self._up = threading.Event()
        self._server = Server(app, self._up.set)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        if not self._up.wait(timeout=30):
            raise TimeoutError("the fake vendor did not come up within 30 s")
        return address(self._listener)

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._listener.close()
