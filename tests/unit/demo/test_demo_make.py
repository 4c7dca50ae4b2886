"""Writing the demo's data folder: whole or absent, the same bytes, offsets that point at pictures."""

import hashlib
import json
import tarfile

import pyarrow.parquet as pq
import pytest
import yaml

from tailfirst import schemas
from tailfirst.artifacts import sha256_tree
from tailfirst.demo import make
from tailfirst.demo.classes import CLASSES
from tailfirst.demo.corpus import Size
from tailfirst.demo.pixels import item_pixels, open_corpus, without_copies
from tailfirst.errors import TaskFolderError
from tailfirst.paths import Workspace

TINY = Size(12, 3.0, 3, 2, 5, 2, 12, 16, 60, 4.0, 4, 2, 3)


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo")
    made = make.make_demo(root, size=TINY)
    assert made.written
    return Workspace(root)


def test_two_runs_with_other_worker_counts_are_equal(ws, tmp_path):
    make.make_demo(tmp_path, size=TINY, workers=2)
    assert sha256_tree(tmp_path / "data") == sha256_tree(ws.data)


def test_the_second_run_does_nothing(ws):
    before = sha256_tree(ws.data)
    assert not make.make_demo(ws.root, size=TINY).written
    assert sha256_tree(ws.data) == before


def test_labels_and_rounds_of_a_campaign_do_not_disturb(ws, tmp_path):
    make.make_demo(tmp_path, size=TINY)
    other = Workspace(tmp_path)
    other.sealed(1).mkdir(parents=True)
    other.labels.write_bytes(b"more labels")
    assert not make.make_demo(tmp_path, size=TINY).written


def test_something_else_is_never_overwritten(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.txt").write_text("mine")
    with pytest.raises(TaskFolderError, match="not the demo"):
        make.make_demo(tmp_path, size=TINY)
    assert (tmp_path / "data" / "mine.txt").read_text() == "mine"


def test_a_damaged_file_is_named(tmp_path):
    make.make_demo(tmp_path, size=TINY)
    Workspace(tmp_path).oracle.write_bytes(b"")
    with pytest.raises(TaskFolderError, match=r"oracle\.parquet"):
        make.make_demo(tmp_path, size=TINY)


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(make, "_write_task", lambda folder: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make.make_demo(tmp_path, size=TINY)
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_it_did(ws, capsys, tmp_path):
    (tmp_path / "data").mkdir()
    assert make.main(["--root", str(tmp_path)]) == 2
    assert "not the demo" in capsys.readouterr().err.replace("\n", " ")


def test_tables_have_their_schemas(ws):
    items = schemas.read(ws.items, schemas.ITEMS)
    assert items["item_id"].to_pylist() == sorted(items["item_id"].to_pylist())
    assert set(items["role"].to_pylist()) == {"pool", "holdout"}
    by_role = {role: {r["item_id"] for r in items.to_pylist() if r["role"] == role} for role in ("pool", "holdout")}
    for path, role in ((ws.oracle, "pool"), (ws.holdout, "holdout")):
        labels = schemas.read(path, schemas.LABELED)
        assert set(labels["item_id"].to_pylist()) == by_role[role]
        assert set(labels["class_id"].to_pylist()) <= {c.id for c in CLASSES}
    for path in (ws.seed_labels, ws.labels):
        assert schemas.read(path, schemas.LABELS).num_rows == 0


def test_offsets_give_the_right_bytes(ws):
    for row in schemas.read(ws.items, schemas.ITEMS).to_pylist():
        with (ws.data / row["shard"]).open("rb") as shard:
            shard.seek(row["offset"])
            payload = shard.read(row["length"])
        assert hashlib.sha256(payload).hexdigest() == row["sha256"]
        assert row["item_id"] == row["sha256"][:20]
        assert payload[:4] == b"\x89PNG"


def test_shards_are_plain_tars_without_time_or_user(ws):
    with tarfile.open(ws.data / "shards" / "pool-000.tar") as shard:
        members = shard.getmembers()
    assert len(members) == TINY.pool
    assert {(m.mtime, m.uid, m.gid, m.uname) for m in members} == {(0, 0, 0, "")}


def test_open_rows_are_named_by_caption_and_bytes(ws):
    table = pq.read_table(ws.open / "part-000.parquet")
    assert table.schema.equals(schemas.OPEN)
    for row in table.to_pylist():
        digest = hashlib.sha256(row["caption"].encode() + b"\0" + row["image"]).hexdigest()
        assert row["open_id"] == "o" + digest[:19]
        assert row["sha256"] == hashlib.sha256(row["image"]).hexdigest()
        assert row["path"] is None
        assert row["url"] is None
        assert 0 <= row["nsfw"] < 1


def test_exact_copies_share_their_bytes_with_items(ws):
    shas = set(schemas.read(ws.items, schemas.ITEMS)["sha256"].to_pylist())
    twins = [sha for sha in pq.read_table(ws.open / "part-000.parquet")["sha256"].to_pylist() if sha in shas]
    assert len(twins) == TINY.copies // 2


def test_copies_are_found_by_their_thumbnails(ws):
    corpus = open_corpus(ws)
    rest = without_copies(corpus, item_pixels(ws).pixels)
    assert len(corpus.captions) - len(rest.captions) == TINY.copies


def test_task_and_manifest(ws):
    task = yaml.safe_load(ws.task.read_text())
    assert task["modality"] == "image"
    manifest = json.loads((ws.data / "demo.json").read_text())
    assert "labels.parquet" not in manifest["files"]
    assert manifest["items"] == schemas.read(ws.items, schemas.ITEMS).num_rows
