"""ProbCover: balls of one radius that cover most of what no label covers.

Yehuda et al. 2022, arXiv 2205.11320; specs/methods.md M11.

An item covers what is closer than delta. Items within delta of a labeled one are covered; then B times the item is
taken whose ball holds the most uncovered items, and its ball is covered. delta is the largest radius, at most 1 on unit
rows, at which 95 % of balls hold one k-means pseudo-class only (k = C), measured on `balls` of them.

No model is needed and classes are ignored. Beyond the published rule: where everything is covered, the item farthest
from all labels and picks follows (k-center; the released code takes row 0), and a radius of 0 covers nothing, so the
batch is random. The graph is built for a uniform random subpool above `max_rows` items, or above what makes about
`max_pairs` pairs; all items can still be picked by k-center. Distances have float32 precision (about 0.001 near 0).

The result hangs on delta, as the MaxHerding paper says too. On Caltech-101 with MobileNetV2 features the purity rule
gives 0.58, a ball holds 2.4 items, and the batch is worse than random (docs/how-to/real-text.md makes the workspace,
`python -m tailfirst.backtest --strategies probcover,random --seeds 5 --rounds 3`); MaxHerding needs no such number.
"""

import heapq
from collections.abc import Iterator

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.acquisition import _radius
from tailfirst.acquisition._ordered import filled, ordered, selection
from tailfirst.contracts import Ints, PoolView, Selection, Vectors

BLOCK = 8192


class Params(BaseModel):
    """The radius or what sets it, and what bounds work and memory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    radius: float | None = Field(None, ge=0)  # delta; null: by purity
    purity: float = Field(0.95, gt=0, le=1)
    balls: int = Field(1024, ge=1)
    max_rows: int = Field(100_000, ge=1)
    max_pairs: int = Field(50_000_000, ge=1)


def select(view: PoolView, budget: int, params: Params, rng: np.random.Generator) -> Selection:
    """`budget` rows; scores are shares of the graph's items that a pick newly covers, 0 for the others.

    Raises:
        PoolExhausted: The view has fewer rows than the budget.
    """
    view, order = ordered(view, budget)
    rows, radius = _subpool(view, params, rng) if budget else (np.zeros(0, np.int64), 0.0)
    picks: list[tuple[int, int]] = []
    if radius > 0:
        vectors = view.vectors[rows]
        uncovered = ~_radius.covered(vectors, view.labeled_vectors, radius)
        found = cover(_radius.graph(vectors, radius), uncovered)
        picks = [(int(rows[row]), gain) for (row, gain), _ in zip(found, range(budget), strict=False)]
    chosen = [row for row, _ in picks]
    scores = [gain / len(rows) for _, gain in picks]
    reasons = [f"covers:{gain} items" for _, gain in picks]
    if radius > 0:
        for row, distance in _far(view.vectors, view.labeled_vectors, chosen, budget - len(chosen)):
            chosen.append(row)
            reasons.append(f"far:{distance:.2f}")
    rest = filled(np.array(chosen, np.int64), len(order), budget, rng)
    reasons += ["fill"] * len(rest)
    blank = np.zeros(budget - len(scores))
    return selection(order, [*chosen, *rest.tolist()], np.concatenate([scores, blank]), reasons)


def cover(near: _radius.Graph, uncovered: _radius.Flags) -> Iterator[tuple[int, int]]:
    """(row, newly covered rows) until all are covered: the largest out-degree first, equal ones by row.

    Degrees only fall, so the top of a heap of old degrees is right as soon as it is up to date (lazy greedy).

    Args:
        near: The graph of n rows.
        uncovered: (n,) changed on the way.
    """
    heap = [(-int(degree), row) for row, degree in enumerate(near.degrees(uncovered)) if degree]
    heapq.heapify(heap)
    while heap:
        old, row = heapq.heappop(heap)
        ball = near.near(row)
        degree = int(uncovered[ball].sum())
        if degree == -old:
            uncovered[ball] = False
            yield row, degree
        elif degree:
            heapq.heappush(heap, (-degree, row))


def _subpool(view: PoolView, params: Params, rng: np.random.Generator) -> tuple[Ints, float]:
    """The rows of the graph, by item id, and the radius."""
    total = len(view.vectors)
    rows = _drawn(np.arange(total), params.max_rows, rng)
    vectors = view.vectors if len(rows) == total else view.vectors[rows]
    balls = _drawn(np.arange(len(rows)), params.balls, rng)
    radius = params.radius
    if radius is None:
        radius = _radius.pure_radius(vectors, len(view.class_ids), params.purity, balls, rng)
    if radius > 0:
        share = _radius.density(vectors, balls, radius)
        rows = _drawn(rows, max(1, int(np.sqrt(2 * params.max_pairs / share))), rng)
    return rows, radius


def _drawn(rows: Ints, count: int, rng: np.random.Generator) -> Ints:
    return rows if len(rows) <= count else np.sort(rng.choice(rows, count, replace=False))


def _far(vectors: Vectors, labeled: Vectors, chosen: list[int], count: int) -> Iterator[tuple[int, float]]:
    """(row, distance) of the row farthest from labels and picks, `count` times."""
    if count <= 0:
        return
    centers = np.concatenate([labeled, vectors[chosen]])
    nearest = np.full(len(vectors), np.inf)
    for start in range(0, len(vectors), BLOCK):
        for first in range(0, len(centers), BLOCK):
            products = vectors[start : start + BLOCK] @ centers[first : first + BLOCK].T
            block = nearest[start : start + BLOCK]
            np.minimum(block, np.maximum(2 - 2 * products.max(axis=1), 0), out=block)
    nearest[chosen] = -1
    for _ in range(count):
        row = int(nearest.argmax())
        yield row, float(np.sqrt(nearest[row]))
        np.minimum(nearest, np.maximum(2 - 2 * (vectors @ vectors[row]), 0), out=nearest, where=nearest >= 0)
        nearest[row] = -1
