"""What a real Label Studio server sends by itself, and the one that is started for people."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tailfirst.ledger import Ledger
from tailfirst.paths import Workspace
from tailfirst.vendors._label_studio_hooks import SECRET_HEADER
from tailfirst.webhooks.outcomes import Outcome
from tailfirst.webhooks.receiver import Receiver
from tests.support import label_studio
from tests.support.label_studio_desk import NOW, ids, order, specs, vendor

pytestmark = pytest.mark.label_studio


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    taken: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}/hook", taken
        http.shutdown()


def test_real_hooks_name_the_task_and_are_taken_by_what_we_serve(ws: Workspace, receiver: Any, sqlite_url: str) -> None:
    url, taken = receiver
    made = vendor(ws, webhook_url=url)
    batch = order(made)
    assert batch == order(made)  # no second hook
    made.submit(batch, specs(ws)[:1])
    (number,) = ids(batch)
    given = label_studio.person("anna").label(number, "owl")
    label_studio.person("anna").delete(given)
    assert len(taken) == 2
    hints = [made.verify_webhook(headers, body, NOW) for headers, body in taken]
    assert [h.vendor_ids for h in hints] == [(f"{batch.vendor_id}-{number}",), ()]
    assert len({h.delivery_id for h in hints}) == 2
    forged = ({**taken[0][0], SECRET_HEADER: "guess"}, taken[0][1])
    with Ledger.open(sqlite_url) as ledger:
        served = Receiver("birds", made, ledger, secret_path="a-long-random-word-of-ours")
        said = [served.receive(*call) for call in (*taken, taken[0], forged)]
    # Parked: no round has this task yet. Stored: it names none.
    assert said == [Outcome.PARKED, Outcome.STORED, Outcome.REPEATED, Outcome.FORGED]


def as_in_a_terminal() -> None:
    """Ctrl-C ends it: a suite that a shell runs in the background inherits an interrupt that is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def for_people(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """`make label-studio` without make, and what it printed."""
    command = [sys.executable, "-m", "tailfirst.labelstudio", "--root", str(tmp_path), "--port", "0"]
    env = {**os.environ, "TAILFIRST_LABEL_STUDIO": str(label_studio.command())}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=env, preexec_fn=as_in_a_terminal,  # noqa: PLW1509 - no lock, no thread
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            said = [next(process.stdout)]
            while not said[-1].startswith("Ctrl-C"):
                said.append(next(process.stdout))
            yield process, said
        finally:
            process.kill()


def test_the_server_for_people_says_how_and_stops_at_ctrl_c(for_people: Any, tmp_path: Path) -> None:
    process, said = for_people
    url, folder = said[0].split()[-1], tmp_path / "state" / "label-studio"
    env = dict(line.split("=", 1) for line in (folder / "env").read_text().split())
    assert env["TAILFIRST_LABEL_STUDIO_URL"] == url
    headers = {"Authorization": f"Token {env['TAILFIRST_LABEL_STUDIO_TOKEN']}"}
    assert httpx.get(f"{url}/api/projects", headers=headers, trust_env=False).json()["count"] == 0
    account = json.loads((folder / "account.json").read_text())
    assert account["email"] in "".join(said)
    assert (folder / "account.json").stat().st_mode & 0o077 == 0  # nobody else reads the password
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert "stopped" in process.stdout.read()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health", trust_env=False)
