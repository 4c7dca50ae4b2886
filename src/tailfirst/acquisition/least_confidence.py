"""Least confidence: score = 1 - p_(1), the items whose likeliest class is least likely first.

Lewis and Gale 1994, "A sequential algorithm for training text classifiers"; for many classes Culotta and McCallum 2005.
"""

import numpy as np
from pydantic import BaseModel

from tailfirst.acquisition import _scores
from tailfirst.contracts import Floats, PoolView, Selection


def score(view: PoolView, params: BaseModel, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """(N,) one minus the largest probability, in [0, 1 - 1/C].

    Raises:
        Unavailable: There is no model yet.
    """
    return _scores.score(view, "least_confidence")


def select(view: PoolView, budget: int, params: BaseModel, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """`budget` rows with the smallest largest probability.

    Raises:
        Unavailable: There is no model yet.
        PoolExhausted: The view has fewer rows than the budget.
    """
    return _scores.select(view, budget, "least_confidence", lambda first, _: f"least_confidence:{first}")
