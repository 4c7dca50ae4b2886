"""ALFA-Mix: items whose class changes when a little of a known class is mixed in.

Parvaneh et al. 2022, arXiv 2203.07034; specs/methods.md M22.

Anchors z*_c are the mean features of the labeled items of each class, its prototype where it has none. With g, the
gradient in z of the cross-entropy at the predicted class (of a linear softmax scale * W^T (p - onehot)), the published
mix a z* + (1 - a) z takes a = eps ||z* - z|| g / (||g|| (z* - z)), element by element. Multiplied out, that is
z + eps ||z* - z|| g / ||g||: a step uphill of a length that the anchor sets. Computed like this there is no division by
a coordinate that is equal in both. Along the step the logits are linear, so the smallest eps that changes the argmax
for any anchor has a closed form: the distance to the nearest change of class, over the distance to the farthest anchor.

Candidates are the items whose eps is below e / sqrt(D), where e grows in steps of 0.03125 until there are more than B
or e is 1; or a fixed e (0.2 in a later study). k-means on their features gives the picks, and too few are filled up at
random.
"""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.acquisition import _clusters, _dropout, _probs
from tailfirst.acquisition._ordered import filled, ordered, selection
from tailfirst.contracts import Floats, Head, Ints, PoolView, Selection, Vectors

STEP, LARGEST = 0.03125, 1.0
BLOCK = 2048


class Params(BaseModel):
    """How much may be mixed in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    eps: float | None = Field(None, ge=0)  # e, in units of 1 / sqrt(D); null: grows until there are enough candidates
    iterations: int = Field(10, ge=1)  # of k-means


def select(view: PoolView, budget: int, params: Params, rng: np.random.Generator) -> Selection:
    """`budget` rows: one of each cluster of candidates, then random ones; scores are 1 / (1 + e needed).

    Raises:
        Unavailable: There is no model yet, or no head.
        PoolExhausted: The view has fewer rows than the budget.
    """
    view, order = ordered(view, budget)
    needed, predicted, rival = _needed(view)
    candidates = _candidates(needed, budget, params.eps)
    if len(candidates) >= budget:
        candidates = candidates[_clusters.pick(view.vectors[candidates], budget, params.iterations, rng)]
    fill = filled(candidates, len(needed), budget, rng)
    names = view.class_ids
    reasons = [f"mix:{names[predicted[r]]}|{names[rival[r]]}" for r in candidates] + ["fill"] * len(fill)
    rows = np.concatenate([candidates, fill])
    return selection(order, rows, 1 / (1 + needed[rows]), reasons)


def score(view: PoolView, params: Params, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """(N,) 1 / (1 + e needed): 1 = between two classes, 0 = no mixing changes the class.

    Raises:
        Unavailable: There is no model yet, or no head.
    """
    inner, order = ordered(view, 0)
    result = np.empty(len(order))
    result[order] = 1 / (1 + _needed(inner)[0])
    return result


def _candidates(needed: Floats, budget: int, eps: float | None) -> Ints:
    ladder = np.arange(STEP, LARGEST + STEP / 2, STEP) if eps is None else np.array([eps])
    for step in ladder:
        found = np.flatnonzero(needed < step)
        if len(found) > budget:
            break
    return found.astype(np.int64)


def _needed(view: PoolView) -> tuple[Floats, Ints, Ints]:
    """(N,) the smallest e that changes the class (infinite: none does), the class, and the one it changes to."""
    head, classes = _dropout.head_of(view), _dropout.class_order(view)
    anchors = _anchors(view)
    predicted = np.argsort(classes)[_probs.look(view, entropies=False, margins=False).first]
    needed, rival = np.full(len(predicted), np.inf), np.zeros(len(predicted), np.int64)
    if view.probs is None or not len(anchors):
        return needed, classes[predicted], rival
    weights = head.weights[classes]
    for start in range(0, len(predicted), BLOCK):
        rows = slice(start, start + BLOCK)
        step, rival[rows] = _change(
            view.vectors[rows], view.probs[rows][:, classes], predicted[rows], Head(weights, head.scale)
        )
        reach = np.sqrt(_clusters.squared(view.vectors[rows], anchors).max(axis=1))
        needed[rows] = np.divide(step, reach, out=np.full(len(step), np.inf), where=reach > 0)
    return needed * np.sqrt(view.vectors.shape[1]), classes[predicted], classes[rival]


def _change(block: Vectors, probs: Floats, predicted: Ints, head: Head) -> tuple[Floats, Ints]:
    """(n,) length of the step along g / ||g|| after which another class leads, and that class."""
    weights = head.weights.astype(np.float64)
    pick = np.arange(len(block)), predicted
    logits = head.scale * (block @ head.weights.T).astype(np.float64)
    away = probs.copy()
    away[pick] -= 1
    gram = away @ (weights @ weights.T)  # g = scale * away @ W, so W g = scale * gram and ||g||^2 = scale^2 away . gram
    length = np.sqrt(np.maximum((away * gram).sum(axis=1), 0))[:, None]
    slope = np.divide(head.scale * gram, length, out=np.zeros_like(gram), where=length > 0)
    gain = slope - slope[pick][:, None]
    room = np.maximum(logits[pick][:, None] - logits, 0)
    steps = np.divide(room, gain, out=np.full_like(room, np.inf), where=gain > 0)
    steps[pick] = np.inf
    rival = steps.argmin(axis=1)
    return steps[np.arange(len(block)), rival], rival


def _anchors(view: PoolView) -> Vectors:
    """(A, D) one row per class that has labels or a prototype, classes by id."""
    found = []
    for c in _dropout.class_order(view):
        members = view.labeled_vectors[view.labeled_classes == c]
        if len(members):
            found.append(members.mean(axis=0, dtype=np.float64).astype(np.float32))
        elif view.prototypes is not None:
            found.append(view.prototypes[c])
    return np.array(found, np.float32).reshape(-1, view.vectors.shape[1])
