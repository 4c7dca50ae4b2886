"""What a view knows beyond labels, vectors and probabilities: earlier searches and retrieved rows, read from files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tailfirst import pool, schemas
from tailfirst.contracts import Floats, PoolView, Searched
from tailfirst.errors import TaskFolderError
from tailfirst.labels import TRAINS
from tailfirst.ontology.versions import Versions
from tailfirst.paths import Workspace
from tailfirst.takedowns import Takedowns

SEARCH = "search:"  # how the reason code of a searched pick begins; the class id follows
NO_CLASS = "none_of_these"  # an answer, though not a class: the item is no member of the class
ITEM_ID = 20  # characters; open ids have as many and begin with "o", which no digest does


@dataclass(frozen=True, slots=True)
class _Pick:
    """An item that a search bought."""

    round_no: int
    class_row: int


def gathered(ws: Workspace, view: PoolView, labels: pa.Table) -> PoolView:
    """The view with what sealed rounds and work/ say.

    Args:
        ws: Its data/rounds, class_counts.parquet and retrieved.parquet are read.
        view: Of the stage.
        labels: schemas.LABELS, in the classes of today.

    Raises:
        TaskFolderError: A file cannot be read.
    """
    rows = {c: row for row, c in enumerate(view.class_ids)}
    return replace(
        view,
        n_kept=_kept(ws, rows),
        relevance=relevance(ws, view.class_ids),
        searches=searches(ws, labels, view.class_ids),
        taken_down=sum(len(one) == ITEM_ID and one[0] != "o" for one in Takedowns.of(ws).ids),
    )


def searches(ws: Workspace, labels: pa.Table, class_ids: tuple[str, ...]) -> tuple[Searched, ...]:
    """What the searches of sealed rounds brought, oldest first, classes of a round in the order of their ids.

    An item counts for the last search that bought it. Late labels and second opinions count, as `labels` has them; an
    item that nobody could tell ("unusable", "unsure", a tie) does not. Classes are moved to those of today; a class
    that was split or ended takes its searches with it.

    Raises:
        TaskFolderError: A file of a sealed round cannot be read.
    """
    rows, versions = {c: row for row, c in enumerate(class_ids)}, Versions.if_any(ws)
    picks: dict[str, _Pick] = {}
    sizes: dict[int, int | None] = {}
    answers: dict[str, int | None] = {}  # item -> class, None = none of these
    for number in pool.sealed_rounds(ws.rounds):
        record = _record(ws.sealed(number))
        sizes[number] = (record.get("acquisition") or {}).get("pool_size")
        for one in record.get("unlabeled", ()):
            if one["reason"] == NO_CLASS:
                answers[one["item_id"]] = None
        for item, name in _searched(ws.sealed(number)):
            class_id = name if versions is None else versions.move(name, record.get("ontology_version")).class_id
            if class_id in rows:
                picks[item] = _Pick(number, rows[class_id])
    trains = [row for row in labels.to_pylist() if row["purpose"] in TRAINS]
    answers |= {row["item_id"]: rows[row["class_id"]] for row in trains if row["class_id"] in rows}
    return _counted(picks, answers, sizes, class_ids)


def _counted(
    picks: Mapping[str, _Pick],
    answers: Mapping[str, int | None],
    sizes: Mapping[int, int | None],
    class_ids: tuple[str, ...],
) -> tuple[Searched, ...]:
    found: dict[_Pick, list[bool]] = {}
    for item, pick in picks.items():
        told = found.setdefault(pick, [])
        if item in answers:
            told.append(answers[item] == pick.class_row)
    order = sorted(found, key=lambda pick: (pick.round_no, class_ids[pick.class_row]))
    return tuple(
        Searched(pick.class_row, pick.round_no, len(found[pick]), sum(found[pick]), sizes[pick.round_no])
        for pick in order
    )


def _searched(folder: Path) -> list[tuple[str, str]]:
    """(item id, class id then) of a sealed round's searched picks."""
    path = folder / "batch.parquet"
    if not path.exists():
        return []
    batch = schemas.read(path, schemas.BATCH).select(["item_id", "stage", "reason"]).to_pylist()
    found = [row for row in batch if row["stage"] == "search" and row["reason"].startswith(SEARCH)]
    return [(row["item_id"], row["reason"].removeprefix(SEARCH)) for row in found]


def _record(folder: Path) -> dict[str, Any]:
    path = folder / "round.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise TaskFolderError(f"{path} cannot be read: {error}; `dvc checkout` restores it") from error


def _kept(ws: Workspace, rows: Mapping[str, int]) -> Floats:
    """(C,) retrieved rows of each class."""
    table = schemas.read(ws.class_counts, schemas.CLASS_COUNTS)
    found = dict(zip(table["class_id"].to_pylist(), table["retrieved"].to_pylist(), strict=True))
    return np.array([float(found.get(c, 0)) for c in rows])


def relevance(ws: Workspace, class_ids: tuple[str, ...]) -> Floats | None:
    """(C,) mean t2t of each class's retrieved rows; None where nothing was retrieved, or without a score.

    Raises:
        TaskFolderError: work/retrieved.parquet cannot be read.
    """
    if not ws.retrieved.exists():
        return None
    rows = {c: row for row, c in enumerate(class_ids)}
    table = schemas.read(ws.retrieved, schemas.RETRIEVED).select(["class_id", "t2t"])
    return mean_scores([rows.get(c, -1) for c in table["class_id"].to_pylist()], table["t2t"].to_pylist(), len(rows))


def mean_scores(classes: Sequence[int], scores: Sequence[float | None], count: int) -> Floats | None:
    """(C,) mean score of each class, cut to [0, 1], NaN for a class without one; None where there is no score at all.

    Args:
        classes: Class row of each score, -1 = a class that is gone.
        scores: Scores, None = not ranked by one.
        count: C.
    """
    known = [(c, score) for c, score in zip(classes, scores, strict=True) if c >= 0 and score is not None]
    if not known:
        return None
    places, values = np.array([c for c, _ in known]), np.array([score for _, score in known])
    totals, sizes = np.bincount(places, values, minlength=count), np.bincount(places, minlength=count)
    means: Floats = np.where(sizes > 0, np.clip(totals / np.maximum(sizes, 1), 0, 1), np.nan)
    return means
