"""Majority vote over index arrays, ties broken as CROWDLAB does (arXiv 2210.06812, specs/methods.md M7)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tailfirst.contracts import Floats, Ints
from tailfirst.quality.answers import Answers, Consensus

METHOD = "majority/1"


def majority(
    answers: Answers, probs: Floats | None = None, known: Mapping[str, str] | None = None, rare: Floats | None = None
) -> Consensus:
    """The class with the most answers; the posterior is the share of answers.

    Args:
        answers: At least one.
        probs: (N, C) out-of-sample model probabilities, the first tie-breaker.
        known: Gold: item id -> class id.
        rare: (C,) how often each class occurs, for the second tie-breaker; None: among the answers.
    """
    fixed = answers.codes(known)
    votes = answers.counts
    labels = winners(answers, votes, probs, rare)
    labels = np.where(fixed >= 0, fixed, labels)
    posterior = votes / votes.sum(axis=1, keepdims=True)
    posterior[fixed >= 0] = np.eye(votes.shape[1])[fixed[fixed >= 0]]
    overlapped = (answers.per_item > 1) | (fixed >= 0)
    confidence = posterior[np.arange(len(labels)), labels]
    return Consensus(posterior, labels, confidence, agreement(answers, labels, overlapped), METHOD)


def winners(answers: Answers, votes: Floats, probs: Floats | None = None, rare: Floats | None = None) -> Ints:
    """(N,) the most voted class of each item.

    A tie goes to the class that the model holds likelier, then to the rarer class among all answers, then to the class
    whose voters agree more often with the items that are clear, last to the class that stands first in class_ids.
    """
    left = votes == votes.max(axis=1, keepdims=True)
    clear = left.sum(axis=1) == 1
    if clear.all():
        return _first(left)
    if probs is not None:
        left = _best(left, probs)
    left = _best(left, -np.broadcast_to(votes.sum(axis=0) if rare is None else rare, votes.shape))
    if (left.sum(axis=1) > 1).any():
        left = _best(left, _voters_quality(answers, _first(left), clear))
    return _first(left)


def agreement(answers: Answers, labels: Ints, rows: NDArray[np.bool_]) -> Floats:
    """(A,) share of an annotator's answers on the chosen item rows that equal the labels; nan without any."""
    n = len(answers.annotator_ids)
    here = rows[answers.items]
    total = np.bincount(answers.annotators[here], minlength=n)
    same = here & (answers.labels == labels[answers.items])
    right = np.bincount(answers.annotators[same], minlength=n)
    return ratio(right, total, np.nan)


def _voters_quality(answers: Answers, labels: Ints, clear: NDArray[np.bool_]) -> Floats:
    """(N, C) mean agreement of those who voted for a class with the clear items; the unknown count as average."""
    quality = agreement(answers, labels, clear)
    known = quality[~np.isnan(quality)]
    quality = np.where(np.isnan(quality), known.mean() if len(known) else 0.0, quality)
    n, c = len(answers.item_ids), len(answers.class_ids)
    cell = answers.items * c + answers.labels
    total = np.bincount(cell, weights=quality[answers.annotators], minlength=n * c)
    voters = np.bincount(cell, minlength=n * c)
    return ratio(total, voters, 0.0).reshape(n, c)


def ratio(part: Floats | Ints, whole: Floats | Ints, otherwise: float) -> Floats:
    """Part over whole; `otherwise` where the whole is 0."""
    found: Floats = np.divide(part, whole, out=np.full(whole.shape, otherwise), where=whole > 0)
    return found


def _best(left: NDArray[np.bool_], score: Floats) -> NDArray[np.bool_]:
    """Of the classes left in each row, those with the highest score."""
    open_score = np.where(left, score, -np.inf)
    kept: NDArray[np.bool_] = left & (open_score == open_score.max(axis=1, keepdims=True))
    return kept


def _first(left: NDArray[np.bool_]) -> Ints:
    found: Ints = left.argmax(axis=1).astype(np.int64)
    return found
