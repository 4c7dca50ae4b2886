"""BADGE: k-means++ draws over gradient embeddings (Ash et al. 2020, arXiv 1906.03671; specs/methods.md M4).

The gradient of the loss in the head's weights, with the predicted class taken for the true one, is
g(x) = (p - onehot(argmax p)) outer x. The first pick has the largest norm (as the authors), every further one is drawn
with probability proportional to the squared distance to the nearest pick. The score is that squared distance when the
item was taken. Gradients are never made: _gradients.py draws exactly from the distribution for a fraction of its work.
"""

import numpy as np
from pydantic import BaseModel

from tailfirst.acquisition import _gradients, _rows
from tailfirst.contracts import PoolView, Selection


def select(view: PoolView, budget: int, params: BaseModel, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """`budget` rows in the order drawn, then (reason `fill`) uniform draws where all that is left are copies of picks.

    The chance of a pick depends on the picks before it: no inclusion probability is known.

    Raises:
        Unavailable: There is no model yet.
        PoolExhausted: The view has fewer rows than the budget.
    """
    _rows.enough(view, budget)
    order = _rows.by_id(view.item_ids)
    drawn, squares = _gradients.draw(view, order, budget, rng)
    filled = drawn[:0]
    if len(drawn) < budget:
        filled = rng.choice(np.setdiff1d(np.arange(len(order)), drawn), budget - len(drawn), replace=False)
    return Selection(
        rows=order[np.concatenate([drawn, filled])],
        scores=np.concatenate([squares, np.zeros(len(filled))]),
        inclusion_probabilities=np.full(budget, np.nan),
        reasons=("gradient",) * len(drawn) + ("fill",) * len(filled),
        stages=("score",) * len(drawn) + ("fill",) * len(filled),
    )
