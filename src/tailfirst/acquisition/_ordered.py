"""The view sorted by item id: then neither ties nor sums of floats depend on how the pool happens to be sorted."""

from collections.abc import Sequence

import numpy as np

from tailfirst.acquisition import _rows
from tailfirst.contracts import Floats, Ints, PoolView, Selection
from tailfirst.errors import UserError

BLOCK = 8192


def ordered(view: PoolView, budget: int) -> tuple[PoolView, Ints]:
    """The view with its rows by item id, and (N,) which row of `view` each of them is.

    Raises:
        PoolExhausted: The view has fewer rows than the budget.
        UserError: A vector that is not finite; names the item.
    """
    _rows.enough(view, budget)
    for start in range(0, len(view.item_ids), BLOCK):
        block = view.vectors[start : start + BLOCK]
        good = np.isfinite(np.einsum("nd,nd->n", block, block))
        if not good.all():
            item = view.item_ids[start + int(np.argmin(good))]
            raise UserError(f"item {item}: its vector is not finite; run embed (and predict) again")
    order = _rows.by_id(view.item_ids)
    straight = bool((order == np.arange(len(order))).all())
    return (view if straight else _rows.subset(view, order)), order


def selection(order: Ints, rows: Sequence[int] | Ints, scores: Floats, reasons: Sequence[str]) -> Selection:
    """Deterministic picks of an ordered view as rows of the view it was made of.

    Args:
        order: What `ordered` gave.
        rows: (B,) rows of the ordered view, in buying order; what has the reason `fill` was not scored.
        scores: (B,) of these rows.
        reasons: (B,).
    """
    stages = tuple("fill" if why == "fill" else "score" for why in reasons)
    chosen = order[np.asarray(rows, np.int64)]
    return Selection(chosen, np.asarray(scores, np.float64), np.full(len(chosen), np.nan), tuple(reasons), stages)


def filled(rows: Ints, total: int, budget: int, rng: np.random.Generator) -> Ints:
    """(B - len(rows),) rows drawn at random from the other ones."""
    missing = budget - len(rows)
    if missing <= 0:
        return np.zeros(0, np.int64)
    return rng.choice(np.setdiff1d(np.arange(total), rows), missing, replace=False).astype(np.int64)
