"""Metrics of answers on a holdout, for many resamples at once.

A resample is a row of weights over the items, so every metric is a few matrix products; weights of one give the value
itself. Per-class means run over the classes that have items: a class without any has no recall.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tailfirst.contracts import Floats, Ids, Ints

BINS = 15  # equal-width confidence bins of the calibration error (Naeini et al. 2015; Guo et al. 2017)
NAMES = ("accuracy", "balanced_accuracy", "macro_f1", "tail_accuracy", "head_accuracy", "ece")


@dataclass(frozen=True, slots=True)
class Answers:
    """A model's answers to a holdout; n items."""

    item_ids: Ids  # (n,)
    truth: Ints  # (n,) class rows
    predicted: Ints  # (n,) class rows
    confidence: Floats  # (n,) probability of the predicted class
    tail: NDArray[np.bool_]  # (C,) which classes are tail


@dataclass(frozen=True, slots=True)
class Scores:
    """(R,) values of each metric, one per resample; NaN where there is nothing to measure (no tail item)."""

    accuracy: Floats  # share of right answers
    balanced_accuracy: Floats  # mean recall over classes with items
    macro_f1: Floats  # mean F1 over classes with items
    tail_accuracy: Floats  # mean recall over tail classes with items
    head_accuracy: Floats  # mean recall over the other classes with items
    ece: Floats  # expected calibration error, 15 equal-width bins of the confidence

    def of(self, name: str) -> Floats:
        """The values of one metric by name."""
        values: Floats = getattr(self, name)
        return values


def measure(answers: Answers, weights: Floats) -> Scores:
    """Every metric for each row of weights.

    Args:
        answers: n answers.
        weights: (R, n) how often each item counts.
    """
    count = len(answers.tail)
    right = answers.predicted == answers.truth
    support = _sums(weights, answers.truth, count)
    hits = _sums(weights[:, right], answers.truth[right], count)
    given = _sums(weights, answers.predicted, count)
    present = support > 0
    recall = np.divide(hits, support, out=np.full_like(hits, np.nan), where=present)
    f1 = np.divide(2 * hits, support + given, out=np.full_like(hits, np.nan), where=present)
    return Scores(
        accuracy=weights @ right / weights.sum(axis=1),
        balanced_accuracy=_mean(recall),
        macro_f1=_mean(f1),
        tail_accuracy=_mean(recall[:, answers.tail]),
        head_accuracy=_mean(recall[:, ~answers.tail]),
        ece=_calibration_error(answers.confidence, right, weights),
    )


def recalls(answers: Answers) -> Floats:
    """(C,) recall of each class; NaN where it has no items."""
    count = len(answers.tail)
    support = np.bincount(answers.truth, minlength=count)
    hits = np.bincount(answers.truth[answers.predicted == answers.truth], minlength=count)
    result: Floats = np.divide(hits, support, out=np.full(count, np.nan), where=support > 0)
    return result


def confusion(answers: Answers) -> Ints:
    """(C, C) counts, rows true, columns predicted."""
    count = len(answers.tail)
    flat = np.bincount(answers.truth * count + answers.predicted, minlength=count * count)
    return flat.reshape(count, count).astype(np.int64)


def tail_classes(counts: Floats, class_ids: tuple[str, ...], share: float) -> NDArray[np.bool_]:
    """(C,) True for the rarest `share` of the classes (at least one), equal counts by class id."""
    size = min(max(1, round(share * len(class_ids))), len(class_ids))
    order = np.lexsort((np.array(class_ids), counts))
    tail = np.zeros(len(class_ids), np.bool_)
    tail[order[:size]] = True
    return tail


def _sums(weights: Floats, groups: Ints, count: int) -> Floats:
    """(R, count) sum of the weights of each group."""
    order = np.argsort(groups, kind="stable")
    found, starts = np.unique(groups[order], return_index=True)
    result = np.zeros((len(weights), count))
    if len(found):
        result[:, found] = np.add.reduceat(weights[:, order], starts, axis=1)
    return result


def _mean(values: Floats) -> Floats:
    """(R,) mean of each row without its NaN; NaN where nothing is left."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0).sum(axis=1)
    size = known.sum(axis=1)
    result: Floats = np.divide(total, size, out=np.full(len(values), np.nan), where=size > 0)
    return result


def _calibration_error(confidence: Floats, right: NDArray[np.bool_], weights: Floats) -> Floats:
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    gap = np.abs(_sums(weights * (right - confidence), bins, BINS)).sum(axis=1)
    result: Floats = gap / weights.sum(axis=1)
    return result
