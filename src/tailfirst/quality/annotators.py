"""What the answers say of each annotator: accuracy on gold, agreement, speed, variety (specs/vendor.md section 9)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tailfirst.contracts import Floats, Interval, Ints
from tailfirst.evaluation.intervals import wilson
from tailfirst.quality._grouped import grouped_sum
from tailfirst.quality.answers import Answers
from tailfirst.quality.confusion import error_counts
from tailfirst.quality.majority import ratio

METHOD = "annotators/1"


@dataclass(frozen=True, slots=True)
class AnnotatorStats:
    """One annotator; shares in [0, 1]."""

    annotator_id: str
    n_answers: int
    n_gold: int  # answers to gold items
    gold: Interval | None  # accuracy on them, Wilson
    n_shared: int  # items that others answered too
    peers: Interval | None  # agreement with the others' answers there; Wilson, an item counts once
    chance: (
        float  # that agreement if own and others' answers had nothing to do with each other; nan without shared items
    )
    model: float  # agreement with the model; nan without one
    median_seconds: float  # of work per answer; nan where unknown
    entropy_bits: float  # of the classes answered
    expected_bits: float  # of the consensus on the same items: what the tasks themselves would give
    n_other: int  # items whose consensus is not the class that this annotator answers most


@dataclass(frozen=True, slots=True)
class ClassAccuracy:
    """One annotator on one class of the truth."""

    annotator_id: str
    class_id: str
    n: float  # items of the class that were answered (expected, where the truth is a posterior)
    accuracy: Interval
    mistaken_for: str | None  # the commonest wrong answer; None: no wrong answer


def statistics(
    answers: Answers,
    labels: Ints,
    known: Mapping[str, str] | None = None,
    model: Ints | None = None,
    seconds: Floats | None = None,
    level: float = 0.95,
) -> tuple[AnnotatorStats, ...]:
    """One row per annotator, in the order of answers.annotator_ids.

    Args:
        answers: Who said what.
        labels: (N,) consensus.
        known: Gold: item id -> class id.
        model: (N,) class that the model names.
        seconds: (L,) work per answer, nan where unknown (`Answers.aligned`).
        level: Of the intervals.
    """
    a, n_answers = len(answers.annotator_ids), np.bincount(answers.annotators)
    gold = answers.codes(known)[answers.items]
    n_gold, gold_right = _per(answers, gold >= 0), _per(answers, gold == answers.labels)
    n_shared, agreeing, chance = _peers(answers)
    same_as_model = np.full(a, np.nan) if model is None else _per(answers, model[answers.items] == answers.labels)
    medians = np.full(a, np.nan) if seconds is None else _medians(answers.annotators, seconds, a)
    given, right = _per_class(answers, answers.labels), _per_class(answers, labels[answers.items])
    own, expected = _bits(given), _bits(right)
    n_other = n_answers - right[np.arange(a), given.argmax(axis=1)]
    return tuple(
        AnnotatorStats(
            name, int(n_answers[k]), int(n_gold[k]), _interval(gold_right[k], n_gold[k], level), int(n_shared[k]),
            _interval(agreeing[k], n_shared[k], level), float(chance[k]), float(same_as_model[k] / n_answers[k]),
            float(medians[k]), float(own[k]), float(expected[k]), int(n_other[k]),
        )
        for k, name in enumerate(answers.annotator_ids)
    )  # fmt: skip


def per_class(answers: Answers, truth: Floats, level: float = 0.95) -> tuple[ClassAccuracy, ...]:
    """Accuracy of every annotator on every class they met, in the order of annotators, then classes.

    Args:
        answers: Who said what.
        truth: (N, C) posterior, or one-hot gold with rows of zeros elsewhere.
        level: Of the intervals.
    """
    counts = error_counts(answers, truth)
    met = counts.sum(axis=2)
    wrong = counts * (1 - np.eye(counts.shape[1]))
    rows = []
    for who, true in np.argwhere(met > 0):
        worst = int(wrong[who, true].argmax())
        rows.append(
            ClassAccuracy(
                answers.annotator_ids[who], answers.class_ids[true], float(met[who, true]),
                wilson(float(counts[who, true, true]), float(met[who, true]), level),
                answers.class_ids[worst] if wrong[who, true, worst] > 0 else None,
            )
        )  # fmt: skip
    return tuple(rows)


def _per(answers: Answers, weights: Floats | Ints | NDArray[np.bool_]) -> Floats:
    """(A,) sums over an annotator's answers."""
    n = len(answers.annotator_ids)
    return np.bincount(answers.annotators, weights=weights.astype(np.float64), minlength=n).astype(np.float64)


def _peers(answers: Answers) -> tuple[Floats, Floats, Floats]:
    """(A,) items shared with others, how many of them in agreement (in parts), agreement expected by chance."""
    votes = answers.counts
    others = (answers.per_item - 1)[answers.items].astype(np.float64)
    same = votes[answers.items, answers.labels] - 1
    a, c = len(answers.annotator_ids), votes.shape[1]
    order = np.argsort(answers.annotators, kind="stable")
    cell = answers.annotators * c + answers.labels
    met = grouped_sum(votes, answers.items[order], answers.annotators[order], a) - _per_class(answers, answers.labels)
    own = np.bincount(cell, weights=others, minlength=a * c).reshape(a, c).astype(np.float64)
    chance = ratio((own * met).sum(axis=1), _per(answers, others) ** 2, np.nan)
    return _per(answers, others > 0), _per(answers, ratio(same, others, 0.0)), chance


def _medians(annotators: Ints, seconds: Floats, n_annotators: int) -> Floats:
    """(A,) median of the known seconds."""
    known = ~np.isnan(seconds)
    who, value = annotators[known], seconds[known]
    order = np.lexsort((value, who))
    value, size = value[order], np.bincount(who, minlength=n_annotators)
    first = np.cumsum(size) - size
    result = np.full(n_annotators, np.nan)
    some = size > 0
    low, high = (first + (size - 1) // 2)[some], (first + size // 2)[some]
    result[some] = (value[low] + value[high]) / 2
    return result


def _per_class(answers: Answers, classes: Ints) -> Floats:
    """(A, C) how many of an annotator's answers have which class."""
    a, c = len(answers.annotator_ids), len(answers.class_ids)
    return np.bincount(answers.annotators * c + classes, minlength=a * c).reshape(a, c).astype(np.float64)


def _bits(counts: Floats) -> Floats:
    """(A,) entropy in bits of each row."""
    share = counts / counts.sum(axis=1, keepdims=True)
    logs = np.log2(share, out=np.zeros_like(share), where=share > 0)
    result: Floats = np.abs((share * logs).sum(axis=1))
    return result


def _interval(right: float, total: float, level: float) -> Interval | None:
    return wilson(float(right), float(total), level) if total > 0 else None
