"""Write a task folder from what was decided."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tailfirst import artifacts, schemas
from tailfirst.errors import UserError
from tailfirst.intake.matrices import Matrix, open_matrix, write_rows
from tailfirst.intake.records import InitRequest, Item
from tailfirst.intake.seeds import Seed
from tailfirst.intake.store import Place
from tailfirst.items import item_id
from tailfirst.paths import Workspace
from tailfirst.task import Task, save_task


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """Everything that goes into a task folder but the bytes and the open corpus."""

    task: Task
    items: tuple[Item, ...]  # sorted by item id
    seeds: tuple[Seed, ...]


def write_task(ws: Workspace, facts: TaskFacts, places: Sequence[Place], request: InitRequest) -> None:
    """Write task.yaml, items, holdout, oracle, seed labels, vectors and prototypes.

    Raises:
        UserError: Vectors of different kinds, or prototypes that do not fit the classes or the vectors.
    """
    save_task(facts.task, ws.task)
    artifacts.write_parquet(ws.items, _items_table(facts.items, places, request))
    artifacts.write_parquet(ws.holdout, _labeled(facts.items, "holdout"))
    artifacts.write_parquet(ws.oracle, _labeled(facts.items, "pool"))
    artifacts.write_parquet(ws.seed_labels, _seed_table(facts.seeds, facts.task))
    if request.vectors is not None:
        _write_vectors(ws, facts.items)
    if request.prototypes is not None:
        _write_prototypes(ws, request, facts.task)


def _items_table(items: Sequence[Item], places: Sequence[Place], request: InitRequest) -> pa.Table:
    columns = {
        "item_id": [item_id(i.entry.sha256) for i in items],
        "sha256": [i.entry.sha256 for i in items],
        "role": [i.role for i in items],
        "path": [p.path for p in places],
        "shard": [p.shard for p in places],
        "offset": [p.offset for p in places],
        "length": [p.length for p in places],
        "text": [i.entry.text for i in items],
        "vector_row": [row if i.entry.vectors is not None else None for row, i in enumerate(items)],
        "source": [_source(i, request.source) for i in items],
        "licence": [request.licence] * len(items),
    }
    return pa.table(columns, schema=schemas.ITEMS)


def _source(item: Item, prefix: str | None) -> str:
    where = f"{item.entry.source}#{item.entry.key or item.entry.row}"
    return f"{prefix}: {where}" if prefix else where


def _labeled(items: Sequence[Item], role: str) -> pa.Table:
    rows = [i for i in items if i.role == role and i.class_id is not None]
    columns = {"item_id": [item_id(i.entry.sha256) for i in rows], "class_id": [i.class_id for i in rows]}
    return pa.table(columns, schema=schemas.LABELED)


def _seed_table(seeds: Sequence[Seed], task: Task) -> pa.Table:
    rows = [
        {
            "item_id": s.item_id,
            "class_id": s.class_id,
            "round_no": 0,
            "purpose": "SEED",
            "method": "seed/1",
            "ontology_version": task.ontology_version,
        }
        for s in seeds
    ]
    return pa.Table.from_pylist(rows, schema=schemas.LABELS)


def _write_vectors(ws: Workspace, items: Sequence[Item]) -> None:
    matrices: dict[str, Matrix] = {}
    rows: list[tuple[Matrix, int]] = []
    for item in items:
        entry = item.entry
        if entry.vectors is None or entry.vector_row is None:
            raise UserError(f"{entry.source}, row {entry.row} has no vector; give --holdout-vectors beside --vectors")
        key = str(entry.vectors)
        if key not in matrices:
            matrices[key] = open_matrix(entry.vectors)
        rows.append((matrices[key], entry.vector_row))
    with artifacts.atomic_file(ws.vectors) as temporary:
        write_rows(temporary, rows)


def _write_prototypes(ws: Workspace, request: InitRequest, task: Task) -> None:
    assert request.prototypes is not None
    matrix = open_matrix(request.prototypes)
    n = len(task.classes)
    if len(matrix) != n:
        raise UserError(
            f"{matrix.path} has {len(matrix)} rows, but the task has {n} classes; "
            f"row 0 must be class {task.class_ids[0]!r}, row {n - 1} class {task.class_ids[-1]!r}"
        )
    bad = [f"{task.class_ids[row]}: {why}" for row in range(n) if (why := matrix.fault(row))]
    if bad:
        raise UserError(f"{matrix.path} has {len(bad)} unusable row(s): {'; '.join(bad[:10])}")
    dim = int(np.load(ws.vectors, mmap_mode="r", allow_pickle=False).shape[1])
    if matrix.dim != dim:
        raise UserError(f"{matrix.path} has {matrix.dim} dimensions, but the vectors have {dim}")
    artifacts.write_array(ws.prototypes, np.asarray(matrix.values))
