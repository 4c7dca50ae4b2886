"""Centroid start without a model (specs/methods.md M11, after DropQuery, arXiv 2401.14555).

With prototypes and B >= C: floor(B / 2C), at least one, item per class from the 20 most similar to its prototype
(k-means medoids); the rest, or everything, by k-means over the pool: from each cluster the member nearest the centroid.
"""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.acquisition import _clusters, _rows
from tailfirst.contracts import Ints, PoolView, Selection, Vectors


class Params(BaseModel):
    """How many neighbors of a prototype are looked at, and how long k-means runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    neighbors: int = Field(20, ge=1)
    iterations: int = Field(10, ge=1)


def select(view: PoolView, budget: int, params: Params, rng: np.random.Generator) -> Selection:
    """`budget` rows: first near each prototype (classes by id), then near the centroids of the pool.

    Raises:
        PoolExhausted: The view has fewer rows than the budget.
    """
    _rows.enough(view, budget)
    order = _rows.by_id(view.item_ids)
    free = np.ones(len(order), np.bool_)
    rows: list[int] = []
    reasons: list[str] = []
    if view.prototypes is not None and 0 < len(view.class_ids) <= budget:
        share = max(1, budget // (2 * len(view.class_ids)))
        for c in np.argsort(np.array(view.class_ids), kind="stable"):
            found = _near(view, order[free[order]], view.prototypes[c], share, params, rng)
            free[found] = False
            rows += found.tolist()
            reasons += [f"near:{view.class_ids[c]}"] * len(found)
    rest = order[free[order]]
    picks = rest[_clusters.pick(view.vectors[rest], budget - len(rows), params.iterations, rng)]
    rows += picks.tolist()
    reasons += ["centroid"] * len(picks)
    chosen = np.array(rows, np.int64)
    blank = np.full(len(chosen), np.nan)
    return Selection(chosen, np.zeros(len(chosen)), blank, tuple(reasons), ("score",) * len(chosen))


def _near(view: PoolView, rows: Ints, prototype: Vectors, share: int, params: Params, rng: np.random.Generator) -> Ints:
    similar = (view.vectors[rows] @ prototype).astype(np.float64)
    near = np.sort(rows[_rows.best(similar, view.item_ids[rows], min(max(params.neighbors, share), len(rows)))])
    near = near[np.argsort(view.item_ids[near], kind="stable")]
    return near[_clusters.pick(view.vectors[near], min(share, len(near)), params.iterations, rng)]
