"""Margin: score = 1 - (p_(1) - p_(2)), the items between two classes first (Scheffer, Decomain and Wrobel 2001)."""

import numpy as np
from pydantic import BaseModel

from tailfirst.acquisition import _scores
from tailfirst.contracts import Floats, PoolView, Selection


def score(view: PoolView, params: BaseModel, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """(N,) one minus the margin, in [0, 1].

    Raises:
        Unavailable: There is no model yet.
    """
    return _scores.score(view, "margin")


def select(view: PoolView, budget: int, params: BaseModel, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """`budget` rows with the smallest margin.

    Raises:
        Unavailable: There is no model yet.
        PoolExhausted: The view has fewer rows than the budget.
    """
    return _scores.select(view, budget, "margin", lambda first, second: f"margin:{first}|{second}")
