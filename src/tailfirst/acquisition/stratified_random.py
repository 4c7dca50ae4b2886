"""Class-stratified random: an equal share of every predicted class, drawn uniformly (Cochran 1977, chapter 5).

Classes smaller than the share give all they have and the others share the rest; what does not divide goes, one each, to
classes drawn at random. So a class with N_c items, q of them sure and one more with chance r / m, has the inclusion
probability (q + r / m) / N_c for each of its items, which is recorded.
"""

import numpy as np
from pydantic import BaseModel

from tailfirst.acquisition import _quota, _rows
from tailfirst.contracts import Floats, Ints, PoolView, Selection


def select(view: PoolView, budget: int, params: BaseModel, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """`budget` rows in random order, so that a batch cut from its end stays stratified on average.

    Raises:
        Unavailable: There is no model yet.
        PoolExhausted: The view has fewer rows than the budget.
    """
    _rows.enough(view, budget)
    order = _rows.by_id(view.item_ids)
    classes = _quota.predicted(view)[order]
    sizes = np.bincount(classes, minlength=len(view.class_ids))
    sure, chance = shares(sizes, budget)
    quotas = sure.copy()
    open_classes = np.flatnonzero(chance)
    quotas[rng.choice(open_classes, budget - int(sure.sum()), replace=False)] += 1
    drawn = [rng.choice(np.flatnonzero(classes == c), quotas[c], replace=False) for c in np.flatnonzero(quotas)]
    places = rng.permutation(np.concatenate([np.zeros(0, np.int64), *drawn]))
    found = classes[places]
    names = sorted(view.class_ids)
    return Selection(
        rows=order[places],
        scores=np.zeros(budget),
        inclusion_probabilities=(sure[found] + chance[found]) / sizes[found],
        reasons=tuple(f"stratum:{names[c]}" for c in found),
        stages=("score",) * budget,
    )


def shares(sizes: Ints, budget: int) -> tuple[Ints, Floats]:
    """(C,) items that each class gives for sure, and its chance of giving one more.

    Args:
        sizes: (C,) items there are; their sum is at least the budget.
        budget: Items wanted in all.
    """
    level = 0
    while np.minimum(sizes, level + 1).sum() <= budget and level < sizes.max(initial=0):
        level += 1
    sure = np.minimum(sizes, level).astype(np.int64)
    more = sizes > level
    chance = np.where(more, (budget - sure.sum()) / max(int(more.sum()), 1), 0.0)
    return sure, chance
