"""Core-Set: k-center greedy from the labeled vectors (Sener and Savarese 2018, arXiv 1708.00489; specs/methods.md M4).

Again and again takes argmax_x min_{a in labeled or taken} |x - a|; ties by item id. The score is that distance when the
item was taken. Without labels all items are equally far from nothing: the first one by item id starts.

The greedy is lazy (_centers.py) and gives the picks of the definition.
"""

import numpy as np
from pydantic import BaseModel

from tailfirst.acquisition import _centers, _rows
from tailfirst.contracts import PoolView, Selection


def select(view: PoolView, budget: int, params: BaseModel, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """`budget` rows in the order taken.

    Raises:
        PoolExhausted: The view has fewer rows than the budget.
    """
    _rows.enough(view, budget)
    rows, distances = _centers.greedy(view.vectors, view.item_ids, view.labeled_vectors, budget)
    reasons, stages = ("coverage",) * budget, ("score",) * budget
    return Selection(rows, distances, np.full(budget, np.nan), reasons, stages)
