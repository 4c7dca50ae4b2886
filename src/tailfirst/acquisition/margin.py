"""Margin: score = 1 - (p_(1) - p_(2)), the items between two classes first (Scheffer, Decomain and Wrobel 2001)."""

import numpy as np
from pydantic import BaseModel

from tailfirst.acquisition import _probs, _rows
from tailfirst.contracts import PoolView, Selection


def select(view: PoolView, budget: int, params: BaseModel, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """`budget` rows with the smallest margin.

    Raises:
        Unavailable: There is no model yet.
        PoolExhausted: The view has fewer rows than the budget.
    """
    _rows.enough(view, budget)
    looks = _probs.look(view, entropies=False)
    scores = 1 - looks.margin
    rows = _rows.best(scores, view.item_ids, budget)
    names = view.class_ids
    return _rows.ranked(rows, scores, tuple(f"margin:{names[looks.first[r]]}|{names[looks.second[r]]}" for r in rows))
