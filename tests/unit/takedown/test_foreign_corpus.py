"""Fetch, retrieval and take-down on open tables of others, read in place under their own column names."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tailfirst import cli, schemas
from tailfirst.artifacts import write_parquet
from tailfirst.config import Settings
from tailfirst.context import NoGates, open_context
from tailfirst.fetching.run import Plan, fetch
from tailfirst.retrieval import corpus
from tailfirst.retrieval import run as stage
from tailfirst.retrieval.fetched import segments
from tailfirst.retrieval.images import ImageReader
from tailfirst.takedown.run import take_down
from tailfirst.takedowns import as_table, url_key
from tests.support import image_server, open_world
from tests.support.fake_encoder import FakeEncoder
from tests.support.open_world import params
from tests.support.pictures import picture
from tests.support.takedown_world import AT, sha

CPU = Settings(device="cpu")
HOST = "http://images.example"


@pytest.fixture
def ws(tmp_path, sqlite_template, monkeypatch):
    made = open_world.write_task(tmp_path)
    open_world.write_items(made, [picture(100), picture(101), picture(102)])
    made.params.write_text(yaml.safe_dump(params().model_dump(mode="json")))
    for path in (made.seed_labels, made.labels):
        write_parquet(path, pa.Table.from_pylist([], schema=schemas.LABELS))
    for path in (made.holdout, made.oracle):
        write_parquet(path, pa.Table.from_pylist([], schema=schemas.LABELED))
    made.rounds.mkdir()
    made.state.mkdir(exist_ok=True)
    shutil.copy(sqlite_template, made.ledger)
    monkeypatch.setattr(stage, "load_encoder", lambda *_: FakeEncoder(dim=4, decode=True))
    return made


def write(ws, table):
    ws.open.mkdir(exist_ok=True)
    pq.write_table(table, ws.open / "part.parquet", row_group_size=2)


def laion(server=HOST):
    """Ids are whole numbers kept as floats, and two rows have none."""
    return pa.table(
        {
            "SAMPLE_ID": pa.array([17.0, None, 18.0, None]),
            "URL": [f"{server}/image/{n}" for n in range(4)],
            "TEXT": ["a polar bear", "an ice bear", None, "a fire truck"],
        }
    )


def downloaded(nested):
    """Images under another name, without a recorded hash; the last row has none."""
    images = [picture(1), picture(2), picture(3), None]
    column = [{"bytes": image, "path": "x.png"} for image in images] if nested else images
    urls = [f"{HOST}/{n}" for n in range(4)]
    texts = ["a polar bear", "an ice bear", "a fire truck", "a bear"]
    return pa.table({"key": list("abcd"), "text": texts, "jpg": column, "image_url": urls})


def act(ws, *references):
    with open_context(ws.root, gates=NoGates()) as ctx:
        return take_down(ctx, references)


def retrieved(ws, **rules):
    stage.retrieve(ws, params(retrieval={"match_limit": 5, **rules}), CPU)
    return pq.read_table(ws.retrieved).to_pylist()


def ids(ws):
    (shard,) = corpus.shards(ws)
    pieces = [piece.traits(np.arange(len(piece.batch)), ("open_id",)) for piece in corpus.slices(shard, ("open_id",))]
    return [one for piece in pieces for one in piece["open_id"].to_pylist()]


def test_urls_are_fetched_and_read_under_their_own_name(ws):
    with image_server.running() as server:
        write(ws, laion(server.url("").rstrip("/")))
        assert fetch(ws, Plan(only_matching=True), image_server.client(server)).done == 3
        assert set(server.asked) == {"/image/0", "/image/1", "/image/3"}
        assert fetch(ws, Plan(), image_server.client(server)).asked == 1
    known = corpus.shards(ws)
    assert ImageReader(ws, known).read(known[0].name, np.arange(4)) == [picture(n) for n in range(4)]
    assert sorted(row["sha256"] for row in retrieved(ws)) == sorted(sha(n) for n in (0, 1, 3))


def test_a_fetch_of_matching_rows_spares_the_retrieval_a_pass(ws, monkeypatch):
    with image_server.running() as server:
        write(ws, laion(server.url("").rstrip("/")))
        ws.params.write_text(yaml.safe_dump(params(retrieval={"match_limit": 5}).model_dump(mode="json")))
        fetch(ws, Plan(only_matching=True), image_server.client(server))
    monkeypatch.setattr(corpus, "slices", None)
    assert len(retrieved(ws)) == 3


@pytest.mark.parametrize("nested", [False, True])
def test_rows_that_hold_their_image_are_not_asked(ws, nested):
    with image_server.running() as server:
        root = server.url("").rstrip("/")
        urls = pa.array([f"{root}/image/{n}" for n in range(4)])
        write(ws, downloaded(nested).set_column(3, "image_url", urls))
        fetch(ws, Plan(), image_server.client(server))
        assert set(server.asked) == {"/image/3"}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("by", ["id", "sha"])
def test_a_row_leaves_whatever_its_columns_are_called(ws, nested, by):
    write(ws, downloaded(nested))
    (gone,) = [row for row in retrieved(ws) if row["sha256"] == sha(2)]
    before = ids(ws)
    report = act(ws, gone["open_id"] if by == "id" else sha(2))
    assert report.remains == {}
    assert pq.read_table(ws.open / "part.parquet").equals(downloaded(nested).take([0, 2, 3]))
    assert ids(ws) == [before[n] for n in (0, 2, 3)]
    again = open_world.open_row(9, "a bear", picture(2)) | {"sha256": None}
    open_world.write_open(ws, [again])  # the same bytes come under another id, and no hash is recorded
    assert sha(2) not in [row["sha256"] for row in retrieved(ws)]


def test_a_url_leaves_with_what_came_from_it(ws):
    with image_server.running() as server:
        write(ws, laion(server.url("").rstrip("/")))
        fetch(ws, Plan(), image_server.client(server))
    (gone,) = [row for row in retrieved(ws) if row["sha256"] == sha(3)]
    report = act(ws, gone["open_id"])
    assert report.remains == {}
    assert sum(pq.read_metadata(path).num_rows for path in segments(ws)) == 3
    assert sorted(row["sha256"] for row in retrieved(ws)) == sorted(sha(n) for n in (0, 1))


def test_rows_keep_an_id_that_was_their_place(ws):
    """Rows without an id are called by their place, which changes when one before them goes."""
    write(ws, laion())
    before = ids(ws)
    report = act(ws, before[1])
    assert report.remains == {}
    assert ids(ws) == [before[n] for n in (0, 2, 3)]
    assert act(ws, before[1]).found == {}


def test_a_take_down_reaches_what_is_remembered_of_a_shard(ws):
    """The shard is as it was (another machine did the take-down, and only its list came), and so are the params."""
    write(ws, downloaded(nested=False))
    first = retrieved(ws)
    assert {row["sha256"] for row in first} == {sha(1), sha(2), sha(3)}
    kept = (ws.cache / "retrieval").rglob("*.parquet")
    assert any(first[0]["open_id"] in pq.read_table(path)["open_id"].to_pylist() for path in kept)
    common = {"reason": "asked", "at": AT, "found": ""}
    lists = {
        "id": {"id": first[0]["open_id"]},
        "sha256": {"id": sha(2), "sha256": sha(2)},
        "url": {"id": "u", "url_sha256": url_key(f"{HOST}/2")},
    }
    gone = {"id": first[0]["sha256"], "sha256": sha(2), "url": sha(3)}
    for how, line in lists.items():
        write_parquet(ws.takedowns, as_table([{**line, **common}]))
        assert {row["sha256"] for row in retrieved(ws)} == {sha(1), sha(2), sha(3)} - {gone[how]}
        dropped = stage.retrieve(ws, params(retrieval={"match_limit": 5}), CPU).dropped
        assert dropped == {"no_image": 1, "taken_down": 1}
    ws.takedowns.unlink()
    assert retrieved(ws) == first


def test_nothing_remembered_outlives_a_take_down(ws, capsys):
    write(ws, downloaded(nested=False))
    first = retrieved(ws)
    (one,) = (ws.cache / "retrieval").rglob("*.parquet")
    one.with_name("damaged.parquet").write_bytes(b"of which nobody knows what it holds")
    assert cli.run(["--root", str(ws.root), "take-down", first[0]["open_id"]]) == 0
    assert "nothing of it is left" in capsys.readouterr().out
    assert not list((ws.cache / "retrieval").rglob("*.parquet"))
    assert first[0]["open_id"] not in [row["open_id"] for row in retrieved(ws)]
