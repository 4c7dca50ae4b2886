"""Class probabilities in blocks: nothing of size N x C is made (specs/methods.md M1).

A view brings them as `probs`, or, for pools whose N x C matrix nobody wants to hold, as the `head` that makes them of
`vectors`; everything in this folder reads them through this module and works with both.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tailfirst.adaptation._linear import softmax
from tailfirst.contracts import Floats, Ints, PoolView
from tailfirst.errors import Unavailable, UserError

BLOCK = 8192
TINY = 1e-300  # p ln p -> 0 for p -> 0


@dataclass(frozen=True, slots=True)
class Looks:
    """What uncertainty scores need to know of each row; classes are rows of class_ids."""

    entropy: Floats  # (N,) nats
    first: Ints  # (N,) likeliest class; equal probabilities: the smaller class id
    second: Ints  # (N,) next class (the same as `first` where there is only one)
    margin: Floats  # (N,) p_(1) - p_(2)


def look(view: PoolView, *, entropies: bool = True, margins: bool = True) -> Looks:
    """Entropy, margin and the two likeliest classes of every row; what is not asked for is zero.

    Raises:
        Unavailable: There is no model yet.
        UserError: Probabilities that are NaN, negative, or do not sum to 1; names the item.
    """
    count = len(view.item_ids)
    looks = Looks(np.zeros(count), np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count))
    for start, probs, classes in blocks(view):
        rows = slice(start, start + len(probs))
        first = probs.argmax(axis=1)
        looks.first[rows] = classes[first]
        if entropies:
            looks.entropy[rows] = entropy(probs)
        if margins:
            second, gap = _runner_up(probs, first)
            looks.second[rows], looks.margin[rows] = classes[second], gap
    return looks


def entropy(probs: Floats) -> Floats:
    """(N,) -sum_c p ln p in nats."""
    result: Floats = -(probs * np.log(np.maximum(probs, TINY))).sum(axis=1)
    return np.maximum(result, 0)  # -0.0 and rounding below zero


def _runner_up(probs: Floats, first: Ints) -> tuple[Ints, Floats]:
    """The column of the next largest (ties: the first column) and p_(1) - p_(2)."""
    rows = np.arange(len(probs))
    top = probs[rows, first]
    if probs.shape[1] == 1:
        return first, top
    rest = probs.copy()
    rest[rows, first] = -1
    second = rest.argmax(axis=1)
    return second, top - rest[rows, second]


def known(view: PoolView) -> bool:
    """Whether there is a model."""
    return view.probs is not None or view.head is not None


def rows(view: PoolView, wanted: Ints | slice) -> Floats:
    """(k, C) probabilities of some rows, classes in the order of `class_ids`.

    Raises:
        Unavailable: There is no model yet.
        UserError: Probabilities that are none; names the item.
    """
    if view.probs is not None:
        found: Floats = view.probs[wanted]
    elif view.head is not None:
        found = softmax(view.head.scale * (view.vectors[wanted] @ view.head.weights.T).astype(np.float64))
    else:
        raise Unavailable(
            "this strategy needs class probabilities and there is no model yet; acquisition.cold_start is used"
        )
    _check(found, view, wanted)
    return found


def blocks(view: PoolView) -> Iterator[tuple[int, Floats, Ints]]:
    """Blocks of (start, (n, C) probabilities, (C,) class of each column).

    Columns are sorted by class id, so that ties do not depend on the order of classes.
    """
    classes = np.argsort(np.array(view.class_ids), kind="stable").astype(np.int64)
    straight = bool((classes == np.arange(len(classes))).all())
    for start in range(0, max(len(view.item_ids), 1), BLOCK):  # an empty view asks once, to learn of a missing model
        probs = rows(view, slice(start, start + BLOCK))
        yield start, np.ascontiguousarray(probs if straight else probs[:, classes]), classes


def _check(probs: Floats, view: PoolView, wanted: Ints | slice) -> None:
    if not len(probs):
        return
    good = (np.abs(probs.sum(axis=1) - 1) < 1e-3) & (probs.min(axis=1) >= 0)  # NaN and infinity fail the sum
    if not good.all():
        row = int(np.argmin(good))
        raise UserError(
            f"item {view.item_ids[wanted][row]}: class probabilities must be finite, >= 0 and sum to 1; found "
            f"{np.array2string(probs[row], threshold=8, precision=4)}; run adapt and predict again"
        )
