"""Tables of others are read in place: LAION-400M, ReLAION, downloads of those, exports with nested images."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tailfirst import schemas
from tailfirst.config import Retrieval, Settings
from tailfirst.errors import TaskFolderError
from tailfirst.retrieval import columns, corpus
from tailfirst.retrieval import run as stage
from tailfirst.retrieval.corpus import RULED, TRAITS
from tailfirst.retrieval.images import ImageReader
from tests.support.fake_encoder import FakeEncoder
from tests.support.open_world import params, write_items, write_task
from tests.support.pictures import picture


def made_of(text):
    return "o" + hashlib.sha256(text.encode()).hexdigest()[:19]


LAION_400M = pa.table(
    {
        "SAMPLE_ID": pa.array([2949003402523.0, None, 7.0]),
        "URL": ["http://a.example/1.jpg", "http://a.example/2.jpg", "http://b.example/3.jpg"],
        "TEXT": ["A polar bear", None, "Fire-Engine"],
        "HEIGHT": pa.array([400, 90, 300], pa.int32()),
        "WIDTH": pa.array([300, 500, None], pa.int32()),
        "LICENSE": ["?", "cc-by-2.0", None],
        "NSFW": ["UNLIKELY", "NSFW", "UNSURE"],
        "similarity": [0.33, 0.31, 0.2],
    }
)
RELAION = pa.table(
    {
        "url": ["http://a.example/1.jpg", "http://a.example/2.jpg"],
        "caption": ["A polar bear", "Fire-Engine"],
        "hash": pa.array([-5963462, 2**62], pa.int64()),
        "pwatermark": [0.9, None],
        "punsafe": pa.array([0.2, 0.8], pa.float32()),
        "similarity": [0.33, 0.31],
    }
)
DOWNLOADED = pa.table(
    {
        "key": ["000000017", "000000018"],
        "text": ["A polar bear", "Fire-Engine"],
        "jpg": [b"bytes", None],
        "original_width": [640, 20],
        "width": [64, 64],
        "license": pa.array(["unknown", "CC0-1.0"]).dictionary_encode(),
    }
)


def shard_of(tmp_path, table):
    ws = write_task(tmp_path)
    ws.open.mkdir()
    pq.write_table(table, ws.open / "part.parquet")
    (shard,) = corpus.shards(ws)
    return ws, shard


def read(tmp_path, table):
    _, shard = shard_of(tmp_path, table)
    (piece,) = corpus.slices(shard, (*TRAITS, *RULED))
    return piece.traits(np.arange(len(table)), (*TRAITS, *RULED)).to_pydict()


def test_laion_400m(tmp_path):
    found = read(tmp_path, LAION_400M)
    assert found["open_id"] == [made_of("2949003402523"), made_of("open/part.parquet 1"), made_of("7")]
    assert found["caption"] == ["A polar bear", None, "Fire-Engine"]
    assert found["nsfw"] == [0.0, 1.0, 0.5]
    assert found["licence"] == [None, "cc-by-2.0", None]
    assert found["source"] == LAION_400M["URL"].to_pylist()
    assert (found["width"], found["height"]) == ([300, 500, None], [400, 90, 300])
    assert found["similarity"] == pytest.approx([0.33, 0.31, 0.2])
    assert found["watermark"] == found["sha256"] == [None] * 3


def test_relaion(tmp_path):
    found = read(tmp_path, RELAION)
    assert found["open_id"] == [made_of("-5963462"), made_of(str(2**62))]
    assert found["nsfw"] == pytest.approx([0.2, 0.8])
    assert found["watermark"] == [pytest.approx(0.9), None]


def test_downloads_and_nested_images(tmp_path):
    found = read(tmp_path, DOWNLOADED)
    assert found["open_id"] == [made_of("000000017"), made_of("000000018")]
    assert (found["licence"], found["width"], found["source"]) == ([None, "CC0-1.0"], [640, 20], [None, None])
    ws, shard = shard_of(tmp_path / "again", DOWNLOADED)
    assert ImageReader(ws, [shard]).read(shard.name, np.array([0, 1])) == [b"bytes", None]
    nested = pa.table({"id": ["a"], "text": ["x"], "image": [{"bytes": b"inside", "path": "x.png"}]})
    ws, shard = shard_of(tmp_path / "nested", nested)
    assert ImageReader(ws, [shard]).read(shard.name, np.array([0])) == [b"inside"]


def test_ids_of_ours_stay(tmp_path):
    ours = pa.table({"open_id": ["o1", "o" + "a" * 19], "caption": ["a", "b"]})
    assert read(tmp_path, ours)["open_id"] == ["o1", "o" + "a" * 19]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"URL": ["x"], "hash": [1]},
            r"lacks caption; it has the columns URL, hash\. caption may be called caption, .*TEXT",
        ),
        (
            {"TEXT": ["x"]},
            r"lacks open_id; it has the columns TEXT\. open_id may be called open_id, SAMPLE_ID, .*hash, key",
        ),
        ({"x": [1]}, r"lacks open_id and caption; it has the columns x\. open_id may be .*; caption may be"),
    ],
)
def test_a_missing_column_is_named_with_what_is_there_and_what_is_accepted(tmp_path, table, message):
    with pytest.raises(TaskFolderError, match=message):
        shard_of(tmp_path, pa.table(table))


def test_a_caption_that_is_no_utf8_names_its_shard(tmp_path):
    ws = write_task(tmp_path)
    write_items(ws, [picture(0), picture(1), picture(2)])
    ws.open.mkdir()
    raw = pa.array([b"a polar bear \xff\xfe"], pa.binary())
    broken = pa.Array.from_buffers(pa.string(), 1, raw.buffers())
    pq.write_table(pa.table({"key": ["1"], "TEXT": broken}), ws.open / "part.parquet")
    with pytest.raises(TaskFolderError, match=r"open/part\.parquet holds a caption that is not UTF-8"):
        stage.retrieve(ws, params(retrieval={"counts_only": True}), Settings(device="cpu"))


@pytest.mark.parametrize(
    ("rules", "dropped"),
    [
        ({}, {"nsfw": 1}),
        ({"max_watermark": 0.8}, {"nsfw": 1, "watermark": 1}),
        ({"max_nsfw": 1.0, "min_similarity": 0.32}, {"similarity": 1}),
    ],
)
def test_the_stage_reads_relaion_in_place(tmp_path, monkeypatch, rules, dropped):
    ws, _ = shard_of(tmp_path, RELAION)
    write_items(ws, [picture(0), picture(1), picture(2)])
    monkeypatch.setattr(stage, "load_encoder", lambda *_: FakeEncoder(dim=4))
    summary = stage.retrieve(ws, params(retrieval=rules), Settings(device="cpu"))
    counts = schemas.read(ws.class_counts, schemas.CLASS_COUNTS)
    assert counts["freq"].to_pylist() == [1, 1, 0]
    no_image = 2 - sum(dropped.values())
    assert summary.dropped == {**dropped, **({"no_image": no_image} if no_image else {})}


def test_a_short_side_is_dropped_where_the_corpus_tells_it(tmp_path):
    from tailfirst.embedding.keys import Keys, words
    from tailfirst.retrieval.hygiene import Dropped, ruled, screen

    _, shard = shard_of(tmp_path, LAION_400M)
    rules, dropped = Retrieval(max_nsfw=1.0, min_side=350), Dropped()
    names = (*TRAITS, *ruled(rules))
    (piece,) = corpus.slices(shard, names)
    traits = piece.traits(np.arange(3), names)
    keep = screen(traits, rules, Keys.of(words([])), is_text=False, dropped=dropped)
    assert keep.tolist() == [False, False, False]
    assert dict(dropped.counts) == {"small": 3}
    less = Retrieval(max_nsfw=1.0, min_side=95)
    keep = screen(traits, less, Keys.of(words([])), is_text=False, dropped=dropped)
    assert keep.tolist() == [True, False, True]


def test_words_for_nsfw():
    assert [columns.nsfw_number(one) for one in ("UNLIKELY", " Unsure ", "NSFW", "0.25", "?")] == [
        0,
        0.5,
        1,
        0.25,
        None,
    ]
