"""Uniform without replacement: every item has the same chance B/N. The mandatory control of every comparison."""

import numpy as np
from pydantic import BaseModel

from tailfirst.acquisition import _rows
from tailfirst.contracts import Floats, PoolView, Selection


def score(view: PoolView, params: BaseModel, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """(N,) numbers drawn from [0, 1): under a quota, a random order inside every class."""
    scores = np.empty(len(view.item_ids))
    scores[_rows.by_id(view.item_ids)] = rng.random(len(scores))
    return scores


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
