"""Uncertainty scores of a whole pool, and the selection by them (specs/methods.md M1).

Given probabilities are read in blocks. Where only a head is given, one float32 product per block and the score of its
logits are all that is made (8 bytes per row), and rows within rounding of the last place of the batch are scored
again in float64: which rows are taken never depends on how the pool is sorted or cut into blocks.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tailfirst.acquisition import _probs, _rows
from tailfirst.adaptation._linear import softmax
from tailfirst.contracts import Floats, Head, Ints, PoolView, Selection, Vectors
from tailfirst.errors import UserError

Kind = Literal["margin", "entropy", "least_confidence"]
BLOCK = 2048  # rows whose logits stay in the cache
DECIMALS = 12  # of a float64 score; beyond, the same row may differ with its place in a block


def score(view: PoolView, kind: Kind) -> Floats:
    """(N,) scores, higher = less certain.

    Raises:
        Unavailable: There is no model yet.
        UserError: Probabilities or vectors that are none; names the item.
    """
    if view.probs is None and view.head is not None:
        return _from_head(view, view.head, kind)
    result = np.empty(len(view.item_ids))
    for start, probs, _ in _probs.blocks(view):
        result[start : start + len(probs)] = of(kind, probs)
    return result


def select(view: PoolView, budget: int, kind: Kind, why: Callable[[str, str], str]) -> Selection:
    """The `budget` highest scores, ties by item id; `why(likeliest class, next class)` is the reason code.

    Raises:
        Unavailable: There is no model yet.
        PoolExhausted: The view has fewer rows than the budget.
        UserError: Probabilities or vectors that are none; names the item.
    """
    _rows.enough(view, budget)
    scores = score(view, kind)
    rows = _decided(view, scores, budget, kind) if view.probs is None else _rows.best(scores, view.item_ids, budget)
    looks = _probs.look(_rows.subset(view, rows), entropies=False)
    names = view.class_ids
    reasons = tuple(why(names[a], names[b]) for a, b in zip(looks.first, looks.second, strict=True))
    return _rows.ranked(rows, scores, reasons)


def of(kind: Kind, probs: Floats) -> Floats:
    """(N,) scores of (N, C) probabilities: 1 - (p_(1) - p_(2)), -sum p ln p, or 1 - p_(1)."""
    if kind == "entropy":
        return _probs.entropy(probs)
    if kind == "least_confidence":
        doubt: Floats = 1 - probs.max(axis=1)
        return doubt
    first, second = _top_two(np.ascontiguousarray(probs.T))
    overlap: Floats = 1 - (first - second)
    return overlap


def _from_head(view: PoolView, head: Head, kind: Kind) -> Floats:
    weights = (head.scale * head.weights).astype(np.float32)
    result = np.empty(len(view.item_ids))
    for start in range(0, len(result), BLOCK):
        result[start : start + BLOCK] = _of_logits(kind, weights @ view.vectors[start : start + BLOCK].T)
    bad = ~np.isfinite(result)
    if bad.any():
        raise UserError(f"item {view.item_ids[np.argmax(bad)]}: its vector or the head is not finite; run embed again")
    return result


def _of_logits(kind: Kind, logits: Vectors) -> Vectors:
    """(N,) scores of (C, N) logits, which are overwritten."""
    if kind == "margin":
        first, second = _top_two(logits)
        logits -= first
        total = _sum(np.exp(logits, out=logits))
        gap: Vectors = 1 - (1 - np.exp(second - first)) / total if len(logits) > 1 else np.zeros_like(total)
        return gap
    logits -= logits.max(axis=0)
    powers: Vectors = np.exp(logits)
    total = _sum(powers)
    if kind == "least_confidence":
        doubt: Vectors = 1 - np.reciprocal(total)
        return doubt
    powers *= logits
    entropy: Vectors = np.maximum(np.log(total) - _sum(powers) / total, 0)
    return entropy


def _sum(columns: Vectors) -> Vectors:
    total: Vectors = np.ones(len(columns), np.float32) @ columns
    return total


def _decided(view: PoolView, scores: Floats, budget: int, kind: Kind) -> Ints:
    """The best rows: those that rounding could lift into the batch are scored again in float64.

    A float32 dot product of D terms of unit vectors is off by far less than sqrt(D) units of rounding, the logits by
    `scale` times that, margin and confidence by at most twice, the entropy by at most 2 ln C times as much.
    """
    if view.head is None or budget == 0:
        return np.zeros(0, np.int64)
    length = float(np.linalg.norm(view.head.weights, axis=1).max())
    error = np.sqrt(view.vectors.shape[1]) * 2.0**-24 * abs(view.head.scale) * length
    slack = 2 * error * (max(1.0, np.log(len(view.class_ids))) if kind == "entropy" else 1) + 1e-5
    edge = np.partition(scores, len(scores) - budget)[len(scores) - budget]
    near = np.flatnonzero(scores >= edge - 2 * slack)
    exact = np.empty(len(near))
    for start in range(0, len(near), BLOCK):
        exact[start : start + BLOCK] = of(kind, _exact(view, view.head, near[start : start + BLOCK]))
    scores[near] = exact.round(DECIMALS)
    return near[_rows.best(scores[near], view.item_ids[near], budget)]


def _exact(view: PoolView, head: Head, rows: Ints) -> Floats:
    return softmax(head.scale * (view.vectors[rows].astype(np.float64) @ head.weights.T.astype(np.float64)))


def _top_two(columns: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """(N,) largest and second largest of each column of (C, N); the second is 0 where there is only one."""
    first, second = columns[0].copy(), np.full_like(columns[0], -np.inf)
    smaller = np.empty_like(first)
    for row in columns[1:]:
        np.minimum(first, row, out=smaller)
        np.maximum(second, smaller, out=second)
        np.maximum(first, row, out=first)
    return first, second if len(columns) > 1 else np.zeros_like(first)
