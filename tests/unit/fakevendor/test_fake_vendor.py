"""The fake vendor as a service: its memory, its callbacks, its admin path and its command."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from tailfirst.errors import ConfigError
from tailfirst.fakevendor.app import make_app
from tailfirst.fakevendor.config import Config, Drawn, read_config
from tailfirst.fakevendor.run import bound
from tailfirst.fakevendor.shop import Shop
from tailfirst.vendors._simulated_book import Book
from tailfirst.webhooks.signing import verify
from tests.support.vendors.kit import spec, truth

KEY, SECRET = "a key", "a secret for callbacks in tests"


class Receiver:
    """Our side: takes callbacks, answers with the statuses it was told to, then 200."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.got.append((dict(self.headers), body))
                self.send_response(outer.answers.pop(0) if outer.answers else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def signed(self) -> list[bool]:
        found = []
        for headers, body in self.got:
            try:
                verify([SECRET], headers, body, datetime.now(UTC))
                found.append(True)
            except Exception:  # noqa: BLE001 - whatever is wrong with it: it is not signed by our vendor
                found.append(False)
        return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def shop(root: Path, url: str | None = None, **options: Any) -> Shop:
    config = Config.model_validate({"callback_wait_s": 0.001, **options})
    return Shop(config, Book(root / "fake.db"), truth, KEY, SECRET, url)


def client(made: Shop) -> TestClient:
    """Without the lifespan: no thread of its own, so a test decides when callbacks are sent."""
    return TestClient(make_app(made), headers={"authorization": httpx.BasicAuth(KEY, "")._auth_header})


def task(n: int, **changes: Any) -> dict[str, Any]:
    one = spec(n)
    return {
        "unique_id": one.key, "metadata": {"item_id": one.item_id, "item_digest": one.item_digest},
        "purpose": "TRAIN", "attempt": 1, "overlap_slot": 0, "payload_sha256": one.payload_sha256,
        "attachment": {"type": "none"}, **changes,
    }  # fmt: skip


def ordered(http: TestClient, n: int = 4) -> str:
    """A finalized batch with n tasks; its id."""
    batch = {
        "name": "b" * 64, "project": "p", "round_no": 1, "purpose": "TRAIN", "n_tasks": n, "overlap": 1,
        "sla_at": "2026-03-02T00:00:00Z", "max_price_micros": 10**7, "currency": "USD",
    }  # fmt: skip
    made = http.post("/v1/batches", json=batch)
    assert made.status_code == 201
    assert http.post("/v1/batches", json=batch).status_code == 409
    batch_id = str(made.json()["id"])
    said = http.post(f"/v1/batches/{batch_id}/tasks", json={"tasks": [task(i) for i in range(n)]})
    assert {one["status"] for one in said.json()["tasks"]} == {201}
    http.post(f"/v1/batches/{batch_id}/finalize")
    return batch_id


def test_without_the_key_nothing_is_said(tmp_path: Path) -> None:
    http = TestClient(make_app(shop(tmp_path)))
    for headers in ({}, {"authorization": "Basic !"}, {"authorization": httpx.BasicAuth("other", "")._auth_header}):
        for path in ("/v1/health", "/admin/book"):
            assert http.get(path, headers=headers).status_code == 401


def test_a_unique_id_is_used_once_and_the_409_names_its_task(tmp_path: Path) -> None:
    http = client(shop(tmp_path))
    batch_id = ordered(http, 1)
    again = http.post(f"/v1/batches/{batch_id}/task", json=task(0))
    known = http.get("/v1/tasks", params={"unique_id": spec(0).key}).json()
    assert again.status_code == 409
    assert again.json()["task_id"] == known["task_id"]
    assert known["payload_sha256"] == spec(0).payload_sha256
    assert http.get("/v1/tasks", params={"unique_id": "nobody"}).status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/quotes", {"purpose": "LUNCH"}),
        ("/v1/projects", {"name": "p", "extra": 1}),
        ("/admin/faults", {"faults": 3}),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, path: str, body: dict[str, Any]) -> None:
    assert client(shop(tmp_path)).post(path, json=body).status_code == 422


def test_unknown_faults_are_refused_and_known_ones_outlive_a_restart(tmp_path: Path) -> None:
    http = client(shop(tmp_path))
    assert http.post("/admin/faults", json={"faults": [{"name": "tpyo", "rate": 1}]}).status_code == 400
    assert http.post("/admin/faults", json={"faults": [{"name": "vendor_down", "rate": 1}]}).status_code == 200
    restarted = client(shop(tmp_path))
    assert restarted.get("/v1/health").status_code == 200
    assert (
        restarted.post("/v1/projects", json={"name": "p", "ontology_digest": "d", "ontology_version": "1"}).status_code
        == 503
    )


@pytest.mark.parametrize(
    ("fault", "status"), [("rate_limited", 429), ("auth_revoked", 401), ("balance_empty", 402), ("vendor_down", 503)]
)
def test_service_faults_have_their_status(tmp_path: Path, fault: str, status: int) -> None:
    made = shop(tmp_path)
    http = client(made)
    batch_id = ordered(http)
    made.arm([{"name": fault, "rate": 1.0}])
    said = http.get(f"/v1/batches/{batch_id}/changes")
    assert said.status_code == status
    assert (said.headers.get("retry-after") == "30") == (status == 429)


def test_a_jump_of_the_clock_brings_answers_charges_and_survives_a_restart(tmp_path: Path) -> None:
    http = client(shop(tmp_path))
    ordered(http)
    assert http.get("/admin/book").json()["charges"] == 0
    now = http.post("/admin/clock", json={"hours": 100}).json()["now"]
    book = client(shop(tmp_path)).get("/admin/book").json()
    assert (book["charges"], book["amount_micros"], book["paid_twice"]) == (4, 160_000, 0)
    assert client(shop(tmp_path)).get("/v1/health").json()["now"] >= now


def test_a_new_price_list_counts_for_new_orders(tmp_path: Path) -> None:
    http = client(shop(tmp_path))
    assert http.post("/admin/prices", json={"percent": 200}).json() == {"percent": 200}
    ordered(http)
    http.post("/admin/prices", json={"percent": 100})
    http.post("/admin/clock", json={"hours": 100})
    assert http.get("/admin/book").json()["amount_micros"] == 2 * 160_000


def test_a_balance_that_does_not_reach_creates_nothing(tmp_path: Path) -> None:
    http = client(shop(tmp_path, balance_micros=200_000))
    batch_id = ordered(http)  # 160,000 micros
    two = {"tasks": [task(10), task(11)]}
    assert http.post(f"/v1/batches/{batch_id}/tasks", json=two).status_code == 402
    http.post("/admin/balance", json={"balance_micros": 240_000})
    assert http.post(f"/v1/batches/{batch_id}/tasks", json=two).status_code == 200
    assert http.post(f"/v1/batches/{batch_id}/tasks", json={"tasks": [task(12)]}).status_code == 402


def test_callbacks_are_signed_and_repeated_until_answered(tmp_path: Path, receiver: Receiver) -> None:
    made = shop(tmp_path, receiver.url)
    receiver.answers = [500, 503]
    ordered(client(made), 1)
    made.jump(100)
    for _ in range(50):
        made.callbacks.send_waiting()
        if made.callbacks.counts() == {"DONE": 1}:
            break
    assert len(receiver.got) == 3
    assert receiver.signed() == [True] * 3
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1


def test_callbacks_are_given_up_in_the_end(tmp_path: Path, receiver: Receiver) -> None:
    made = shop(tmp_path, receiver.url, callback_tries=2)
    receiver.answers = [500] * 9
    ordered(client(made), 1)
    made.jump(100)
    for _ in range(50):
        made.callbacks.send_waiting()
    assert made.callbacks.counts() == {"GIVEN_UP": 1}
    assert len(receiver.got) == 2


@pytest.mark.parametrize(
    ("fault", "signed"),
    [
        ("webhook_lost", []),
        ("duplicate_event", [True, True]),
        ("webhook_forged", [False, True]),
        ("webhook_early", [True, True]),
    ],
)
def test_callback_faults(tmp_path: Path, receiver: Receiver, fault: str, signed: list[bool]) -> None:
    made = shop(tmp_path, receiver.url, faults=[{"name": fault, "rate": 1.0}])
    http = client(made)
    ordered(http, 1)
    assert len(receiver.got) == (1 if fault == "webhook_early" else 0)  # before the create has answered
    made.jump(100)
    made.callbacks.send_waiting()
    assert sorted(receiver.signed()) == signed


def test_drawn_answers_need_no_workspace() -> None:
    drawn = Drawn(7, ("b", "a", "c"))
    assert sorted(drawn.values()) == ["a", "b", "c"]
    assert {drawn[f"item-{n}"] for n in range(50)} == {"a", "b", "c"}
    assert drawn["item-1"] == Drawn(7, ("c", "b", "a"))["item-1"]


@pytest.mark.parametrize("content", ["prize: 3", "- 1", "{"])
def test_wrong_config_is_explained(tmp_path: Path, content: str) -> None:
    path = tmp_path / "fake.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError):
        read_config(path, None)


def test_the_command_says_when_it_is_ready_and_ends_on_sigterm(tmp_path: Path) -> None:
    config = tmp_path / "fake.yaml"
    config.write_text("classes: [cat, elk]", encoding="utf-8")
    command = [sys.executable, "-m", "tailfirst.cli", "fake-vendor", "--port", "0", "--config", str(config)]
    command[1:3] = ["-c", "from tailfirst.cli import main; main()"]
    command += ["--db", str(tmp_path / "fake.db")]
    env = {**os.environ, "TAILFIRST_REST_API_KEY": KEY}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as running:
        assert running.stdout is not None
        line = running.stdout.readline()
        assert line.startswith("fake vendor ready at http://127.0.0.1:")
        url = line.split()[4].rstrip(",")
        assert httpx.get(f"{url}/v1/health", auth=(KEY, ""), trust_env=False).json()["ok"]
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=20) in {0, -signal.SIGTERM, 128 + signal.SIGTERM}


def test_its_socket_names_its_protocol() -> None:
    """asyncio switches Nagle's algorithm off only then; with it every answer waits for the caller's delayed ACK."""
    with bound(0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
