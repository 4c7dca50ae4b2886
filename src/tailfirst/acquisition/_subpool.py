"""The subpool stage: which part of the pool the later stages look at (specs/methods.md section 2 and M5)."""

import math
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.acquisition import _quota, _rows, _search
from tailfirst.contracts import Ints, PoolView


class Subpool(BaseModel):
    """Everything, a uniform sample, or what lies near the classes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plugin: Literal["all", "random", "near"] = "all"
    size: int = Field(10_000, ge=1)  # items; a batch that is larger raises it
    explore: float = Field(0.15, ge=0, le=1)  # `near`: share of uniformly drawn items, or places far from all is unseen


def subpool(view: PoolView, budget: int, options: Subpool, rng: np.random.Generator) -> Ints:
    """Rows of the view by item id, at least `budget` and at most max(size, budget) of them.

    `near` takes for every class its share of the rows nearest its anchor, which is its prototype moved toward its
    labeled items (specs/alor.md 7.9), however unlikely the model finds the class there; a row near two classes counts
    for both, and what is left over is drawn uniformly.
    """
    order = _rows.by_id(view.item_ids)
    size = min(len(order), max(options.size, budget))
    if options.plugin == "all" or size == len(order):
        return order
    inside = np.zeros(len(order), np.bool_)
    if options.plugin == "near":
        anchors = _search.anchors(view, "prototype", _quota.by_id(view))
        known = np.flatnonzero(anchors.known)
        share = math.floor((1 - options.explore) * size / max(len(known), 1) + 1e-9)
        for c in known:
            inside[_rows.best((view.vectors @ anchors.vectors[c]).astype(np.float64), view.item_ids, share)] = True
    others = order[~inside[order]]
    inside[rng.choice(others, size - int(inside.sum()), replace=False)] = True
    return order[inside[order]]
