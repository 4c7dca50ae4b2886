"""DropQuery (Gupte et al. 2024, arXiv 2401.14555; specs/methods.md M3).

Score: in how many of M = 3 dropout passes (rate 0.75 on the input features of the head) the predicted class differs
from the one without dropout, mismatch(x) = sum_m [y_m != y*]. Candidates are the items with mismatch > 1, or, where
these are fewer than 25 B, all with mismatch > 0; k-means on their features gives B picks, from each cluster the member
nearest the centroid. Fewer candidates than B: all of them, and items drawn at random.

The score has M + 1 values only, so the clustering does the ranking. In a pool below 25 B items the factor is N / B.
Classes are not balanced.
"""

import numpy as np
from pydantic import Field

from tailfirst.acquisition import _clusters, _dropout, _probs
from tailfirst.acquisition._ordered import filled, ordered, selection
from tailfirst.contracts import Floats, Ints, PoolView, Selection

PER_CLUSTER = 64  # candidates per cluster that the centroids are learned from


class Params(_dropout.Passes):
    """Defaults of the released code."""

    passes: int = Field(3, ge=1)
    rate: float = Field(0.75, ge=0, le=0.99)
    oversample: float = Field(25, ge=1)  # candidates per pick before the threshold stops falling
    iterations: int = Field(10, ge=1)  # of k-means


def select(view: PoolView, budget: int, params: Params, rng: np.random.Generator) -> Selection:
    """`budget` rows: one of each cluster of candidates, then random ones.

    Raises:
        Unavailable: There is no model yet, or no head.
        PoolExhausted: The view has fewer rows than the budget.
    """
    view, order = ordered(view, budget)
    flips = _flips(view, params, rng)
    candidates = _candidates(flips, min(params.oversample * budget, len(flips)))
    if len(candidates) >= budget:
        among = view.vectors[candidates]
        candidates = candidates[_clusters.pick(among, budget, params.iterations, rng, PER_CLUSTER)]
    fill = filled(candidates, len(flips), budget, rng)
    reasons = [f"flips:{flips[row]}/{params.passes}" for row in candidates] + ["fill"] * len(fill)
    rows = np.concatenate([candidates, fill])
    return selection(order, rows, flips[rows] / params.passes, reasons)


def score(view: PoolView, params: Params, rng: np.random.Generator) -> Floats:
    """(N,) share of dropout passes that change the predicted class.

    Raises:
        Unavailable: There is no model yet, or no head.
    """
    inner, order = ordered(view, 0)
    result = np.empty(len(order))
    result[order] = _flips(inner, params, rng) / params.passes
    return result


def _flips(view: PoolView, params: Params, rng: np.random.Generator) -> Ints:
    """(N,) passes with another class than without dropout, 0 to M."""
    classes = _dropout.class_order(view)
    predicted = _probs.look(view, entropies=False, margins=False).first
    flips = np.zeros(len(predicted), np.int64)
    for rows, passes in _dropout.blocks(view, params, rng):
        for logits in passes:
            flips[rows] += classes[logits.argmax(axis=1)] != predicted[rows]
    return flips


def _candidates(flips: Ints, wanted: float) -> Ints:
    """Rows above the highest threshold, 1 or 0, that leaves enough; above 0 where neither does."""
    for threshold in (1, 0):
        found = np.flatnonzero(flips > threshold)
        if len(found) >= wanted:
            break
    return found.astype(np.int64)
