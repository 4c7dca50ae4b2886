"""May the challenger replace the champion? Both are judged on the same holdout items, by paired bootstrap.

Promoted when the lower end of the interval of the difference in `choice.metric` is not below zero, the difference
itself is above zero, and neither tail nor head accuracy fell by more than `choice.max_loss`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tailfirst.config import Choice, Evaluation
from tailfirst.contracts import Floats, Interval
from tailfirst.errors import UserError
from tailfirst.evaluation.intervals import interval, resampled, values
from tailfirst.evaluation.metrics import NAMES, Answers, Scores
from tailfirst.ontology.tables import common
from tailfirst.ontology.versions import Versions

STREAM = 4  # of random numbers, see evaluation.summary


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate says; differences are challenger minus champion."""

    promote: bool
    why: str
    differences: Mapping[str, Interval]


def decide_files(
    champion: Path | None,
    challenger: Path,
    *,
    evaluation: Evaluation,
    choice: Choice,
    seed: int,
    versions: Versions | None = None,
) -> Decision:
    """The decision from two files of holdout predictions (`schemas.HOLDOUT_PREDICTIONS`); no champion: promoted.

    `versions`: of the ontology, where it changed; a champion of an older one is judged in the classes of today.

    Raises:
        UserError: The files speak of different items or truths.
    """
    if champion is None:
        return Decision(promote=True, why="there is no champion yet", differences={})
    old, new = common(champion, challenger, versions)
    notes = (pq.read_schema(challenger).metadata or {}).get(b"tail_classes", b"[]")
    return decide(*paired(old, new, tuple(json.loads(notes))), evaluation=evaluation, choice=choice, seed=seed)


def decide(champion: Answers, challenger: Answers, *, evaluation: Evaluation, choice: Choice, seed: int) -> Decision:
    """The decision from two sets of answers to the same items in the same order."""
    found = differences(challenger, champion, evaluation, [seed, STREAM])
    gain = found[choice.metric]
    if gain is None:
        return Decision(promote=False, why=f"{choice.metric} cannot be measured on this holdout", differences={})
    known = {name: value for name, value in found.items() if value is not None}
    said = f"{choice.metric} {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] against the champion"
    if gain.value <= 0 or gain.low < 0:
        return Decision(promote=False, why=f"{said}: the interval does not exclude a loss", differences=known)
    for name in ("tail_accuracy", "head_accuracy"):
        if name in known and known[name].value < -choice.max_loss:
            lost = f"{said}, but {name} falls by {-known[name].value:.3f} (allowed: {choice.max_loss:g})"
            return Decision(promote=False, why=lost, differences=known)
    return Decision(promote=True, why=said, differences=known)


def differences(
    first: Answers, second: Answers, evaluation: Evaluation, stream: list[int]
) -> dict[str, Interval | None]:
    """Metrics of `first` minus those of `second`, resampled together.

    Raises:
        UserError: The answers are to different items or truths.
    """
    _same_holdout(first, second)
    one, two = (resampled(a, evaluation.bootstrap, np.random.default_rng(stream)) for a in (first, second))
    return gaps(values(first), one, values(second), two, evaluation.level)


def gaps(
    first: Scores, many_first: Scores, second: Scores, many_second: Scores, level: float
) -> dict[str, Interval | None]:
    """Differences of values with intervals from resamples that were drawn together."""
    return {
        name: interval(float((first.of(name) - second.of(name))[0]), many_first.of(name) - many_second.of(name), level)
        for name in NAMES
    }


def paired(champion: pa.Table, challenger: pa.Table, tail: tuple[str, ...]) -> tuple[Answers, Answers]:
    """Answers of two tables of holdout predictions, both sorted by item id, over the classes of either.

    Raises:
        UserError: The tables speak of different items or truths.
    """
    tables = [table.sort_by("item_id") for table in (champion, challenger)]
    names = sorted({c for t in tables for column in ("class_id", "predicted") for c in t[column].to_pylist()})
    old, new = (_answers(table, names, tail) for table in tables)
    _same_holdout(new, old)
    return old, new


def _answers(table: pa.Table, names: list[str], tail: tuple[str, ...]) -> Answers:
    row = {name: i for i, name in enumerate(names)}
    confidence: Floats = table["probability"].to_numpy().astype(np.float64)
    return Answers(
        item_ids=np.array(table["item_id"].to_pylist(), np.str_),
        truth=np.array([row[c] for c in table["class_id"].to_pylist()], np.int64),
        predicted=np.array([row[c] for c in table["predicted"].to_pylist()], np.int64),
        confidence=confidence,
        tail=np.array([name in tail for name in names], np.bool_),
    )


def _same_holdout(first: Answers, second: Answers) -> None:
    if len(first.item_ids) == 0:
        raise UserError("the holdout is empty: nothing can be compared; add holdout items with labels")
    if len(first.item_ids) != len(second.item_ids) or (first.item_ids != second.item_ids).any():
        both = len(np.intersect1d(first.item_ids, second.item_ids))
        raise UserError(
            f"different holdouts: {len(first.item_ids)} and {len(second.item_ids)} items, {both} of them in both; "
            "compare candidates on one holdout: evaluate the champion again on the present one"
        )
    if (first.truth != second.truth).any():
        changed = first.item_ids[first.truth != second.truth]
        raise UserError(
            f"the holdout's labels changed for {len(changed)} item(s) ({', '.join(changed[:5])}); "
            "evaluate the champion again"
        )
