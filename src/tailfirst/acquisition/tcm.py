"""TCM: TypiClust first, then Margin (Doucet et al. 2024, arXiv 2403.03728).

Few labels want typical items, a model that has seen some of each class wants items between classes. Until there are
`labels_per_class` labels per class on average (ordered ones included) the batch is TypiClust's; from there on it is
Margin's. A batch in which the number is reached is split there. While there is no model all of it is TypiClust's.
The paper's advice for pre-trained features is an early change; 2 labels per class is a choice of this project.
"""

import math
from dataclasses import replace

import numpy as np
from pydantic import Field

from tailfirst import plugins
from tailfirst.acquisition import _probs, _rows, margin, typiclust
from tailfirst.contracts import PoolView, Selection


class Params(typiclust.Params):
    """TypiClust's, and where it ends."""

    labels_per_class: float = Field(2.0, ge=0)


def select(view: PoolView, budget: int, params: Params, rng: np.random.Generator) -> Selection:
    """`budget` rows; scores are typicalities, then 1 - margin.

    Raises:
        PoolExhausted: The view has fewer rows than the budget.
    """
    _rows.enough(view, budget)
    labels = float(view.n_labeled.sum() + view.n_pending.sum())
    wanted = math.ceil(params.labels_per_class * len(view.class_ids) - labels - 1e-9)
    first = budget if view.probs is None and view.head is None else min(max(wanted, 0), budget)
    if view.probs is not None:
        _probs.look(view, entropies=False, margins=False)  # broken probabilities name their item
    typical = typiclust.select(view, first, params, rng)
    if first == budget:
        return typical
    others = np.setdiff1d(np.arange(len(view.item_ids)), typical.rows)
    between = margin.select(
        _rows.subset(view, others), budget - first, plugins.params("acquisition", "margin", {}), rng
    )
    return replace(
        typical,
        rows=np.concatenate([typical.rows, others[between.rows]]),
        scores=np.concatenate([typical.scores, between.scores]),
        inclusion_probabilities=np.full(budget, np.nan),
        reasons=typical.reasons + between.reasons,
        stages=typical.stages + between.stages,
    )
