"""Which labels may train, and class ids as rows: one place, so that no audit or holdout label slips into training."""

from collections.abc import Collection, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tailfirst import schemas
from tailfirst.contracts import Floats, Ids, Ints
from tailfirst.errors import TaskFolderError
from tailfirst.paths import Workspace

TRAINS = ("TRAIN", "SEED")
KNOWN = (*TRAINS, "AUDIT")


def read_labels(ws: Workspace) -> pa.Table:
    """The fold of seed labels and sealed rounds.

    Raises:
        TaskFolderError: data/labels.parquet is missing or unreadable.
    """
    return schemas.read(ws.labels, schemas.LABELS)


def training_labels(labels: pa.Table, holdout_ids: Ids) -> pa.Table:
    """The rows of the label table that may train (purposes TRAIN and SEED), sorted by item id.

    Raises:
        TaskFolderError: An unknown purpose, a doubled label, or a leak: an audit or holdout item among them.
    """
    purposes = labels["purpose"].combine_chunks()
    if unknown := sorted(set(map(str, pc.unique(purposes).to_pylist())) - set(KNOWN)):
        raise TaskFolderError(f"labels: purpose(s) {', '.join(unknown)}; known: {', '.join(KNOWN)}")
    trains = pc.is_in(purposes, value_set=pa.array(TRAINS, pa.string()))
    chosen, audits = labels.filter(trains).sort_by("item_id"), labels.filter(pc.invert(trains))
    ids = chosen["item_id"].combine_chunks()
    _refuse(
        ids, audits["item_id"].combine_chunks(), "audit item(s) also have a label that trains; audit items only measure"
    )
    _refuse(ids, pa.array(holdout_ids.tolist(), pa.string()), "holdout item(s) have a label that trains")
    if len(pc.unique(ids)) != len(ids):
        counts = pc.value_counts(ids)
        doubled = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").to_pylist()
        raise TaskFolderError(f"labels: {len(doubled)} item(s) with more than one label that trains: {some(doubled)}")
    return chosen


def known_rows(table: pa.Table, item_ids: Ids) -> tuple[pa.Table, Ints]:
    """The rows of a table whose item is among `item_ids`, and where; items that were taken down fall away."""
    ids = table["item_id"].combine_chunks()
    found = pc.index_in(ids, value_set=pa.array(item_ids.tolist(), pa.string()))
    kept = table.filter(pc.is_valid(found))
    return kept, pc.drop_null(found).to_numpy(zero_copy_only=False).astype(np.int64)


def class_rows(names: Iterable[str], class_ids: tuple[str, ...], where: str) -> Ints:
    """Index of each class id.

    Raises:
        TaskFolderError: A class id that the task does not have.
    """
    index = {c: row for row, c in enumerate(class_ids)}
    names = list(names)
    if strangers := sorted({str(n) for n in names if n not in index}):
        raise TaskFolderError(
            f"{where}: class(es) {some(strangers)} are not in the task; it has {len(class_ids)}: {some(class_ids)}"
        )
    return np.array([index[n] for n in names], np.int64)


def caption_counts(ws: Workspace, class_ids: tuple[str, ...]) -> Floats:
    """(C,) matching captions of each class before any cap; 0 for a class without a row.

    Raises:
        TaskFolderError: work/class_counts.parquet is missing or unreadable.
    """
    table = schemas.read(ws.class_counts, schemas.CLASS_COUNTS)
    found = dict(zip(table["class_id"].to_pylist(), table["freq"].to_pylist(), strict=True))
    return np.array([float(found.get(c, 0)) for c in class_ids])


def some(values: Collection[str]) -> str:
    """The first names of a longer list, for messages."""
    return ", ".join(list(values)[:8]) + (", ..." if len(values) > 8 else "")


def _refuse(ids: pa.Array, banned: pa.Array, why: str) -> None:
    hits = ids.filter(pc.is_in(ids, value_set=banned))
    if len(hits):
        raise TaskFolderError(f"labels: {len(hits)} {why}: {some(hits.to_pylist())}")
