"""The single checks of a task folder: each yields the problems it finds, whole columns at a time."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tailfirst import artifacts
from tailfirst.errors import TailfirstError
from tailfirst.items import ID_DIGITS, clean_text, inside, read_media
from tailfirst.paths import Workspace
from tailfirst.takedowns import Takedowns
from tailfirst.task import Task

_FIRST = 5
_ESCAPES = r"^$|^[/\\]|(^|[/\\])\.\.([/\\]|$)|^[A-Za-z]:"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a task folder."""

    where: str  # file, relative to the workspace
    what: str
    ids: tuple[str, ...] = ()  # the first items concerned


def rows(items: pa.Table, where: str) -> Iterator[Problem]:
    """Ids unique and derived from their hash, roles known, both roles there, something behind every item."""
    ids, sha, role = items["item_id"], items["sha256"], items["role"]
    for name in ("item_id", "sha256", "role"):
        if items[name].null_count:
            yield Problem(where, f"{items[name].null_count} row(s) have no {name}")
    counts = pc.value_counts(ids)
    doubled = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(doubled):
        yield Problem(where, f"{len(doubled)} item_id(s) occur more than once", _first(doubled))
    yield from _where(where, "sha256 is not 64 hex digits", ids, pc.invert(_matches(sha, "^[0-9a-f]{64}$")))
    own = pc.equal(ids, pc.utf8_slice_codeunits(sha, 0, ID_DIGITS))
    yield from _where(where, f"item_id is not the first {ID_DIGITS} digits of sha256", ids, pc.invert(own))
    known = pc.is_in(role, value_set=pa.array(["pool", "holdout"]))
    yield from _where(where, "role is neither pool nor holdout", ids, pc.invert(known))
    for one in ("pool", "holdout"):
        if not pc.any(pc.equal(role, one)).as_py():
            yield Problem(where, f"no item has the role {one}")
    nothing = pc.and_(
        pc.and_(pc.is_null(items["path"]), pc.is_null(items["shard"])),
        pc.and_(pc.is_null(items["text"]), pc.is_null(items["vector_row"])),
    )
    yield from _where(where, "neither path, shard, text nor vector_row is set", ids, nothing)


def taken_down(ws: Workspace, items: pa.Table, where: str) -> Iterator[Problem]:
    """No item is on the list of what was taken down."""
    listed = Takedowns.of(ws)
    hits = pa.array(listed.hits(items["item_id"].to_pylist(), items["sha256"].to_pylist()), pa.bool_())
    yield from _where(where, "taken down, and must not come back: `tailfirst take-down ID`", items["item_id"], hits)


def references(ws: Workspace, items: pa.Table, where: str) -> Iterator[Problem]:
    """Paths stay below data/ and exist; shards are long enough; vector rows exist."""
    ids = items["item_id"]
    for name in ("path", "shard"):
        yield from _where(where, f"{name} does not stay below data/", ids, _matches(items[name], _ESCAPES))
    yield from _missing_files(ws, items.filter(pc.is_valid(items["path"])), where)
    yield from _short_shards(ws, items.filter(pc.is_valid(items["shard"])), where)
    yield from _vectors(ws, items.filter(pc.is_valid(items["vector_row"])), where)


def content(ws: Workspace, items: pa.Table, where: str) -> Iterator[Problem]:
    """The media of some items still have the sha256 that is recorded."""
    for row in range(len(items)):
        one = items.slice(row, 1)
        item = str(one["item_id"][0])
        try:
            digest = _digest(ws, one)
        except (TailfirstError, OSError, ValueError, IndexError) as error:
            yield Problem(where, f"unreadable: {error}", (item,))
            continue
        if digest is not None and digest != one["sha256"][0].as_py():
            yield Problem(where, "its bytes are not those recorded as sha256", (item,))


def labels(table: pa.Table, now: pa.Table, items: pa.Table, task: Task, where: str, role: str) -> Iterator[Problem]:
    """Labels name items of the right role and, in `now`, classes of the task; holdout labels are complete.

    `now` is the table in the ontology of today, without labels whose class ended.
    """
    ids = table["item_id"]
    ours = items["item_id"].filter(pc.equal(items["role"], role))
    known = pc.is_in(ids, value_set=ours.combine_chunks())
    yield from _where(where, f"no such item with the role {role}", ids, pc.invert(known))
    classes = pc.is_in(now["class_id"], value_set=pa.array(task.class_ids))
    unknown = pc.unique(now["class_id"].filter(pc.invert(classes)))
    if len(unknown):
        yield Problem(where, f"class(es) not in task.yaml: {', '.join(map(str, _first(unknown)))}")
    if role == "holdout":
        if pc.count_distinct(ids).as_py() != len(ids):
            yield Problem(where, f"{len(ids) - pc.count_distinct(ids).as_py()} row(s) label an item again")
        bare = pc.invert(pc.is_in(ours, value_set=ids.combine_chunks()))
        yield from _where(where, "holdout item without a label", ours, bare)


def prototypes(ws: Workspace, task: Task, where: str) -> Iterator[Problem]:
    """Prototypes, where there are any, fit the classes and the vectors."""
    if not ws.prototypes.exists():
        return
    shape = _shape(ws.prototypes)
    if len(shape) != 2 or shape[0] != len(task.classes):
        yield Problem(where, f"shape {shape}, but the task has {len(task.classes)} classes")
    elif ws.vectors.exists() and _shape(ws.vectors)[1:] != shape[1:]:
        yield Problem(where, f"{shape[1]} dimensions, but data/vectors.npy has {_shape(ws.vectors)[1:]}")


def _where(where: str, what: str, ids: pa.ChunkedArray, mask: pa.ChunkedArray) -> Iterator[Problem]:
    found = ids.filter(pc.fill_null(mask, fill_value=False))
    if len(found):
        yield Problem(where, f"{len(found)} row(s): {what}", _first(found))


def _first(values: pa.ChunkedArray) -> tuple[str, ...]:
    return tuple(str(value) for value in values[:_FIRST].to_pylist())


def _matches(values: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    return pc.match_substring_regex(values, pattern)


def _missing_files(ws: Workspace, items: pa.Table, where: str) -> Iterator[Problem]:
    listed: dict[str, frozenset[str]] = {}  # one directory listing answers for all its files
    missing: list[str] = []
    for one, path in zip(items["item_id"].to_pylist(), items["path"].to_pylist(), strict=True):
        folder, _, name = path.rpartition("/")
        if folder not in listed:
            listed[folder] = _files(ws.data, folder)
        if name not in listed[folder]:
            missing.append(str(one))
    if missing:
        yield Problem(where, f"{len(missing)} row(s): the file is missing; try `dvc pull`", tuple(missing[:_FIRST]))


def _files(root: Path, folder: str) -> frozenset[str]:
    try:
        place = inside(root, folder) if folder else root
        with os.scandir(place) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())
    except (TailfirstError, OSError):
        return frozenset()


def _short_shards(ws: Workspace, items: pa.Table, where: str) -> Iterator[Problem]:
    bad = pc.or_(pc.less(pc.fill_null(items["offset"], -1), 0), pc.less(pc.fill_null(items["length"], 0), 1))
    yield from _where(where, "offset or length is missing or negative", items["item_id"], bad)
    for shard in pc.unique(items["shard"]).to_pylist():
        try:
            size = inside(ws.data, shard).stat().st_size
        except (TailfirstError, OSError):
            yield Problem(where, f"data/{shard} is missing or outside; try `dvc pull`")
            continue
        here = items.filter(pc.equal(items["shard"], shard))
        beyond = pc.greater(pc.add(here["offset"], here["length"]), size)
        yield from _where(where, f"data/{shard} ends before the item does", here["item_id"], beyond)


def _vectors(ws: Workspace, items: pa.Table, where: str) -> Iterator[Problem]:
    if not len(items):
        return
    if not ws.vectors.exists():
        yield Problem(where, "vector_row is set, but data/vectors.npy is missing")
        return
    n = _shape(ws.vectors)[0]
    out = pc.or_(pc.less(items["vector_row"], 0), pc.greater_equal(items["vector_row"], n))
    yield from _where(where, f"data/vectors.npy has {n} rows", items["item_id"], out)


def _shape(path: Path) -> tuple[int, ...]:
    return tuple(np.load(path, mmap_mode="r", allow_pickle=False).shape)


def _digest(ws: Workspace, one: pa.Table) -> str | None:
    if one["text"][0].as_py() is not None:
        text = one["text"][0].as_py()
        return artifacts.sha256_bytes(text.encode()) if text == clean_text(text) else "not NFC or not stripped"
    if one["path"][0].as_py() is not None or one["shard"][0].as_py() is not None:
        return artifacts.sha256_bytes(read_media(ws, one, "image", check=False)[0].data or b"")
    values = np.load(ws.vectors, mmap_mode="r", allow_pickle=False)[one["vector_row"][0].as_py()]
    return artifacts.sha256_bytes(np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes())
