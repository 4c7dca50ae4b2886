"""Uniform without replacement: every item has the same chance B/N. The mandatory control of every comparison."""

import numpy as np
from pydantic import BaseModel

from tailfirst.acquisition import _rows
from tailfirst.contracts import PoolView, Selection


def select(view: PoolView, budget: int, params: BaseModel, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """`budget` rows, in the order drawn.

    Raises:
        PoolExhausted: The view has fewer rows than the budget.
    """
    _rows.enough(view, budget)
    order = _rows.by_id(view.item_ids)
    rows = order[rng.choice(len(order), size=budget, replace=False)] if budget else order[:0]
    chance = np.full(budget, budget / len(order) if budget else 0.0)
    return Selection(rows, np.zeros(budget), chance, ("random",) * budget, ("score",) * budget)
