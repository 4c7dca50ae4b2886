"""Rows of a view in an order that does not depend on how the pool happens to be sorted."""

from dataclasses import replace

import numpy as np

from tailfirst.contracts import Floats, Ids, Ints, PoolView, Selection
from tailfirst.errors import PoolExhausted

PREFIX = 8  # characters of an id that fit into one number


def enough(view: PoolView, budget: int) -> None:
    """Make sure that the view can fill the budget.

    Raises:
        PoolExhausted: Fewer rows than the budget.
    """
    if budget > len(view.item_ids):
        raise PoolExhausted(
            f"asked for {budget} items, the pool has {len(view.item_ids)} eligible ones; lower acquisition.budget to "
            f"{len(view.item_ids)} or add items to the pool"
        )


def by_id(item_ids: Ids) -> Ints:
    """(N,) rows sorted by item id: by the first characters as one number, and by the rest where these are equal."""
    width = item_ids.dtype.itemsize // 4
    if len(item_ids) < 2 or not width:
        return np.arange(len(item_ids))
    letters = np.ascontiguousarray(item_ids).view(np.uint32).reshape(len(item_ids), width)[:, :PREFIX]
    if letters.max() >= 256:
        return np.argsort(item_ids, kind="stable").astype(np.int64)
    keys = np.zeros(len(item_ids), np.uint64)
    for column in letters.T:
        keys *= np.uint64(256)
        keys += column
    order = np.argsort(keys, kind="stable").astype(np.int64)
    same = keys[order[1:]] == keys[order[:-1]]
    unclear = np.concatenate([same, [False]]) | np.concatenate([[False], same])
    rows = order[unclear]
    order[unclear] = rows[np.argsort(item_ids[rows], kind="stable")]
    return order


def best(scores: Floats, item_ids: Ids, count: int) -> Ints:
    """The `count` rows with the highest scores, best first; equal scores in the order of their item ids."""
    if count <= 0:
        return np.zeros(0, np.int64)
    if count < len(scores):
        edge = np.partition(scores, len(scores) - count)[len(scores) - count]
        above, ties = np.flatnonzero(scores > edge), np.flatnonzero(scores == edge)
        ties = ties[np.argsort(item_ids[ties], kind="stable")][: count - len(above)]
        rows = np.concatenate([above, ties])
    else:
        rows = np.arange(len(scores))
    return rows[np.lexsort((item_ids[rows], -scores[rows]))].astype(np.int64)


def subset(view: PoolView, rows: Ints) -> PoolView:
    """The view of only these rows; labeled rows and counts stay."""
    return replace(
        view,
        item_ids=view.item_ids[rows],
        vectors=view.vectors[rows],
        probs=None if view.probs is None else view.probs[rows],
    )


def ranked(rows: Ints, scores: Floats, reasons: tuple[str, ...]) -> Selection:
    """A deterministic selection of these rows by score: no inclusion probability."""
    return Selection(rows, scores[rows], np.full(len(rows), np.nan), reasons, ("score",) * len(rows))
