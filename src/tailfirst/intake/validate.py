"""Is a task folder sound? Cheap enough for the start of every campaign."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np
import pyarrow as pa

from tailfirst import schemas
from tailfirst.errors import TailfirstError, TaskFolderError
from tailfirst.intake import task_checks
from tailfirst.intake.task_checks import Problem
from tailfirst.ontology.tables import read_known
from tailfirst.paths import Workspace
from tailfirst.task import Task, load_task

T = TypeVar("T")
_ITEMS = "data/items.parquet"


def validate_task(ws: Workspace, sample: int = 200, seed: int = 0) -> list[Problem]:
    """Check a task folder: ids, hashes, roles, references, classes, holdout, and the bytes of a sample of items.

    Args:
        ws: The workspace.
        sample: How many items' bytes are hashed again.
        seed: Which ones.

    Returns:
        Every problem found; an empty list means sound. Nothing is raised.
    """
    found: list[Problem] = []
    task = _attempt(found, "data/task.yaml", lambda: load_task(ws.task))
    items = _attempt(found, _ITEMS, lambda: schemas.read(ws.items, schemas.ITEMS))
    if items is not None:
        chosen = _sample(items, sample, seed)
        _collect(found, _ITEMS, lambda: task_checks.rows(items, _ITEMS))
        _collect(found, _ITEMS, lambda: task_checks.taken_down(ws, items, _ITEMS))
        _collect(found, _ITEMS, lambda: task_checks.references(ws, items, _ITEMS))
        _collect(found, _ITEMS, lambda: task_checks.content(ws, chosen, _ITEMS))
    _labels(found, ws, items, task)
    if task is not None:
        where = "data/prototypes.npy"
        _collect(found, where, lambda: task_checks.prototypes(ws, task, where))
    return found


def ensure_valid(ws: Workspace) -> None:
    """Make sure that a task folder is sound.

    Raises:
        TaskFolderError: It is not; names every problem.
    """
    problems = validate_task(ws)
    if problems:
        lines = [f"{p.where}: {p.what}" + (f" ({', '.join(p.ids)})" if p.ids else "") for p in problems]
        raise TaskFolderError(f"{ws.data} is not a sound task folder. " + "; ".join(lines))


def _labels(found: list[Problem], ws: Workspace, items: pa.Table | None, task: Task | None) -> None:
    tables = (
        (ws.holdout, schemas.LABELED, "holdout"),
        (ws.oracle, schemas.LABELED, "pool"),
        (ws.seed_labels, schemas.LABELS, "pool"),
        (ws.labels, schemas.LABELS, "pool"),
    )
    for path, schema, role in tables:
        where = f"data/{path.name}"
        table = _attempt(found, where, lambda path=path, schema=schema: schemas.read(path, schema))  # type: ignore[misc]
        if table is not None and items is not None and task is not None:
            now = _attempt(found, where, lambda path=path, schema=schema: read_known(ws, path, schema))  # type: ignore[misc]
            _collect(found, where, lambda: task_checks.labels(table, now or table, items, task, where, role))  # noqa: B023 (called at once)


def _sample(items: pa.Table, n: int, seed: int) -> pa.Table:
    rng = np.random.default_rng([seed, len(items)])
    return items.take(pa.array(np.sort(rng.choice(len(items), size=min(n, len(items)), replace=False))))


def _attempt(found: list[Problem], where: str, act: Callable[[], T]) -> T | None:
    try:
        return act()
    except (TailfirstError, pa.ArrowException, OSError, ValueError, IndexError) as error:
        found.append(Problem(where, str(error)))
        return None


def _collect(found: list[Problem], where: str, check: Callable[[], Iterable[Problem]]) -> None:
    _attempt(found, where, lambda: found.extend(check()))
