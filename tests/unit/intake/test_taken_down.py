"""What another workspace took down is not taken again."""

from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tailfirst import artifacts, schemas
from tailfirst.errors import TaskFolderError
from tailfirst.intake import InitRequest, init
from tailfirst.items import load_items
from tailfirst.paths import Workspace
from tailfirst.takedowns import Takedowns, as_table, url_key

AT = datetime(2026, 1, 1, tzinfo=UTC)


def listed(tmp_path, *rows):
    path = tmp_path / "takedowns.parquet"
    artifacts.write_parquet(path, as_table([{"reason": "asked", "at": AT, "found": "", **row} for row in rows]))
    return path


def nothing(_ws):
    """No git, no DVC."""


def test_items_and_open_rows_on_the_list_stay_out_and_the_list_comes_along(tmp_path, class_folders, make_picture):
    request = InitRequest(images=class_folders("photos"), labels_from_folders=True, holdout_share=0.3)
    rows = {
        "caption": ["an owl", "an owl of ours", "an owl by its address", "an owl by its id", "a fox"],
        "image": [None, make_picture(0), None, None, None],
        "url": [None, None, "http://images.example/1", None, None],
        "open_id": [f"o{n:019x}" for n in range(5)],
    }
    pq.write_table(pa.table(rows), tmp_path / "open.parquet")
    sha = artifacts.sha256_bytes(make_picture(0))
    path = listed(
        tmp_path,
        {"id": sha[:20], "sha256": sha},
        {"id": "x", "url_sha256": url_key("http://images.example/1")},
        {"id": f"o{3:019x}"},
    )
    report = init(tmp_path / "ws", replace(request, takedowns=path, open=(tmp_path / "open.parquet",)), nothing)
    ws = Workspace(tmp_path / "ws")
    assert sha not in load_items(ws).table["sha256"].to_pylist()
    assert len(load_items(ws)) == 7
    assert "taken down" in report.rejected["reason"][0].as_py()
    assert any("1 row(s) were left out because they were taken down" in note for note in report.notes)
    assert any("3 rows that were taken down" in note for note in report.notes)
    (shard,) = ws.open.glob("*.parquet")
    assert schemas.read(shard, schemas.OPEN)["caption"].to_pylist() == ["an owl", "a fox"]
    assert Takedowns.of(ws).shas == {sha}


def test_a_list_that_is_none_is_refused_before_anything_is_made(tmp_path, class_folders):
    request = InitRequest(images=class_folders("photos"), labels_from_folders=True, holdout_share=0.3)
    with pytest.raises(TaskFolderError, match=r"no\.parquet does not exist"):
        init(tmp_path / "ws", replace(request, takedowns=tmp_path / "no.parquet"), nothing)
    assert not (tmp_path / "ws").exists()
