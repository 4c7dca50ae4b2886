import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tailfirst.errors import TaskFolderError
from tailfirst.paths import Workspace
from tailfirst.retrieval import corpus, images
from tests.support.open_world import open_row, write_open, write_task


def world(tmp_path):
    ws = write_task(tmp_path)
    rows = [open_row(k, f"caption {k}", f"image {k}".encode()) for k in range(11)]
    rows[5] |= {"image": None, "path": "beside/5.png"}
    rows[6] |= {"image": None, "path": "beside/gone.png"}
    rows[7] |= {"image": None}
    (ws.data / "beside").mkdir()
    (ws.data / "beside" / "5.png").write_bytes(b"from a file")
    write_open(ws, rows, [open_row(20, "of another shard", b"other")])
    return ws


def test_shards_are_read_in_parts(tmp_path):
    first, second = corpus.shards(world(tmp_path))
    assert (first.name, first.rows, first.starts.tolist()) == ("open/part-0.parquet", 11, [0, 4, 8, 11])
    assert (second.name, second.rows) == ("open/part-1.parquet", 1)
    pieces = list(corpus.slices(first, corpus.TRAITS))
    assert [text for piece in pieces for text in piece.captions.to_pylist()] == [f"caption {k}" for k in range(11)]
    found = pieces[0].traits(np.array([0, 3, 4, 10]))
    assert found.column_names == list(corpus.TRAITS)
    assert found["caption"].to_pylist() == ["caption 0", "caption 3", "caption 4", "caption 10"]
    assert len(pieces[0].traits(np.empty(0, np.int64))) == 0


def test_images_come_from_the_column_or_from_a_file(tmp_path):
    ws = world(tmp_path)
    reader = images.ImageReader(ws, corpus.shards(ws))
    name = "open/part-0.parquet"
    assert reader.read(name, np.array([1, 4, 5, 6, 7, 10])) == [
        b"image 1",
        b"image 4",
        b"from a file",
        None,
        None,
        b"image 10",
    ]
    assert reader.read("open/part-1.parquet", np.array([0])) == [b"other"]
    assert reader.read(name, np.array([9])) == [b"image 9"]
    assert reader.read(name, np.array([0, 2])) == [b"image 0", b"image 2"]  # backwards works too


def test_going_forward_opens_a_shard_once(tmp_path, monkeypatch):
    ws = world(tmp_path)
    reader = images.ImageReader(ws, corpus.shards(ws))
    opened = []
    monkeypatch.setattr(
        images.ImageReader,
        "_open",
        lambda self, *a, _real=images.ImageReader._open: (opened.append(1), _real(self, *a)),
    )
    for row in range(11):
        reader.read("open/part-0.parquet", np.array([row]))
    assert len(opened) == 1


def test_optional_columns_may_be_missing(tmp_path):
    ws = Workspace(tmp_path)
    ws.open.mkdir(parents=True)
    pq.write_table(pa.table({"open_id": ["o1", "o2"], "caption": ["a", None]}), ws.open / "x.parquet")
    (shard,) = corpus.shards(ws)
    (piece,) = corpus.slices(shard, corpus.TRAITS)
    assert piece.captions.to_pylist() == ["a", ""]
    assert piece.traits(np.array([1])).to_pylist()[0]["nsfw"] is None
    assert images.ImageReader(ws, (shard,)).read(shard.name, np.array([0])) == [None]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_captions_of_any_text_type_are_read(tmp_path, kind):
    ws = Workspace(tmp_path)
    ws.open.mkdir(parents=True)
    table = pa.table({"open_id": ["o1", "o2"], "caption": pa.array(["a", "b"]).cast(kind)})
    pq.write_table(table, ws.open / "x.parquet")
    assert next(iter(corpus.slices(corpus.shards(ws)[0]))).captions.to_pylist() == ["a", "b"]


def test_what_cannot_be_read_is_named(tmp_path):
    ws = Workspace(tmp_path)
    assert corpus.shards(ws) == ()
    ws.open.mkdir(parents=True)
    path = ws.open / "x.parquet"
    path.write_bytes(b"nonsense")
    with pytest.raises(TaskFolderError, match=r"x\.parquet is not a readable parquet"):
        corpus.shards(ws)
    pq.write_table(pa.table({"open_id": ["o1"]}), path)
    with pytest.raises(TaskFolderError, match="lacks caption"):
        corpus.shards(ws)


def test_a_path_never_leads_out_of_the_task_folder(tmp_path):
    ws = write_task(tmp_path)
    write_open(ws, [open_row(0, "x") | {"path": "../../secret"}])
    with pytest.raises(TaskFolderError, match="stay below"):
        images.ImageReader(ws, corpus.shards(ws)).read("open/part-0.parquet", np.array([0]))
