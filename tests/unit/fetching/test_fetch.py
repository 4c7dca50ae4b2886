"""A whole run: what is asked, what is kept, what a second run asks, and a kill in the middle."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tailfirst import cli, schemas
from tailfirst.artifacts import sha256_bytes, write_parquet
from tailfirst.errors import TaskFolderError, UserError
from tailfirst.fetching import run
from tailfirst.fetching.run import Plan, fetch
from tailfirst.fetching.spool import Outcome, Spool
from tailfirst.retrieval import corpus
from tailfirst.retrieval.fetched import Fetched, segments
from tailfirst.retrieval.images import ImageReader
from tailfirst.takedowns import as_table
from tests.support import image_server, open_world
from tests.support.open_world import open_row
from tests.support.pictures import picture

AT = datetime(2026, 1, 1, tzinfo=UTC)
QUICK = Plan(workers=4, backoff_s=0.001)


@pytest.fixture
def server():
    with image_server.running() as found:
        yield found


@pytest.fixture
def ws(tmp_path):
    made = open_world.write_task(tmp_path)
    open_world.write_items(made, [picture(100), picture(101), picture(102)])
    made.params.write_text(yaml.safe_dump(open_world.params().model_dump(mode="json")))
    return made


def rows(server, *paths, caption="a polar bear"):
    return [open_row(number, caption, url=server.url(path)) for number, path in enumerate(paths)]


def outcomes(ws):
    tables = [pq.read_table(path, schema=schemas.FETCHED) for path in segments(ws)]
    return {row["url"]: row for table in tables for row in table.to_pylist()}


def test_images_come_and_the_corpus_reads_them(ws, server):
    owned = open_row(9, "a tuna", picture(9))
    open_world.write_open(ws, [*rows(server, "/image/1", "/jpeg/2"), owned], rows(server, "/image/3", "/html"))
    report = fetch(ws, QUICK, image_server.client(server))
    assert (report.asked, report.done, report.refused, report.failed) == (4, 3, 1, 0)
    assert report.reasons == Counter({"not sent as an image": 1})
    known = corpus.shards(ws)
    reader = ImageReader(ws, known)
    assert reader.read(known[0].name, np.arange(3)) == [
        picture(1),
        picture(2, kind="JPEG"),
        picture(9),
    ]
    assert reader.read(known[1].name, np.arange(2)) == [picture(3), None]


def test_a_second_run_asks_only_what_may_still_come(ws, server):
    open_world.write_open(ws, rows(server, "/image/1", "/status/404", "/status/503", "/html", "/image/1"))
    first = fetch(ws, QUICK, image_server.client(server))
    assert (first.done, first.refused, first.failed, first.retryable) == (1, 1, 2, 1)
    assert server.asked["/status/503"] == QUICK.tries
    assert server.asked["/image/1"] == 1  # a URL of two rows is asked once
    before = Counter(server.asked)
    second = fetch(ws, QUICK, image_server.client(server))
    assert second.asked == 1
    assert server.asked - before == Counter({"/status/503": QUICK.tries})


def test_the_newest_word_on_a_url_counts(ws, server):
    open_world.write_open(ws, rows(server, "/flaky/1"))
    once = Plan(workers=1, tries=1)
    assert [fetch(ws, once, image_server.client(server)).done for _ in range(3)] == [0, 0, 1]
    assert len(segments(ws)) == 3
    assert Fetched.of(ws).image(server.url("/flaky/1")) == picture(1)
    assert fetch(ws, once, image_server.client(server)).asked == 0


def test_repeats_lead_to_the_image_within_one_run(ws, server):
    open_world.write_open(ws, rows(server, "/flaky/1", "/busy/2"))
    report = fetch(ws, QUICK, image_server.client(server))
    assert report.done == 2
    found = outcomes(ws)
    assert found[server.url("/flaky/1")]["tries"] == 3
    assert found[server.url("/busy/2")]["sha256"] == sha256_bytes(picture(2))


def test_a_host_sees_few_visits_at_a_time(ws, server):
    open_world.write_open(ws, rows(server, *(f"/image/{n}" for n in range(30))))
    fetch(ws, Plan(workers=16, per_host=2), image_server.client(server))
    assert server.most_at_once <= 2
    assert sum(server.asked.values()) == 30


def test_limit(ws, server):
    open_world.write_open(ws, rows(server, *(f"/image/{n}" for n in range(5))))
    assert fetch(ws, Plan(limit=2), image_server.client(server)).asked == 2
    assert fetch(ws, Plan(), image_server.client(server)).asked == 3


def test_only_rows_that_retrieval_would_look_at(ws, server):
    rows = [
        open_row(0, "a polar bear", url=server.url("/image/0")),
        open_row(1, "a red house", url=server.url("/image/1")),
        open_row(2, "an ice bear", url=server.url("/image/2"), nsfw=0.9),
        open_row(3, "fire trucks and a fire truck", url=server.url("/image/3")),
    ]
    open_world.write_open(ws, rows)
    report = fetch(ws, Plan(only_matching=True), image_server.client(server))
    assert report.asked == 2
    assert set(server.asked) == {"/image/0", "/image/3"}


def test_rows_that_have_their_image_are_not_asked(ws, server):
    """In the row, in a file, or both kinds in one row group."""
    (ws.data / "there.png").write_bytes(picture(7))
    rows = [
        open_row(0, "bear", picture(1), url=server.url("/image/0")),
        open_row(1, "bear", url=server.url("/image/1"), path="there.png"),
        open_row(2, "bear", url=server.url("/image/2"), path="gone.png"),
        open_row(3, "bear", url=None),
    ]
    open_world.write_open(ws, rows)
    fetch(ws, Plan(), image_server.client(server))
    assert set(server.asked) == {"/image/2"}


def test_laions_column_is_read(ws, server):
    table = pa.Table.from_pylist(rows(server, "/image/1"), schema=schemas.OPEN)
    write_parquet(
        ws.open / "laion.parquet", table.rename_columns([n.replace("url", "URL") for n in table.column_names])
    )
    assert fetch(ws, Plan(), image_server.client(server)).done == 1
    known = corpus.shards(ws)
    assert ImageReader(ws, known).read(known[0].name, np.arange(1)) == [picture(1)]


def test_what_was_taken_down_is_neither_asked_nor_kept(ws, server):
    open_world.write_open(ws, rows(server, "/image/1", "/image/2"))
    one = {"id": "a", "sha256": sha256_bytes(picture(2)), "reason": "asked", "at": AT, "found": ""}
    two = {"id": "b", "url_sha256": sha256_bytes(server.url("/image/1").encode()), "reason": "", "at": AT, "found": ""}
    write_parquet(ws.takedowns, as_table([one, two]))
    report = fetch(ws, Plan(), image_server.client(server))
    assert set(server.asked) == {"/image/2"}
    assert report.reasons == Counter({"taken down": 1})
    assert all(row["image"] is None for row in outcomes(ws).values())


def test_a_kill_loses_at_most_the_images_in_flight(ws, server):
    """SIGKILL while 4 workers wait for the server; what had come before is not asked again."""
    paths = [f"/image/{n}" for n in range(20)] + [f"/wait/{n}" for n in range(20, 30)]
    open_world.write_open(ws, rows(server, *paths))
    script = (
        "import sys; from pathlib import Path\n"
        "from tailfirst.fetching.client import Client; from tailfirst.fetching.guard import Guard\n"
        "from tailfirst.fetching.run import Plan, fetch; from tailfirst.paths import Workspace\n"
        f"guard = Guard(ports=frozenset([{server.port}]), test_servers=frozenset([('127.0.0.1', {server.port})]))\n"
        f"fetch(Workspace(Path({str(ws.root)!r})), Plan(workers=4, per_host=4), Client(guard))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 60
    while sum(server.asked[f"/wait/{n}"] for n in range(20, 30)) < 4:
        assert child.poll() is None, "the run ended early"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert segments(ws) == []
    before = Counter(server.asked)
    server.release.set()
    report = fetch(ws, Plan(workers=4, per_host=4), image_server.client(server))
    again = [path for path in before if server.asked[path] > before[path]]
    assert report.done >= 10
    assert len(again) <= 4
    assert all(path.startswith("/wait/") for path in again)
    assert {url for url, row in outcomes(ws).items() if row["status"] == "done"} == {server.url(path) for path in paths}
    assert not list(ws.state.glob("fetch.db*"))


def test_a_kill_between_the_shard_and_the_spool_writes_the_same_shard_again(ws):
    spool, sha = Spool(ws), sha256_bytes(b"x")
    outcome = Outcome(
        "http://a.example/1", "done", None, retryable=False, http_status=200, tries=1, at=AT, sha256=sha, image=b"x"
    )
    spool.add(outcome)
    spool.pack()
    (shard,) = segments(ws)
    written = shard.read_bytes()
    spool.add(outcome)
    spool.close()
    assert [path.read_bytes() for path in segments(ws)] == [written]


def test_an_interruption_keeps_what_came(ws, server, monkeypatch):
    open_world.write_open(ws, rows(server, *(f"/image/{n}" for n in range(20))))

    class Stops(Spool):
        def add(self, outcome):
            super().add(outcome)
            if self._rows == 5:
                raise KeyboardInterrupt

    monkeypatch.setattr(run, "Spool", Stops)
    with pytest.raises(KeyboardInterrupt):
        fetch(ws, QUICK, image_server.client(server))
    assert 5 <= len(outcomes(ws)) < 20
    assert all(count == 1 for count in server.asked.values())


def test_half_a_shard_of_a_killed_process_is_swept_away(ws, server):
    open_world.write_open(ws, rows(server, "/image/1"))
    ws.fetched.mkdir()
    for folder in (ws.open, ws.fetched):
        (folder / ".part.parquet.abc.parquet").write_bytes(b"half")
    assert len(corpus.shards(ws)) == 1
    fetch(ws, Plan(), image_server.client(server))
    assert not list(ws.open.rglob(".*.parquet"))


def test_one_at_a_time(ws, server):
    open_world.write_open(ws, rows(server, "/image/1"))
    with run.alone(ws), pytest.raises(UserError, match="another fetch or take-down"):
        fetch(ws, Plan(), image_server.client(server))


def test_a_broken_shard_of_images_is_named(ws, server):
    open_world.write_open(ws, rows(server, "/image/1"))
    ws.fetched.mkdir()
    (ws.fetched / "abc.parquet").write_bytes(b"nothing")
    with pytest.raises(TaskFolderError, match="abc"):
        fetch(ws, Plan(), image_server.client(server))


def test_the_command_refuses_this_machine_whatever_is_said(ws, server, capsys, monkeypatch):
    monkeypatch.setenv("TAILFIRST_TEST_SERVERS", f"127.0.0.1:{server.port}")
    open_world.write_open(ws, rows(server, "/image/1"))
    typed = ["--root", str(ws.root), "fetch", "--allow-port", str(server.port)]
    assert cli.run([*typed, "--json"]) == 0
    assert '"host is not on the public internet": 1' in capsys.readouterr().out
    assert not server.asked
    assert cli.run(typed) == 0
    assert "nothing to fetch" in capsys.readouterr().out
