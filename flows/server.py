"""A local Prefect server for as long as a campaign runs: the ephemeral mode loses records (docs/adr/0003)."""

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

START_LIMIT_S = 120.0
STOP_LIMIT_S = 15.0


def environment(root: Path) -> dict[str, str]:
    """Prefect's settings for a workspace: its own home, no analytics."""
    home = root.resolve() / "state" / "prefect"
    home.mkdir(parents=True, exist_ok=True)
    return {
        "PREFECT_HOME": os.environ.get("PREFECT_HOME", str(home)),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "true",
        "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": os.environ.get(
            "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL", "WARNING"
        ),
    }


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(root: Path, port: int | None = None) -> Iterator[str]:
    """Start a server on loopback, yield its API address, stop it by its pid.

    Raises:
        RuntimeError: It did not answer within START_LIMIT_S; the message shows the end of its log.
    """
    port = port or free_port()
    env = {**os.environ, **environment(root)}
    env.pop("PREFECT_API_URL", None)
    log = root / "state" / "prefect" / "server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        # A session of its own: Ctrl-C reaches the flow alone, which then tells the server how it ended.
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out, start_new_session=True)
    try:
        _wait(process, port, log)
        yield f"http://127.0.0.1:{port}/api"
    finally:
        _stop(process)


def flush() -> None:
    """Hand the flow run's last log lines to the server before it stops: they would be lost with an error at exit."""
    for handler in logging.getLogger("prefect.flow_runs").handlers:
        handler.flush()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    with httpx.Client(trust_env=False, timeout=2) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if client.get(f"http://127.0.0.1:{port}/api/health").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                time.sleep(0.2)
    tail = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(
        f"the Prefect server did not answer on port {port} within {START_LIMIT_S:.0f} s; {log} ends with:\n{tail}"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
