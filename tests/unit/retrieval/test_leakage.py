"""ALOR acceptance check (3): nothing that measures, or may be bought to measure, comes back as open data."""

import numpy as np
import pyarrow as pa
import pytest

from tailfirst import artifacts, schemas
from tailfirst.config import Settings
from tailfirst.contracts import Media
from tailfirst.retrieval import run as stage
from tests.support.fake_encoder import FakeEncoder
from tests.support.open_world import open_row, params, write_items, write_open, write_task
from tests.support.pictures import picture

ITEMS = [picture(k) for k in range(9)]  # every third one is holdout
AUDIT, TRAIN = (0, 3), (1, 4)  # pool items with a label
OTHER_SIZE = [picture(k, 41) for k in range(9)]  # other bytes; the encoder sees nearly the same


def vector(k, turn=0.0):
    """Unit vectors of items, two of which are never near each other; `turn` moves one a little."""
    found = np.zeros(10)
    found[k], found[9] = np.cos(turn), np.sin(turn)
    return found


@pytest.fixture
def world(tmp_path, monkeypatch):
    ws = write_task(tmp_path)
    shas = write_items(ws, ITEMS)
    labels = [
        {"item_id": shas[k][:20], "class_id": "bear", "round_no": 1, "purpose": purpose}
        for purpose, rows in (("AUDIT", AUDIT), ("TRAIN", TRAIN))
        for k in rows
    ]
    artifacts.write_parquet(ws.labels, pa.Table.from_pylist(labels, schema=schemas.LABELS))
    same = [open_row(k, f"a bear {k}", data) for k, data in enumerate(ITEMS)]
    bare = [open_row(20 + k, f"a bear {k}", data, sha256=None) for k, data in enumerate(ITEMS)]  # no recorded sha256
    near = [open_row(40 + k, f"a bear {k}", data) for k, data in enumerate(OTHER_SIZE)]
    fine = [open_row(60, "a bear, fine", picture(100)), open_row(61, "fire truck, fine", picture(101))]
    write_open(ws, same + bare, near + fine)
    known = {data: vector(k) for k, data in enumerate(ITEMS)}
    known |= {data: vector(k, 0.2) for k, data in enumerate(OTHER_SIZE)}
    known |= {picture(100): [0.4] * 9 + [-1], picture(101): [-0.4] * 9 + [-1]}
    encoder = FakeEncoder(dim=10, known_items=known)
    monkeypatch.setattr(stage, "load_encoder", lambda *_: encoder)
    return ws, encoder


@pytest.mark.parametrize("rank", ["t2t", "t2i", "i2i", "random"])
def test_no_copy_of_pool_holdout_or_audit_item_is_retrieved(world, rank):
    ws, encoder = world
    summary = stage.retrieve(ws, params(retrieval={"rank": rank, "near_tie": 0}), Settings(device="cpu"))
    retrieved = schemas.read(ws.retrieved, schemas.RETRIEVED).to_pylist()
    assert {row["caption"] for row in retrieved} == {"a bear, fine", "fire truck, fine"}
    assert summary.dropped == {"item": 18, "near_duplicate": 9}, "by the bytes, recorded or not; by the vector"
    items = encoder.items([Media("x", data=data) for data in ITEMS])
    images = {picture(100), picture(101)}
    own = encoder.items([Media("x", data=data) for data in images])
    assert (own @ items.T).max() < 0.95


@pytest.mark.parametrize("limit", [0.99, 1.0])
def test_where_near_is_nearer_only_the_copies_go(world, limit):
    """cos 0.2 = 0.980: above 0.95, below 0.99. At 1 no vector is too near, and the bytes still tell."""
    ws, _ = world
    summary = stage.retrieve(ws, params(retrieval={"max_similarity": limit, "near_tie": 0}), Settings(device="cpu"))
    assert summary.dropped == {"item": 18}
    assert summary.retrieved == 11


def test_in_a_text_task_too(tmp_path, monkeypatch):
    ws = write_task(tmp_path, "text")
    write_items(ws, ["a bear is here", "b", "the bear of the holdout", "c", "d", "e"])
    captions = ["a bear is here ", "A bear is here!", "the bear of the holdout", "The bear of the holdout"]
    captions.append("bear, other")
    write_open(ws, [open_row(k, caption) for k, caption in enumerate(captions)])
    known = {"a bear is here": vector(0), "A bear is here!": vector(0, 0.1), "bear, other": vector(5)}
    known |= {"the bear of the holdout": vector(1), "The bear of the holdout": vector(1, 0.1)}
    encoder = FakeEncoder(reads="text", dim=10, known_texts=known)
    monkeypatch.setattr(stage, "load_encoder", lambda *_: encoder)
    summary = stage.retrieve(ws, params(), Settings(device="cpu"))
    retrieved = schemas.read(ws.retrieved, schemas.RETRIEVED).to_pylist()
    assert [row["caption"] for row in retrieved] == ["bear, other"]
    assert summary.dropped == {"item": 2, "near_duplicate": 2}
