"""Where pool and holdout lie: the bytes (files, shards, vectors) first, then every table that names the item."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tailfirst import artifacts
from tailfirst.items import inside
from tailfirst.labeling.fold import fold
from tailfirst.paths import Workspace
from tailfirst.takedown import rows
from tailfirst.takedown.targets import Targets

BLOCK = 1 << 20


def count_bytes(ws: Workspace, targets: Targets) -> int:
    """Images and vectors of items that are still there: files, parts of shards, rows of data/vectors.npy."""
    files = {path for path in _files(ws, targets) if path.exists()}
    shards = sum(_is_there(inside(ws.data, shard), offset, length) for shard, offset, length in _parts(targets))
    return len(files) + shards + len(_vector_rows(ws, targets))


def drop_bytes(ws: Workspace, targets: Targets) -> None:
    """Remove image files; overwrite parts of shards and rows of vectors.npy by zeros, so that all others stay in place.

    Never in place: a file may be a hard link to the DVC cache or to the owner's own copy.
    """
    for path in _files(ws, targets):
        path.unlink(missing_ok=True)
    by_shard: dict[str, list[tuple[int, int]]] = {}
    for shard, offset, length in _parts(targets):
        if _is_there(inside(ws.data, shard), offset, length):
            by_shard.setdefault(shard, []).append((offset, length))
    for shard, parts in by_shard.items():
        _zero(inside(ws.data, shard), parts)
    vectors = _vector_rows(ws, targets)
    if vectors:
        with artifacts.atomic_file(ws.vectors) as temporary:
            shutil.copyfile(ws.vectors, temporary)
            matrix = np.load(temporary, mmap_mode="r+", allow_pickle=False)
            matrix[vectors] = 0
            matrix.flush()


def count_rows(ws: Workspace, targets: Targets) -> int:
    """Rows of items.parquet."""
    return rows.count(ws.items, {"item_id": targets.item_ids, "sha256": targets.shas})


def drop_rows(ws: Workspace, targets: Targets) -> None:
    """Items leave items.parquet; call it after their bytes and labels are gone, for it knows where those are."""
    rows.drop(ws.items, {"item_id": targets.item_ids, "sha256": targets.shas})


def count_labels(ws: Workspace, targets: Targets) -> int:
    """Rows of labels, seed labels, holdout labels and known answers."""
    return sum(rows.count(path, {"item_id": targets.item_ids}) for path in _label_tables(ws))


def drop_labels(ws: Workspace, targets: Targets) -> None:
    """Labels leave the tables; the fold of the sealed rounds leaves them out from now on."""
    for path in _label_tables(ws):
        if path != ws.labels:
            rows.drop(path, {"item_id": targets.item_ids})
    if rows.count(ws.labels, {"item_id": targets.item_ids}):
        fold(ws)


def _label_tables(ws: Workspace) -> tuple[Path, ...]:
    gold = (ws.gold,) if ws.gold.exists() else ()
    return ws.seed_labels, ws.holdout, ws.oracle, *gold, ws.labels


def _files(ws: Workspace, targets: Targets) -> Iterator[Path]:
    """Files that items name, and files of our own that carry an item's id as their name."""
    for path in targets.items["path"].drop_null().to_pylist():
        yield inside(ws.data, path)
    for one in sorted(targets.item_ids):
        if one.isalnum():
            yield from (ws.data / "images" / one[:2]).glob(f"{one}.*")


def _parts(targets: Targets) -> Iterator[tuple[str, int, int]]:
    for row in targets.items.select(["shard", "offset", "length"]).to_pylist():
        if row["shard"] is not None and row["offset"] is not None and row["length"] is not None:
            yield row["shard"], row["offset"], row["length"]


def _is_there(path: Path, offset: int, length: int) -> bool:
    """Whether anything but zeros stands there."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        file.seek(offset)
        return any(file.read(length))


def _zero(path: Path, parts: list[tuple[int, int]]) -> None:
    with artifacts.atomic_file(path) as temporary:
        shutil.copyfile(path, temporary)
        with temporary.open("r+b") as file:
            for offset, length in parts:
                file.seek(offset)
                for start in range(0, length, BLOCK):
                    file.write(bytes(min(BLOCK, length - start)))
            os.fsync(file.fileno())


def _vector_rows(ws: Workspace, targets: Targets) -> list[int]:
    """Rows of data/vectors.npy that belong to items that go and are not zero yet."""
    wanted = targets.items["vector_row"].drop_null().to_pylist()
    if not wanted or not ws.vectors.exists():
        return []
    matrix = np.load(ws.vectors, mmap_mode="r", allow_pickle=False)
    return [row for row in wanted if 0 <= row < len(matrix) and matrix[row].any()]
