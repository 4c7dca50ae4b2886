"""The diversity stage: in each group of a draft other rows of nearly the same score (specs/methods.md section 2)."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tailfirst.acquisition import _quota, _rows
from tailfirst.acquisition._quota import Draft
from tailfirst.contracts import Floats, Ints, PoolView

CHOSEN = ("quota", "score")  # stages whose picks are chosen anew; search and fill picks stay
Spread = Callable[[PoolView, int], Ints]  # (a view of the candidates, how many) -> that many rows of it


def diversify(view: PoolView, draft: Draft, scores: Floats, kappa: int, spread: Spread) -> Draft:
    """The draft with each group's q picks chosen by `spread` from the kappa * q best rows of its queue.

    Numbers per group, and places of groups in the buying order, stay; inside a group the best score is bought first.
    The candidates' view holds the rows chosen so far as labeled ones, so that a stage that covers space goes on from
    them, and no prototypes: classes are the quota's business.
    """
    anew = np.isin(np.array(draft.stages, np.str_), CHOSEN)
    rows = draft.rows.copy()
    taken = rows[~anew].tolist()
    classes = _quota.predicted(view) if len(draft.before) == 0 and (draft.classes >= 0).any() else None
    for group in np.unique(draft.groups[anew]):
        places = np.flatnonzero(anew & (draft.groups == group))
        free = draft.queues[group][~np.isin(draft.queues[group], taken)][: kappa * len(places)]
        if len(free) > len(places):
            free = free[spread(_candidates(view, free, taken), len(places))]
            rows[places] = free[_rows.best(scores[free], view.item_ids[free], len(free))]
        taken += rows[places].tolist()
    stages = tuple("diversify" if new else stage for new, stage in zip(anew, draft.stages, strict=True))
    return replace(draft, rows=rows, stages=stages, classes=draft.classes if classes is None else classes[rows])


def _candidates(view: PoolView, rows: Ints, taken: list[int]) -> PoolView:
    inner = _rows.subset(view, rows)
    return replace(
        inner,
        prototypes=None,
        labeled_vectors=np.concatenate([view.labeled_vectors, view.vectors[taken]]),
        labeled_classes=np.concatenate([view.labeled_classes, np.zeros(len(taken), np.int64)]),
    )
