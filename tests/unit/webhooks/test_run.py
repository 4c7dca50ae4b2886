"""The real server: an open call is answered after SIGTERM, the secret path is in no log, and the end is orderly."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tailfirst import cli
from tests.support import tiny_workspace
from tests.support.webhooks import PATH

REPOSITORY = Path(__file__).parents[3]
SERVER = """
import sys
from tailfirst.ledger import Ledger
from tailfirst.webhooks.app import make_app
from tailfirst.webhooks.receiver import Receiver
from tailfirst.webhooks.run import run
from tests.support.webhooks import PATH, Pushing
receiver = Receiver("c", Pushing("UNSIGNED"), Ledger.open(sys.argv[1], eager=True), secret_path=PATH)
run(make_app(receiver), "127.0.0.1", int(sys.argv[2]))
"""


@pytest.fixture
def server(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, f"sqlite:///{tmp_path}/ledger.db", str(port)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=log,
        stderr=log,
    )
    end = time.monotonic() + 60
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < end and process.poll() is None:
            try:
                client.get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
                break
            except httpx.TransportError:
                time.sleep(0.1)
    yield process, port, tmp_path / "log"
    process.kill()
    process.wait()
    log.close()


def test_sigterm_answers_the_open_call_and_ends_with_zero(server):
    process, port, log = server
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        head = f"POST /webhooks/c/{PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n"
        line.sendall(head.encode() + b'{"tasks"')
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        line.sendall(b": []}")
        answer = line.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"server:" not in answer.lower()
    assert process.wait(30) == 0
    assert PATH not in log.read_text()


def test_a_vendor_without_webhooks_is_not_served(tmp_path, capsys):
    ws = tiny_workspace.make(tmp_path / "w")
    assert cli.run(["--root", str(ws.root), "serve", "--port", "0"]) == 2
    assert "simulated sends no webhooks; polling needs none" in capsys.readouterr().err
