"""Ranking by text, image and labels, thresholds, near-duplicates within a class, and counting without an encoder."""

import numpy as np
import pyarrow as pa
import pytest

from tailfirst import artifacts, pipeline, schemas
from tailfirst.__main__ import run_stage
from tailfirst.config import Settings
from tailfirst.errors import TaskFolderError
from tailfirst.retrieval import run as stage
from tailfirst.retrieval.rank import anchors
from tests.support import tiny_workspace
from tests.support.fake_encoder import FakeEncoder
from tests.support.open_world import open_row, params, write_items, write_open, write_task
from tests.support.pictures import picture

CPU = Settings(device="cpu")
ITEMS = [picture(k) for k in range(6)]  # 2 and 5 are holdout
# (caption, t2t, image vector); the class prototype is the first axis for bears, the second for trucks
BEARS = (
    ("a polar bear, one", [1, 0, 0, 0], [0.2, 0, 1, 0]),
    ("a polar bear, two", [0.8, 0, 0, 0.6], [0.9, 0, 0.1, 0]),
    ("a polar bear, three", [0.6, 0, 0, 0.8], [0.5, 0, 0.6, 0.1]),
    ("a polar bear, four", [0.1, 0, 0, 1], [0.91, 0, 0.1, 0]),
)
TRUCKS = (("fire truck, one", [0, 1, 0, 0], [0, 0.3, 0, 1]), ("fire truck, two", [0, 0.9, 0.1, 0], [0, 0.8, 0, 0.1]))


@pytest.fixture
def world(tmp_path, monkeypatch):
    ws = write_task(tmp_path)
    shas = write_items(ws, ITEMS)
    rows = [open_row(k, caption, picture(100 + k)) for k, (caption, _, _) in enumerate((*BEARS, *TRUCKS))]
    write_open(ws, rows)
    texts = {caption: text for caption, text, _ in (*BEARS, *TRUCKS)}
    texts |= {name: [1, 0, 0, 0] for name in ("polar bear", "ice bear", "bear")}
    texts |= {name: [0, 1, 0, 0] for name in ("fire truck", "fire engine")} | {"bluefin tuna": [0, 0, 0, -1]}
    items = {picture(100 + k): image for k, (_, _, image) in enumerate((*BEARS, *TRUCKS))}
    items |= {data: [-1, -0.1 * k, -1, 0] for k, data in enumerate(ITEMS)}
    items |= {ITEMS[0]: [0, 0, 1, -2], ITEMS[1]: [0, 0, 1, 2]}  # their mean lies on the third axis
    encoder = FakeEncoder(dim=4, known_texts=texts, known_items=items)
    monkeypatch.setattr(stage, "load_encoder", lambda *_: encoder)
    return ws, shas


def label(ws, *rows):
    table = [dict(zip(("item_id", "class_id", "round_no", "purpose"), row, strict=True)) for row in rows]
    artifacts.write_parquet(ws.labels, pa.Table.from_pylist(table, schema=schemas.LABELS))


def ranked(ws, class_id="bear", **rules):
    summary = stage.retrieve(ws, params(retrieval={"near_tie": 0, **rules}), CPU)
    rows = schemas.read(ws.retrieved, schemas.RETRIEVED).to_pylist()
    return [row["caption"].split(", ")[1] for row in rows if row["class_id"] == class_id], summary


def test_by_text_by_image_and_by_labels(world):
    ws, shas = world
    ids = [sha[:20] for sha in shas]
    label(ws, (ids[0], "bear", 0, "SEED"), (ids[1], "bear", 1, "TRAIN"), (ids[3], "truck", 1, "AUDIT"))
    assert ranked(ws, rank="t2t")[0] == ["one", "two", "three", "four"]
    assert ranked(ws, rank="t2i")[0] == ["four", "two", "three", "one"]
    freq = schemas.read(ws.class_counts, schemas.CLASS_COUNTS)["freq"]
    bears, summary = ranked(ws, rank="i2i")
    assert schemas.read(ws.class_counts, schemas.CLASS_COUNTS)["freq"].equals(freq)
    assert bears == ["one", "three", "two", "four"]
    assert summary.unlabeled_classes == ("truck", "tuna"), "an audit label steers nothing"
    assert ranked(ws, "truck", rank="i2i")[0] == ranked(ws, "truck", rank="t2i")[0] == ["two", "one"]


def test_anchors_are_mean_directions_or_prototypes():
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    prototypes = np.array([[0, 1], [0.8, 0.6], [1, 0]], np.float32)
    found = anchors(vectors, np.array([0, 0, 2]), prototypes)
    np.testing.assert_allclose(found, [[np.sqrt(0.5), np.sqrt(0.5)], [0.8, 0.6], [0.6, 0.8]], atol=1e-6)


def test_a_holdout_label_is_refused(world):
    ws, shas = world
    label(ws, (shas[2][:20], "bear", 1, "TRAIN"))
    with pytest.raises(TaskFolderError, match="holdout item"):
        ranked(ws, rank="i2i")


@pytest.mark.parametrize(
    ("rules", "expected", "dropped"),
    [
        ({"min_t2t": 0.5}, ["one", "two", "three"], {"min_t2t": 1}),
        ({"min_t2t": 0.9}, ["one"], {"min_t2t": 3}),
        ({"min_t2i": 0.5, "min_t2t": -1}, ["two", "three", "four"], {"min_t2i": 2}),  # and a truck
        ({"within_class_similarity": 0.99}, ["one", "two", "three"], {"similar": 1}),
        ({"within_class_similarity": 0.99, "rank": "t2i"}, ["four", "three", "one"], {"similar": 1}),
        ({"within_class_similarity": 0.99, "rank": "t2i", "cap": 2}, ["four", "three"], {"similar": 1, "cap": 1}),
        ({"within_class_similarity": 1.0}, ["one", "two", "three", "four"], {}),
    ],
)
def test_thresholds(world, rules, expected, dropped):
    ws, _ = world
    bears, summary = ranked(ws, **rules)
    assert bears == expected
    assert summary.dropped == dropped
    assert summary.matched == summary.retrieved + sum(summary.dropped.values())


def test_rows_alike_in_two_classes_both_stay(world, monkeypatch):
    """Only rows of one class are compared."""
    ws, _ = world
    same = FakeEncoder(dim=4, known_items={picture(100 + k): [1, 1, 1, 1] for k in range(6)})
    monkeypatch.setattr(stage, "load_encoder", lambda *_: same)
    bears, summary = ranked(ws, within_class_similarity=0.9)
    assert (len(bears), len(ranked(ws, "truck", within_class_similarity=0.9)[0])) == (1, 1)
    assert summary.dropped == {"similar": 4}


def test_labels_are_a_dependency_only_where_the_ranking_reads_them(tmp_path):
    def deps(root, **retrieval):
        ws = tiny_workspace.make(root, retrieval=retrieval)
        return ws, pipeline.dvc_yaml(ws).split("embed:")[0]

    assert "data/labels.parquet" not in deps(tmp_path / "t2t")[1]
    ws, made = deps(tmp_path / "i2i", rank="i2i")
    assert "data/labels.parquet" in made
    assert made.count("data/labels.parquet") == 1
    for row in pipeline.STAGES:
        assert {asked.section for asked in row.asked} <= set(row.params), "a change of the key makes the stage stale"
        assert all((ws.root / asked.path).exists() for asked in row.asked)
    assert pipeline.write_dvc_yaml(ws)
    assert not pipeline.write_dvc_yaml(ws)


# ---- counting only ------------------------------------------------------------------------------------------------


def test_counting_needs_no_encoder_no_image_and_no_other_column(world, monkeypatch):
    ws, _ = world
    full = ranked(ws)[1]
    before = [path.read_bytes() for path in (ws.class_counts, ws.synonym_counts)]
    freq = schemas.read(ws.class_counts, schemas.CLASS_COUNTS)["freq"].to_pylist()
    monkeypatch.setattr(stage, "load_encoder", lambda *_: pytest.fail("the encoder was loaded"))
    write_open(ws, [{**row, "image": None, "sha256": None} for row in _rows(ws)])
    bears, summary = ranked(ws, counts_only=True)
    assert bears == []
    assert summary.why == "retrieval.counts_only is true: captions were counted, nothing was retrieved"
    assert (summary.captions, summary.matched, summary.retrieved, summary.encoder) == (6, full.matched, 0, None)
    assert schemas.read(ws.class_counts, schemas.CLASS_COUNTS)["freq"].to_pylist() == freq == [4, 2, 0]
    assert ws.synonym_counts.read_bytes() == before[1]


def _rows(ws):
    return schemas.read(ws.open / "part-0.parquet", schemas.OPEN).to_pylist()


def test_the_stages_behind_it_work_on_counts_alone(tmp_path):
    ws = tiny_workspace.make(tmp_path, retrieval={"enabled": True, "counts_only": True})
    captions = ["an oak"] * 9 + ["a big elm"] * 4 + ["Ash!", "a yew"] + ["a scar"] * 3
    write_open(ws, [open_row(k, caption) for k, caption in enumerate(captions)])
    for identity in pipeline.stage_ids(("zero_shot", "linear_probe")):
        name, _, candidate = identity.partition("@")
        run_stage(ws, name, candidate or None)
    assert schemas.read(ws.class_counts, schemas.CLASS_COUNTS)["freq"].to_pylist() == [9, 4, 1, 1]
    assert "matching captions of the open corpus" in ws.metrics("zero_shot").read_text()
    assert len(schemas.read(ws.batch, schemas.BATCH)) == 8
    assert any(ws.report.iterdir())
