"""Run the app under uvicorn until SIGTERM or Ctrl-C; open calls are answered first."""

import signal
from collections.abc import Sequence
from types import FrameType

import uvicorn
from fastapi import FastAPI

STOP_WITHIN_S = 10
CALLS_AT_ONCE = 500


def run(app: FastAPI, host: str, port: int, proxies: Sequence[str] = ()) -> None:
    """Serve until told to stop.

    Args:
        app: What to serve.
        host: Address to listen on.
        port: Port; 0 = a free one, which the log names.
        proxies: Addresses whose `X-Forwarded-For` is believed; from others it is not.
    """
    options = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,  # it would write the secret part of a path
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        limit_concurrency=CALLS_AT_ONCE,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=STOP_WITHIN_S,
        log_level="info",
    )
    # uvicorn raises the signal again after its orderly end; that end was the answer to it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ended)
    uvicorn.Server(options).run()


def _ended(_number: int, _frame: FrameType | None) -> None:
    """The server has stopped."""
