"""The model's guess as a prelabel, and the blind slice that measures how much it anchors people (row 35).

Who sees a guess is decided in PLAN, by chance that hangs on the submission key alone, and is part of the payload's
hash. So at any later time the payload tells whether a task was shown one. AUDIT, GOLD and second opinions are blind.
"""

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tailfirst.artifacts import sha256_bytes
from tailfirst.config import Quality
from tailfirst.evaluation.intervals import wilson
from tailfirst.labeling.keys import payload_sha256
from tailfirst.ledger.records import AnnotationRow, RoundRow, TaskRow
from tailfirst.port import Purpose

LEVEL = 0.95
DIGITS = 13  # hex digits of the draw


def chosen(key: str, purpose: Purpose, predicted: str | None, quality: Quality) -> str | None:
    """The class to show for a task; None = blind."""
    if not quality.prelabels or purpose != "TRAIN" or predicted is None:
        return None
    draw = int(sha256_bytes(f"blind|{key}".encode())[:DIGITS], 16) / 16**DIGITS
    return None if draw < quality.blind_share else predicted


def predictions(row: RoundRow) -> Mapping[str, str]:
    """Item -> predicted class of the round's frozen batch, where the model had a guess."""
    plan = json.loads(row.plan_json or "{}")
    if "batch_parquet" not in plan:
        return {}
    table = pq.read_table(pa.BufferReader(b64decode(plan["batch_parquet"])), columns=["item_id", "predicted"])
    return {one["item_id"]: one["predicted"] for one in table.to_pylist() if one["predicted"] is not None}


def shown(task: TaskRow, predicted: Mapping[str, str]) -> str | None:
    """The class that this task was planned to show; None = blind."""
    guess = predicted.get(task.item_id)
    if guess is None or task.purpose != "TRAIN":
        return None
    parts = (task.item_id, task.item_digest, task.purpose, task.attempt, task.overlap_slot)
    return guess if payload_sha256(*parts, guess) == task.payload_sha256 else None


def anchoring(row: RoundRow, given: Sequence[tuple[TaskRow, AnnotationRow]]) -> dict[str, Any] | None:
    """Agreement with the model's guess where it was shown and where it was not; None where none was shown.

    Args:
        row: The round.
        given: Its tasks bought to train, with their newest answers.
    """
    predicted = predictions(row)
    counted = {True: [0, 0], False: [0, 0]}
    for task, answer in given:
        guess = predicted.get(task.item_id)
        if guess is None or task.purpose != "TRAIN" or len(answer.class_ids) != 1 or answer.provenance == "MACHINE":
            continue
        counts = counted[shown(task, predicted) is not None]
        counts[0] += answer.class_ids[0] == guess
        counts[1] += 1
    if not counted[True][1]:
        return None
    return {"shown": _share(counted[True]), "blind": _share(counted[False])}


def _share(counts: list[int]) -> dict[str, Any] | None:
    if not counts[1]:
        return None
    found = wilson(counts[0], counts[1], LEVEL)
    return {
        "answers": counts[1], "value": round(found.value, 6), "low": round(found.low, 6), "high": round(found.high, 6)
    }  # fmt: skip
