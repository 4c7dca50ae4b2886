"""Entropy: score = -sum_c p_c ln p_c, the least certain items first (Settles' survey, 2009, section 3.1)."""

import numpy as np
from pydantic import BaseModel

from tailfirst.acquisition import _probs, _rows
from tailfirst.contracts import PoolView, Selection


def select(view: PoolView, budget: int, params: BaseModel, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """`budget` rows with the highest entropy.

    Raises:
        Unavailable: There is no model yet.
        PoolExhausted: The view has fewer rows than the budget.
    """
    _rows.enough(view, budget)
    looks = _probs.look(view, margins=False)
    rows = _rows.best(looks.entropy, view.item_ids, budget)
    return _rows.ranked(rows, looks.entropy, tuple(f"entropy:{view.class_ids[looks.first[r]]}" for r in rows))
