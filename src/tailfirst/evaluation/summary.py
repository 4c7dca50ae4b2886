"""metrics.json and the holdout predictions of one candidate (pure: tables and arrays in, tables and values out)."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tailfirst import artifacts, schemas
from tailfirst.config import Evaluation
from tailfirst.contracts import Floats, Ids, Interval, Ints
from tailfirst.errors import TaskFolderError
from tailfirst.evaluation.gate import gaps
from tailfirst.evaluation.intervals import interval, resampled, values
from tailfirst.evaluation.metrics import NAMES, Answers, confusion, recalls, tail_classes
from tailfirst.labels import class_rows, some

STREAM = 3  # of random numbers: every candidate meets the same resamples
WORST = 20  # confusions that are kept
SHOWN = tuple(name for name in NAMES if name != "ece")


def holdout_rows(item_ids: Ids, is_pool: NDArray[np.bool_], holdout: pa.Table) -> tuple[pa.Table, Ints]:
    """Holdout labels sorted by item id, and the row of each item; items that were taken down fall away.

    Raises:
        TaskFolderError: A holdout label for a pool item, or two for one item.
    """
    table = holdout.sort_by("item_id")
    ids = table["item_id"].combine_chunks()
    if len(pc.unique(ids)) != len(ids):
        raise TaskFolderError("data/holdout.parquet: some items have more than one label")
    found = pc.index_in(ids, value_set=pa.array(item_ids.tolist(), pa.string()))
    table, rows = table.filter(pc.is_valid(found)), pc.drop_null(found).to_numpy(zero_copy_only=False).astype(np.int64)
    if is_pool[rows].any():
        raise TaskFolderError(
            f"data/holdout.parquet labels pool item(s): {some(item_ids[rows[is_pool[rows]]].tolist())}"
        )
    return table, rows


def tail(captions: Floats, truth: Ints, class_ids: tuple[str, ...], share: float) -> tuple[NDArray[np.bool_], str]:
    """Which classes are tail, and by what: matching captions, or without retrieval the holdout's own counts."""
    told = bool((captions > 0).any())
    counts = captions if told else np.bincount(truth, minlength=len(class_ids)).astype(np.float64)
    found = tail_classes(counts, class_ids, share)
    by = "matching captions of the open corpus" if told else "holdout items (no open data was retrieved)"
    return (
        found,
        f"the rarest {share:.0%} of the classes by {by}: {int(found.sum())} of {len(class_ids)}, ties by class id",
    )


def answers(item_ids: Ids, truth: Ints, probs: Floats, tail_mask: NDArray[np.bool_]) -> Answers:
    """The likeliest class of each item and its probability."""
    predicted = probs.argmax(axis=1).astype(np.int64)
    confidence = probs[np.arange(len(probs)), predicted].astype(np.float64)
    return Answers(item_ids, truth, predicted, confidence, tail_mask)


def metrics(
    found: Answers, zero_shot: Answers | None, class_ids: tuple[str, ...], evaluation: Evaluation, seed: int
) -> dict[str, Any]:
    """The measured part of metrics.json; null where there is nothing to measure."""
    point, many = values(found), resampled(found, evaluation.bootstrap, np.random.default_rng([seed, STREAM]))
    versus = None
    if zero_shot is not None:
        beside = resampled(zero_shot, evaluation.bootstrap, np.random.default_rng([seed, STREAM]))
        versus = gaps(point, many, values(zero_shot), beside, evaluation.level)
    support = np.bincount(found.truth, minlength=len(class_ids))
    recall = recalls(found)
    lines = [f"{i}\t{class_ids[t]}" for i, t in zip(found.item_ids.tolist(), found.truth.tolist(), strict=True)]
    return {
        **{name: _json(interval(float(point.of(name)[0]), many.of(name), evaluation.level)) for name in NAMES},
        "per_class": {
            c: {"recall": _number(recall[row]), "support": int(support[row]), "tail": bool(found.tail[row])}
            for row, c in enumerate(class_ids)
        },
        "tail_classes": sorted(c for row, c in enumerate(class_ids) if found.tail[row]),
        "versus_zero_shot": None if versus is None else {name: _json(versus[name]) for name in SHOWN},
        "confusions": _confusions(found, class_ids),
        "holdout": {"items": len(lines), "sha256": artifacts.sha256_bytes("\n".join(lines).encode())},
    }


def unavailable(candidate: str, why: str, n_labels: int, n_retrieved: int) -> dict[str, Any]:
    """metrics.json of a candidate that cannot be measured: the same keys, nothing in them."""
    blank = dict.fromkeys((*NAMES, "versus_zero_shot", "tail_definition", "holdout"))
    known = {"candidate": candidate, "available": False, "why": why, "n_labels": n_labels, "n_retrieved": n_retrieved}
    return {**blank, "per_class": {}, "tail_classes": [], "confusions": [], **known}


def predictions_table(found: Answers, class_ids: tuple[str, ...]) -> pa.Table:
    """schemas.HOLDOUT_PREDICTIONS; its metadata names the tail classes, so that the gate needs no other file."""
    names = np.array(class_ids)
    columns = {
        "item_id": found.item_ids.tolist(),
        "class_id": names[found.truth].tolist(),
        "predicted": names[found.predicted].tolist(),
        "probability": found.confidence,
    }
    tails = json.dumps(sorted(names[found.tail].tolist()))
    return pa.table(columns, schema=schemas.HOLDOUT_PREDICTIONS).replace_schema_metadata({"tail_classes": tails})


def truth_rows(table: pa.Table, class_ids: tuple[str, ...]) -> Ints:
    """(n,) class rows of the holdout labels.

    Raises:
        TaskFolderError: A class that the task does not have.
    """
    return class_rows(table["class_id"].to_pylist(), class_ids, "data/holdout.parquet")


def _confusions(found: Answers, class_ids: tuple[str, ...]) -> list[dict[str, Any]]:
    counts = confusion(found)
    support = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    pairs = [(int(t), int(p)) for t, p in np.argwhere(counts)]
    pairs.sort(key=lambda tp: (-counts[tp], -counts[tp] / support[tp[0]], class_ids[tp[0]], class_ids[tp[1]]))
    return [
        {
            "truth": class_ids[t],
            "predicted": class_ids[p],
            "count": int(counts[t, p]),
            "share": round(float(counts[t, p] / support[t]), 6),
        }
        for t, p in pairs[:WORST]
    ]


def _json(found: Interval | None) -> dict[str, float] | None:
    return None if found is None else {name: round(value, 6) for name, value in asdict(found).items()}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
