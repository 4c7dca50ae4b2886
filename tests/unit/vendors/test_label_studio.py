"""The Label Studio adapter on a real server: what the conformance kit cannot ask of every vendor."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from PIL import Image

from tailfirst import schemas
from tailfirst.artifacts import sha256_bytes, write_parquet
from tailfirst.config import Settings
from tailfirst.errors import AuthRefused, ConfigError, Gone, VendorConflict
from tailfirst.items import item_id
from tailfirst.labeling.keys import batch_key, payload_sha256, submission_key
from tailfirst.ledger import Ledger
from tailfirst.paths import Workspace
from tailfirst.port import BatchRef, BatchSpec, Money, ProjectSpec, TaskSpec
from tailfirst.task import ClassDef, Task, save_task
from tailfirst.vendors import label_studio as adapter
from tailfirst.vendors._label_studio_hooks import SECRET_HEADER
from tailfirst.webhooks.outcomes import Outcome
from tailfirst.webhooks.receiver import Receiver
from tests.support import label_studio

pytestmark = pytest.mark.label_studio

NOW = datetime(2026, 3, 2, tzinfo=UTC)
TASK = Task("birds", "text", "1", (ClassDef("heron", "Grey heron"), ClassDef("owl", "owl")), ("{}",))


@pytest.fixture(autouse=True)
def empty_server() -> None:
    label_studio.forget_projects()


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path)
    save_task(TASK, found.task)
    write_items(found, [f"text {n}" for n in range(8)], "text")
    return found


def write_items(ws: Workspace, values: list[Any], column: str) -> None:
    datas = [v.encode() if column == "text" else (ws.data / v).read_bytes() for v in values]
    rows = [
        {"item_id": item_id(sha256_bytes(d)), "sha256": sha256_bytes(d), "role": "pool", column: v, "source": "test"}
        for v, d in zip(values, datas, strict=True)
    ]
    write_parquet(ws.items, pa.Table.from_pylist(rows, schema=schemas.ITEMS))


def specs(ws: Workspace, **changes: Any) -> list[TaskSpec]:
    return [
        TaskSpec(
            key=submission_key("birds", "1", row["sha256"], "TRAIN", 1, 0),
            item_id=row["item_id"],
            item_digest=row["sha256"],
            asset_url=f"item:{row['item_id']}",
            asset_expires_at=NOW,
            purpose="TRAIN",
            attempt=1,
            overlap_slot=0,
            payload_sha256=payload_sha256(row["item_id"], row["sha256"], "TRAIN", 1, 0),
            **{"prelabel": None, **changes},
        )
        for row in schemas.read(ws.items, schemas.ITEMS).to_pylist()
    ]


def vendor(ws: Workspace, token: str | None = None, **options: Any) -> adapter.LabelStudioVendor:
    server = label_studio.server()
    settings = Settings(
        _env_file=None,
        label_studio_url=server.url,
        label_studio_token=token or server.account.token,
        webhook_secrets="hush",
    )
    return adapter.load(adapter.Params.model_validate({"overlap_s": 0, **options}), ws, settings)


def order(made: adapter.LabelStudioVendor, overlap: int = 1) -> BatchRef:
    digest = made.task.digest
    project = made.ensure_project(ProjectSpec("birds", "1", digest, digest, "PUBLIC"))
    key = batch_key("birds", 1, "TRAIN")
    return made.open_batch(BatchSpec(key, project, 1, "TRAIN", 8, overlap, NOW, Money(10**9, "USD")))


def ids(batch: BatchRef) -> list[int]:
    return [task["id"] for task in label_studio.tasks(int(batch.vendor_id))]


def kinds(made: adapter.LabelStudioVendor, batch: BatchRef, cursor: Any = None) -> tuple[dict[int, str], Any]:
    """Kind of the event per task number, of one whole walk; and where the next one begins."""
    found: dict[int, str] = {}
    while True:
        page = made.changes(batch, cursor)
        found |= {int(e.vendor_id.partition("-")[2]): e.kind for e in page.rows}
        cursor = page.next_cursor
        if not page.more:
            return found, cursor


def test_an_answers_life_is_told_step_by_step(ws: Workspace) -> None:
    made, anna = vendor(ws, page_size=3), label_studio.person("anna")
    batch = order(made)
    made.submit(batch, specs(ws))
    first, second, third = ids(batch)[:3]
    seen, cursor = kinds(made, batch)
    assert seen == {}
    given = anna.label(first, "heron")
    anna.skip(second)
    anna.http.post(f"/api/tasks/{third}/drafts", json={"result": [], "lead_time": 1}).raise_for_status()
    seen, cursor = kinds(made, batch, cursor)
    assert seen == {first: "RETURNED", second: "SKIPPED"}
    anna.edit(given, "owl")
    seen, cursor = kinds(made, batch, cursor)
    assert seen == {first: "UPDATED"}
    (now,) = made.fetch(
        [r for r in made.find(batch, [s.key for s in specs(ws)]).values() if r.vendor_id.endswith(f"-{first}")]
    )
    assert made.parse(now, TASK).annotations[0].class_ids == ("owl",)
    anna.delete(given)
    seen, cursor = kinds(made, batch, cursor)
    assert seen == {first: "DELETED"}
    assert kinds(made, batch, cursor)[0] == {}


def test_each_poll_looks_back_over_its_window(ws: Workspace) -> None:
    made, anna = vendor(ws, overlap_s=60), label_studio.person("anna")
    batch = order(made)
    made.submit(batch, specs(ws)[:2])
    _, cursor = kinds(made, batch)
    anna.label(ids(batch)[0], "heron")
    _, cursor = kinds(made, batch, cursor)
    anna.label(ids(batch)[1], "heron")
    assert set(kinds(made, batch, cursor)[0]) == set(ids(batch))


def test_two_answers_of_two_people(ws: Workspace) -> None:
    made = vendor(ws)
    batch = order(made, overlap=2)
    made.submit(batch, specs(ws)[:1])
    (number,) = ids(batch)
    label_studio.person("anna").label(number, "heron")
    assert kinds(made, batch)[0] == {number: "STARTED"}
    label_studio.person("bert").label(number, "owl")
    assert kinds(made, batch)[0] == {number: "RETURNED"}
    (now,) = made.fetch(list(made.find(batch, [specs(ws)[0].key]).values()))
    answers = made.parse(now, TASK).annotations
    assert {a.class_ids for a in answers} == {("heron",), ("owl",)}
    assert len({a.annotator_id for a in answers}) == 2
    assert all(a.work_s == 2.5 and a.submitted_at - a.started_at == timedelta(seconds=2.5) for a in answers)


def double(batch: BatchRef, count: int = 1) -> None:
    """Somebody imports the first task again, as a call whose answer was lost does."""
    task = label_studio.tasks(int(batch.vendor_id))[0]
    again = [{"data": task["data"], "meta": task["meta"]}] * count
    with label_studio.client() as http:
        http.post(f"/api/projects/{batch.vendor_id}/import", json=again).raise_for_status()


def test_copies_are_deleted_unless_somebody_labeled_them(ws: Workspace) -> None:
    made, anna = vendor(ws), label_studio.person("anna")
    batch = order(made)
    made.submit(batch, specs(ws)[:2])
    before = ids(batch)
    double(batch, 2)
    assert len(ids(batch)) == 4
    made.finalize(batch)
    assert ids(batch) == before
    double(batch)
    copy = ids(batch)[-1]
    anna.label(before[0], "heron")
    anna.label(copy, "owl")
    made.finalize(batch)
    assert ids(batch) == [*before, copy]  # a person's work is not deleted ...
    assert kinds(made, batch)[0] == {before[0]: "RETURNED"}  # ... and counts once
    assert made.find(batch, [specs(ws)[0].key])[specs(ws)[0].key].vendor_id == f"{batch.vendor_id}-{before[0]}"
    assert len(made.costs(batch)) == 1


def test_the_labeled_copy_is_kept(ws: Workspace) -> None:
    made = vendor(ws)
    batch = order(made)
    made.submit(batch, specs(ws)[:1])
    double(batch)
    old, new = ids(batch)
    label_studio.person("anna").label(new, "owl")
    made.finalize(batch)
    assert ids(batch) == [new]
    assert old != new


def test_cancel_leaves_answered_tasks(ws: Workspace) -> None:
    made = vendor(ws)
    batch = order(made)
    made.submit(batch, specs(ws)[:3])
    label_studio.person("anna").label(ids(batch)[1], "owl")
    refs = list(made.find(batch, [s.key for s in specs(ws)]).values())
    foreign = replace(refs[0], vendor_id="nothing-like-it")
    assert [o.outcome for o in made.cancel([*refs, foreign], "c").outcomes] == [
        "CANCELED",
        "TOO_LATE",
        "CANCELED",
        "NOT_FOUND",
    ]
    assert len(ids(batch)) == 1


def test_prelabels_are_shown_and_remembered(ws: Workspace) -> None:
    made = vendor(ws)
    batch = order(made)
    shown, blind = replace(specs(ws)[0], prelabel="owl"), specs(ws)[1]
    assert {o.outcome for o in made.submit(batch, [shown, blind]).outcomes} == {"CREATED"}
    tasks = label_studio.tasks(int(batch.vendor_id))
    assert [len(t["predictions"]) for t in tasks] == [1, 0]
    with label_studio.client() as http:
        assert http.get(f"/api/projects/{batch.vendor_id}").json()["model_version"] == "tailfirst"
    for task in tasks:
        label_studio.person("anna").label(task["id"], "owl")
    raws = made.fetch(list(made.find(batch, [shown.key, blind.key]).values()))
    assert [made.parse(r, TASK).annotations[0].saw_prelabel for r in raws] == [True, False]


def test_one_bad_item_stops_no_other(ws: Workspace) -> None:
    made = vendor(ws)
    batch = order(made)
    unknown = replace(specs(ws)[0], item_id="nowhere")
    first, second = made.submit(batch, [unknown, specs(ws)[1]]).outcomes
    assert (first.outcome, second.outcome) == ("REJECTED", "CREATED")
    assert "nowhere" in first.reason


def test_what_the_server_refuses_is_found_by_halves(ws: Workspace) -> None:
    made = vendor(ws)
    batch = order(made)
    tasks = made._tasks(batch)
    good = [{"data": {"text": f"t{n}"}, "meta": {"tailfirst": {"key": f"k{n}"}}} for n in range(5)]
    assert set(tasks.create([*good[:2], {"data": {"image": "x"}}, *good[2:]])) == {2}
    assert set(tasks.by_key()) == {f"k{n}" for n in range(5)}


def test_a_changed_interface_stops_the_order(ws: Workspace) -> None:
    made = vendor(ws)
    batch = order(made)
    made.submit(batch, specs(ws)[:1])
    with label_studio.client() as http:
        path = f"/api/projects/{batch.vendor_id}/"
        config = http.get(path).json()["label_config"].replace("Grey heron", "White heron")
        http.patch(path, json={"label_config": config}).raise_for_status()
    digest = TASK.digest
    found = made.ensure_project(ProjectSpec("birds", "1", digest, digest, "PUBLIC"))
    assert found.ontology_digest != digest
    asked = replace(found, ontology_digest=digest)
    with pytest.raises(VendorConflict, match="restore its labeling interface"):
        made.open_batch(BatchSpec(batch.key, asked, 1, "TRAIN", 8, 1, NOW, Money(10**9, "USD")))


def test_a_deleted_project_is_gone(ws: Workspace) -> None:
    made = vendor(ws)
    batch = order(made)
    made.submit(batch, specs(ws)[:1])
    refs = list(made.find(batch, [specs(ws)[0].key]).values())
    label_studio.forget_projects()
    assert list(made.fetch(refs)) == []
    with pytest.raises(Gone):
        made.changes(batch, None)


def test_a_personal_access_token_does_as_well(ws: Workspace) -> None:
    with label_studio.client() as http:
        token = http.post("/api/token/").raise_for_status().json()["token"]
    made = vendor(ws, token)
    assert order(made) == order(vendor(ws))
    assert made.health().ok


def test_health_says_what_is_wrong(ws: Workspace) -> None:
    assert vendor(ws).health().detail == "Label Studio 1.23.2"
    bad = vendor(ws, "0" * 40)
    assert "TAILFIRST_LABEL_STUDIO_TOKEN" in bad.health().detail
    with pytest.raises(AuthRefused):
        order(bad)


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[[Path], Workspace]:
    def make(root: Path) -> Workspace:
        found = Workspace(root)
        save_task(replace(TASK, modality="image"), found.task)
        (found.data / "images").mkdir(parents=True)
        names = []
        for n, kind in enumerate(("PNG", "JPEG")):
            names.append(f"images/an owl {n}.{kind.lower()}")
            data = io.BytesIO()
            Image.new("RGB", (8, 8), (40 * n, 90, 10)).save(data, kind)
            (found.data / names[-1]).write_bytes(data.getvalue())
        write_items(found, names, "path")
        return found

    return make


def test_local_files_are_shown_to_annotators_and_nothing_else(pictures: Any) -> None:
    server = label_studio.server()
    ws = pictures(server.files / "w1")
    made = vendor(ws, images="local_files", document_root=str(server.files))
    batch = order(made)
    assert batch == order(made)  # no second storage
    made.submit(batch, specs(ws))
    url = label_studio.tasks(int(batch.vendor_id))[0]["data"]["image"]
    anna = label_studio.person("anna").http
    assert anna.get(url).content == (ws.data / "images" / "an owl 0.png").read_bytes()
    assert anna.get(url.replace("images/an%20owl%200.png", "items.parquet")).status_code == 404
    assert httpx.get(server.url + url, trust_env=False).status_code == 401
    with pytest.raises(ConfigError, match="document_root"):
        order(vendor(ws, images="local_files", document_root=str(ws.data / "images")))


def test_small_images_travel_inside_the_task(pictures: Any, tmp_path: Path) -> None:
    ws = pictures(tmp_path / "w2")
    made = vendor(ws)
    batch = order(made)
    made.submit(batch, specs(ws))
    found = [task["data"]["image"].partition(";")[0] for task in label_studio.tasks(int(batch.vendor_id))]
    assert found == ["data:image/png", "data:image/jpeg"]
    small = vendor(ws, inline_max_bytes=80)
    refused = [
        o.reason
        for o in small.submit(batch, [replace(s, key=s.key[:-1] + "x") for s in specs(ws)]).outcomes
        if o.reason
    ]
    assert any("inline_max_bytes is 80" in why for why in refused)


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
