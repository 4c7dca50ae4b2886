"""What sealed rounds know about answers: read from their folders alone, so that a stage may use it.

A sealed round holds all answers to the items that it decided, those of earlier rounds included. So the newest folder
that knows an item knows all of its answers.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tailfirst import schemas
from tailfirst.contracts import Floats
from tailfirst.errors import TaskFolderError
from tailfirst.ontology.versions import Versions

ANSWERS = "answers.parquet"
MODEL = "model.parquet"
QUALITY = "quality.json"
CLASSES = b"class_ids"
ASKED = ("TRAIN", "RELABEL")  # purposes of batch rows whose answers may train


@dataclass(frozen=True, slots=True)
class Told:
    """One counted answer of an annotator."""

    annotator_id: str
    answer: str  # class id, or one of skips.SKIPS
    is_class: bool


@dataclass(frozen=True, slots=True)
class History:
    """The sealed rounds' answers to items that may train; gold and audit items are not here."""

    answers: Mapping[str, tuple[Told, ...]]  # by item
    asked: Mapping[str, int]  # how often each item was in a batch
    again: Mapping[str, str]  # items to be asked again first, with why, and not asked since
    experts: Mapping[str, str]  # items that wait for an expert, with why
    ambiguous: tuple[tuple[str, str], ...]  # class pairs that the newest round could not keep apart

    @classmethod
    def of(cls, folders: Sequence[Path], versions: Versions | None = None) -> "History":
        """Read the sealed folders, oldest first; with `versions`: in the classes of today, without ended ones.

        Raises:
            TaskFolderError: A file cannot be read.
        """
        answers: dict[str, tuple[Told, ...]] = {}
        asked: Counter[str] = Counter()
        again: dict[str, str] = {}
        experts: dict[str, str] = {}
        ambiguous: tuple[tuple[str, str], ...] = ()
        for folder in folders:
            batch = _bought(folder)
            asked.update(batch)
            again = {item: why for item, why in again.items() if item not in batch}
            version = None if versions is None else _version(folder)
            answers |= {item: _moved(told, versions, version) for item, told in _answers(folder).items()}
            found = read_quality(folder)
            again |= found.get("again", {})
            experts |= found.get("experts", {})
            ambiguous = _pairs(found.get("ambiguous", ()), versions, version)
        return cls(answers, asked, {i: why for i, why in again.items() if i not in experts}, experts, ambiguous)


def read_quality(folder: Path) -> dict[str, Any]:
    """quality.json of a sealed round; empty for rounds that were sealed before it existed.

    Raises:
        TaskFolderError: It is there and cannot be read.
    """
    path = folder / QUALITY
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise TaskFolderError(f"{path} cannot be read: {error}; `dvc checkout` restores it") from error


def out_of_sample(folders: Sequence[Path], class_ids: Sequence[str]) -> dict[str, Floats]:
    """(C,) probabilities of each item by the model that first wanted it: it had seen no answer to the item.

    A later model was trained on the item's first label and would only repeat it. Rounds with other classes say nothing.
    """
    found: dict[str, Floats] = {}
    for folder in folders:
        path = folder / MODEL
        if path.exists():
            found = model_rows(pq.read_table(path), class_ids) | found
    return found


def model_table(item_ids: Sequence[str], probs: Floats, class_ids: Sequence[str]) -> pa.Table:
    """The table of model.parquet, by item id."""
    order = sorted(range(len(item_ids)), key=lambda row: item_ids[row])
    rows = [{"item_id": item_ids[row], "probs": probs[row].astype(np.float32).tolist()} for row in order]
    table = pa.Table.from_pylist(rows, schema=schemas.OUT_OF_SAMPLE)
    return table.replace_schema_metadata({CLASSES: json.dumps(list(class_ids))})


def model_rows(table: pa.Table, class_ids: Sequence[str]) -> dict[str, Floats]:
    """Item -> (C,) probabilities; empty where the table is of other classes."""
    named = json.loads((table.schema.metadata or {}).get(CLASSES, b"[]"))
    if named != list(class_ids):
        return {}
    values = np.array(table["probs"].to_pylist(), np.float64).reshape(table.num_rows, len(named))
    return dict(zip(table["item_id"].to_pylist(), values, strict=True))


def _version(folder: Path) -> str | None:
    path = folder / "round.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))).get("ontology_version") if path.exists() else None


def _moved(told: tuple[Told, ...], versions: Versions | None, version: str | None) -> tuple[Told, ...]:
    if versions is None:
        return told
    found = [(one, versions.move(one.answer, version).class_id if one.is_class else one.answer) for one in told]
    return tuple(replace(one, answer=answer) for one, answer in found if answer is not None)


def _pairs(
    pairs: Sequence[Sequence[str]], versions: Versions | None, version: str | None
) -> tuple[tuple[str, str], ...]:
    """The class pairs of today; two that became one, or lost a class, are no pair any more."""
    if versions is None:
        return tuple((a, b) for a, b in pairs)
    moved = [(versions.move(a, version).class_id, versions.move(b, version).class_id) for a, b in pairs]
    return tuple((a, b) for a, b in moved if a is not None and b is not None and a != b)


def _bought(folder: Path) -> list[str]:
    path = folder / "batch.parquet"
    if not path.exists():
        return []
    rows = schemas.read(path, schemas.BATCH).select(["item_id", "purpose"]).to_pylist()
    return [row["item_id"] for row in rows if row["purpose"] in ASKED]


def _answers(folder: Path) -> dict[str, tuple[Told, ...]]:
    path = folder / ANSWERS
    found: dict[str, list[Told]] = {}
    rows = schemas.read(path, schemas.COUNTED).to_pylist() if path.exists() else []
    for row in rows:
        if row["purpose"] == "TRAIN":
            kept = found.setdefault(row["item_id"], [])
            if not row["dropped"]:
                kept.append(Told(row["annotator_id"], row["answer"], row["is_class"]))
    return {item: tuple(told) for item, told in found.items()}
