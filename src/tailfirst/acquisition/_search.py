"""The search for members of classes whose queue is too short (specs/alor.md 7.9), classes in the order of their ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tailfirst.acquisition import _rows
from tailfirst.acquisition._fill import Filling, one_hot
from tailfirst.contracts import Floats, Ints, PoolView, Vectors

PULL = 4  # k in beta = k / (k + labels): how many labels weigh as much as the prototype
BLOCK = 16_384


@dataclass(frozen=True, slots=True)
class Anchors:
    """Where to look for each class; rows of classes without an anchor are zero."""

    vectors: Vectors  # (C, D)
    known: NDArray[np.bool_]  # (C,)


def anchors(view: PoolView, how: Literal["none", "text", "prototype"], order: Ints) -> Anchors:
    """a_c = norm(beta t_c + (1 - beta) mean of labeled z); `text` uses t_c alone."""
    count, dim = len(order), view.vectors.shape[1]
    result = np.zeros((count, dim), np.float64)
    if how == "none":
        return Anchors(result.astype(np.float32), np.zeros(count, np.bool_))
    labels = np.bincount(view.labeled_classes, minlength=count)[order]
    has_text = view.prototypes is not None
    for place, c in enumerate(order):
        beta = 1.0 if how == "text" else PULL / (PULL + labels[place])
        if view.prototypes is not None:
            result[place] = beta * view.prototypes[c]
        if how == "prototype" and labels[place]:
            mean = view.labeled_vectors[view.labeled_classes == c].mean(axis=0, dtype=np.float64)
            result[place] += (1 - beta if has_text else 1.0) * mean
    lengths = np.linalg.norm(result, axis=1)
    known = lengths > 0
    return Anchors((result / np.where(known, lengths, 1)[:, None]).astype(np.float32), known)


def exhausted(view: PoolView, order: Ints, after: int | None, least: int) -> NDArray[np.bool_]:
    """(C,) classes whose last searches brought no member, while the pool has not grown: they may be used up (7.9).

    A class with any answer that named it in these searches, or with one of them over a smaller pool, is searched on.

    Args:
        view: Its `searches` are the evidence; those without any answer are none.
        order: (C,) rows of class_ids in the order of class ids.
        after: How many searches in a row; None = no class is ever exhausted.
        least: Answers that they need together.
    """
    result = np.zeros(len(order), np.bool_)
    if after is None:
        return result
    size = view.pool_size + view.taken_down
    for place, c in enumerate(order.tolist()):
        last = [one for one in view.searches if one.class_row == c and one.answers][-after:]
        grown = any(one.pool_size is None or one.pool_size < size for one in last)
        enough = len(last) == after and sum(one.answers for one in last) >= least
        result[place] = enough and not grown and not any(one.members for one in last)
    return result


def shortage(
    counts: Floats, queued: Sequence[int], budget: int, cap: int, where: Anchors, spent: NDArray[np.bool_] | None = None
) -> Ints:
    """(C,) picks that the loop would want beyond each queue, for classes that can be searched.

    The wanted picks are those of the same loop with endless queues, where a pick counts 1 for its class. A class that
    is `spent` (C,) wants no more than its queue, so that what it cannot get goes to the others.
    """
    if not where.known.any():
        return np.zeros(len(counts), np.int64)
    used_up = np.zeros(len(counts), np.bool_) if spent is None else spent
    lengths = np.where(used_up, np.minimum(queued, budget), budget)
    endless = [np.arange(c * budget, c * budget + length) for c, length in enumerate(lengths.tolist())]
    wish = Filling(counts.copy(), endless, cap, lambda _, c: one_hot(c, len(counts)))
    wish.run(budget, "", "")
    wish.reopen()
    wish.run(budget, "", "")
    searched = where.known & ~used_up
    return np.where(searched, np.maximum(wish.taken - np.array(queued), 0), 0).astype(np.int64)


def trim(short: Ints, limit: int) -> Ints:
    """The shortage cut to `limit` in all, always from the largest (equal ones: from the last class id)."""
    result = short.copy()
    while result.sum() > limit:
        largest = np.flatnonzero(result == result.max())
        result[largest[-1]] -= 1
    return result


def find(view: PoolView, where: Anchors, wanted: Ints, taken: Ints) -> list[tuple[int, int]]:
    """(row, class) pairs by falling score: at most `wanted[c]` per class, every row once, none already taken.

    Scores z . a_c are standardised per class over the pool, so that classes near everything do not win everywhere.
    """
    classes = np.flatnonzero(wanted)
    total = int(wanted.sum())
    if not total:
        return []
    free = np.ones(len(view.item_ids), np.bool_)
    free[taken] = False
    scores = _standardised(view, where.vectors[classes])
    pairs = []
    for column, c in enumerate(classes.tolist()):
        rows = np.flatnonzero(free)
        top = rows[_rows.best(scores[rows, column], view.item_ids[rows], min(total, len(rows)))]
        pairs += [(-float(scores[row, column]), c, str(view.item_ids[row]), int(row)) for row in top]
    left, found, used = wanted.copy(), [], set[int]()
    for _, c, _, row in sorted(pairs):
        if left[c] and row not in used:
            used.add(row)
            left[c] -= 1
            found.append((row, c))
    return found


def _standardised(view: PoolView, wanted: Vectors) -> Floats:
    """(N, K) scores, each column with mean 0 and deviation 1 over the pool; sums run in the order of item ids."""
    scores = np.empty((len(view.item_ids), len(wanted)))
    order = _rows.by_id(view.item_ids)
    for start in range(0, len(order), BLOCK):
        rows = order[start : start + BLOCK]
        scores[rows] = view.vectors[rows] @ wanted.T
    sorted_scores = scores[order]
    spread = sorted_scores.std(axis=0)
    result: Floats = (scores - sorted_scores.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return result
