"""A task folder's checks: every kind of damage is named, and nothing is raised."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tailfirst import artifacts, schemas
from tailfirst.errors import TaskFolderError
from tailfirst.intake import InitRequest, ensure_valid, finish_task, init, validate_task
from tailfirst.paths import Workspace


@pytest.fixture
def ws(tmp_path: Path, class_folders: Callable[..., Path]) -> Workspace:
    request = InitRequest(images=class_folders("pool"), labels_from_folders=True, holdout_share=0.25)
    init(tmp_path / "ws", request, lambda _ws: None)
    return Workspace(tmp_path / "ws")


def change(path: Path, column: str, value: object, row: int = 0) -> None:
    table = artifacts.pq.read_table(path)
    values = table[column].to_pylist()
    values[row] = value
    place = table.column_names.index(column)
    artifacts.write_parquet(path, table.set_column(place, column, pa.array(values, table.schema.field(column).type)))


def said(ws: Workspace) -> str:
    return "\n".join(f"{p.where}: {p.what}" for p in validate_task(ws))


def test_sound_folder(ws: Workspace):
    assert validate_task(ws) == []
    ensure_valid(ws)


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("role", "test", "neither pool nor holdout"),
        ("sha256", "abc", "not 64 hex digits"),
        ("item_id", "0" * 20, "not the first 20 digits"),
        ("path", "../x.png", "does not stay below data/"),
        ("path", "/x.png", "does not stay below data/"),
        ("path", "images/none.png", "the file is missing"),
        ("path", None, "neither path, shard, text nor vector_row"),
        ("vector_row", 3, "vectors.npy is missing"),
        ("text", "e\u0301", "not those recorded"),
    ],
)
def test_damaged_items(ws: Workspace, column: str, value: object, why: str):
    change(ws.items, column, value)
    assert why in said(ws)


def test_doubled_ids(ws: Workspace):
    table = schemas.read(ws.items, schemas.ITEMS)
    artifacts.write_parquet(ws.items, pa.concat_tables([table, table.slice(2, 1)]))
    problems = [p for p in validate_task(ws) if "more than once" in p.what]
    assert problems[0].ids == (table["item_id"][2].as_py(),)


def test_changed_bytes(ws: Workspace, make_picture: Callable[..., bytes]):
    next(ws.data.rglob("*.png")).write_bytes(make_picture(77))
    assert "its bytes are not those recorded" in said(ws)


def test_shards(ws: Workspace):
    change(ws.items, "path", None)
    change(ws.items, "shard", "task.yaml")
    assert "offset or length is missing" in said(ws)
    change(ws.items, "offset", 10_000)
    change(ws.items, "length", 5)
    assert "data/task.yaml ends before the item does" in said(ws)
    change(ws.items, "shard", "gone.tar")
    assert "data/gone.tar is missing" in said(ws)


def test_vectors_and_prototypes(ws: Workspace):
    change(ws.items, "vector_row", 9)
    artifacts.write_array(ws.vectors, np.ones((3, 4), np.float32))
    artifacts.write_array(ws.prototypes, np.ones((2, 5), np.float32))
    assert "data/vectors.npy has 3 rows" in said(ws)
    assert "5 dimensions" in said(ws)
    artifacts.write_array(ws.prototypes, np.ones((7, 4), np.float32))
    assert "but the task has 2 classes" in said(ws)
    ws.vectors.write_bytes(b"broken")
    assert "data/items.parquet: " in said(ws)


def test_labels(ws: Workspace):
    change(ws.holdout, "class_id", "zebra")
    change(ws.oracle, "item_id", schemas.read(ws.holdout, schemas.LABELED)["item_id"][0].as_py())
    text = said(ws)
    assert "data/holdout.parquet: class(es) not in task.yaml: zebra" in text
    assert "data/oracle.parquet: 1 row(s): no such item with the role pool" in text


def test_incomplete_and_doubled_holdout(ws: Workspace):
    table = schemas.read(ws.holdout, schemas.LABELED)
    artifacts.write_parquet(ws.holdout, pa.concat_tables([table.slice(1), table.slice(1)]))
    assert "1 row(s): holdout item without a label" in said(ws)
    assert "label an item again" in said(ws)


@pytest.mark.parametrize("name", ["task", "items", "holdout", "oracle", "seed_labels", "labels"])
@pytest.mark.parametrize("content", [None, b"", b"junk"])
def test_missing_and_broken_files_are_problems_not_errors(ws: Workspace, name: str, content: bytes | None):
    path: Path = getattr(ws, name)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert f"data/{path.name}" in said(ws)
    with pytest.raises(TaskFolderError, match="not a sound task folder"):
        ensure_valid(ws)


def test_wrong_column_types_are_problems(ws: Workspace):
    table = artifacts.pq.read_table(ws.items)
    broken = table.set_column(5, "offset", pc.fill_null(table["offset"].cast(pa.string()), "word"))
    artifacts.write_parquet(ws.items, broken)
    assert "data/items.parquet" in said(ws)
    change(ws.oracle, "class_id", None)
    assert "data/oracle.parquet" in said(ws)


def test_no_folder_at_all(tmp_path: Path):
    assert len(validate_task(Workspace(tmp_path))) == 6


def test_finish_task_adds_only_what_is_absent(ws: Workspace):
    before = artifacts.sha256_tree(ws.data)
    finish_task(ws)
    assert artifacts.sha256_tree(ws.data) == before
    for path in (ws.labels, ws.seed_labels, ws.open / "README.md", ws.rounds / "README.md"):
        path.unlink()
    finish_task(ws)
    assert artifacts.sha256_tree(ws.data) == before
