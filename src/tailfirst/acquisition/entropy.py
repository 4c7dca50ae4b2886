"""Entropy: score = -sum_c p_c ln p_c, the least certain items first (Settles' survey, 2009, section 3.1)."""

import numpy as np
from pydantic import BaseModel

from tailfirst.acquisition import _scores
from tailfirst.contracts import Floats, PoolView, Selection


def score(view: PoolView, params: BaseModel, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """(N,) entropies in nats, in [0, ln C].

    Raises:
        Unavailable: There is no model yet.
    """
    return _scores.score(view, "entropy")


def select(view: PoolView, budget: int, params: BaseModel, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """`budget` rows with the highest entropy.

    Raises:
        Unavailable: There is no model yet.
        PoolExhausted: The view has fewer rows than the budget.
    """
    return _scores.select(view, budget, "entropy", lambda first, _: f"entropy:{first}")
