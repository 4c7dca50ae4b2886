"""TypiClust: the most typical item of each cluster without labels.

Hacohen, Dekel and Weinshall 2022, arXiv 2202.02794; specs/methods.md M11.

k-means with min(labels + B, 500) clusters over pool and labeled items. Clusters of more than 5 items are visited in the
order of (fewest labels, largest size), again and again; each visit takes the unlabeled member with the largest
typicality, 1 / (mean distance to its nearest members + 1e-5), over min(20, members // 2) unlabeled members. Members
taken in earlier visits of the batch still count as neighbors; `renew` leaves them out, as the released code does.

No model is needed. Beyond the published rule: a cluster whose members are all taken is passed over, and when no cluster
of more than 5 items has a member left, the smaller ones follow in the same order (the released code drops them). In a
cluster of more than `largest` members as many, drawn at random, compete and are each other's neighbors.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.acquisition import _clusters
from tailfirst.acquisition._ordered import ordered, selection
from tailfirst.contracts import Floats, Ints, PoolView, Selection, Vectors

SAMPLED, PER_CLUSTER = 10, 64  # Lloyd iterations on so many random rows per cluster, before those on all rows
AT_LEAST = 8192  # of these rows, however few the clusters
CLOSE = 1e-5
SAME = 1e-6  # squared distances below are rounding of float32 products and count as 0


class Params(BaseModel):
    """The published constants, and what bounds the work."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_clusters: int = Field(500, ge=1)
    min_size: int = Field(6, ge=1)  # items of a cluster that is visited before the small ones
    neighbors: int = Field(20, ge=1)
    largest: int = Field(2048, ge=2)  # members of a cluster that are compared with each other
    iterations: int = Field(2, ge=0)  # of k-means over all rows, after 10 on a sample
    renew: bool = False  # typicality anew at every visit, among the members that are left


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster of pool and labeled items."""

    members: Ints  # (m,) rows of the view, by item id
    labels: int

    @property
    def size(self) -> int:
        """Items, labeled ones included."""
        return len(self.members) + self.labels


def select(view: PoolView, budget: int, params: Params, rng: np.random.Generator) -> Selection:
    """`budget` rows in the order of visits; scores are typicalities.

    Raises:
        PoolExhausted: The view has fewer rows than the budget.
    """
    view, order = ordered(view, budget)
    found = clusters(view, budget, params, rng)
    large = [cluster for cluster in found if cluster.size >= params.min_size]
    small = [cluster for cluster in found if cluster.size < params.min_size]
    rows: list[int] = []
    scores: list[float] = []
    reasons: list[str] = []
    for group in (large, small):
        for row, typical, cluster in _visits(view.vectors, group, budget - len(rows), params, rng):
            rows.append(row)
            scores.append(typical)
            reasons.append(f"typical:of {cluster.size} items with {cluster.labels} labels")
    return selection(order, rows, np.array(scores), reasons)


def clusters(view: PoolView, budget: int, params: Params, rng: np.random.Generator) -> list[Cluster]:
    """Clusters by (fewest labels, largest size).

    Args:
        view: Rows by item id.
        budget: B.
        params: Number of clusters and iterations.
        rng: Draws the start of k-means.
    """
    total = len(view.vectors)
    rows = np.concatenate([view.vectors, view.labeled_vectors]) if len(view.labeled_vectors) else view.vectors
    count = min(len(view.labeled_vectors) + budget, params.max_clusters, len(rows))
    if count == 0:
        return []
    centers = _clusters.learn(rows, count, SAMPLED, rng, max(PER_CLUSTER, AT_LEAST // count))
    labels, _ = _clusters.assign(rows, _clusters.refine(rows, centers, params.iterations))
    labeled = np.bincount(labels[total:], minlength=count)
    ends = np.cumsum(np.bincount(labels[:total], minlength=count))
    members = np.split(np.argsort(labels[:total], kind="stable"), ends[:-1])
    found = [Cluster(rows, int(known)) for rows, known in zip(members, labeled, strict=True)]
    return sorted(found, key=lambda cluster: (cluster.labels, -cluster.size))


def typicality(vectors: Vectors, neighbors: int) -> Floats:
    """(m,) 1 / (mean distance to the nearest other rows + 1e-5); 0 for a row without others.

    Args:
        vectors: (m, D) members of a cluster.
        neighbors: Nearest rows that count, at most m // 2.
    """
    near = min(neighbors, len(vectors) // 2)
    if not near:
        return np.zeros(len(vectors))
    squares = vectors @ vectors.T  # of one array: BLAS computes half of it
    own = squares.diagonal().copy()
    squares *= -2
    squares += own
    squares += own[:, None]
    squares[squares < SAME] = 0
    np.fill_diagonal(squares, np.inf)
    squares.partition(near - 1, axis=1)
    closest = np.sort(squares[:, :near], axis=1)  # sorted: the sum has one order
    mean: Floats = np.sqrt(closest).mean(axis=1, dtype=np.float64)
    return 1 / (mean + CLOSE)


def _visits(
    vectors: Vectors, group: Sequence[Cluster], count: int, params: Params, rng: np.random.Generator
) -> Iterator[tuple[int, float, Cluster]]:
    """(row, typicality, cluster) of up to `count` visits, cluster after cluster, again and again."""
    queues: list[tuple[Ints, Floats]] = []
    for turn in range(max((len(cluster.members) for cluster in group), default=0)):
        for k, cluster in enumerate(group):
            if count == 0:
                return
            if turn == 0:
                queues.append(_queue(vectors, cluster.members, params, rng))
            rows, typical = queues[k]
            if turn < len(rows):
                if params.renew and turn:
                    left = _queue(vectors, np.sort(rows[turn:]), params, rng)
                    rows[turn:], typical[turn:] = left
                yield int(rows[turn]), float(typical[turn]), cluster
                count -= 1


def _queue(vectors: Vectors, members: Ints, params: Params, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Members by (largest typicality, item id) with it; those of a large cluster that were not drawn come last."""
    drawn = members
    if len(members) > params.largest:
        drawn = np.sort(rng.choice(members, params.largest, replace=False))
    typical = typicality(vectors[drawn], params.neighbors)
    best = np.argsort(-typical, kind="stable")
    others = np.setdiff1d(members, drawn)
    return np.concatenate([drawn[best], others]), np.concatenate([typical[best], np.zeros(len(others))])
