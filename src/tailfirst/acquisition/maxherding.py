"""MaxHerding: greedy kernel coverage (Bae, Noh and Sutherland 2024, arXiv 2407.12212).

Coverage of a set L is C(L) = mean_x max_{l in L} k(x, l) over the pool, and each pick is the item that raises it most:
mean_x max(k(x, c) - max_{l in L} k(x, l), 0), where L holds labels and earlier picks (with an empty L the first pick is
the densest item). k(x, y) = exp(-gamma ||x - y||^2). With a kernel that is 1 within a radius and 0 outside this is
ProbCover; a smooth one has no radius that can be wrong.

No model is needed. Gains only fall (the objective is submodular), so old gains are upper bounds and most items need no
new one: the picks are those of the plain greedy rule, without an N x N kernel. The mean runs over at most `targets`
random items, an error of less than 0.008 of a mean between 0 and 1 at the default; above `max_rows` items a uniform
random subpool competes.
"""

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.acquisition._ordered import filled, ordered, selection
from tailfirst.contracts import Floats, Ints, PoolView, Selection, Vectors

BLOCK = 512
FIRST = 32  # rows whose gain is renewed at once, doubled while that does not settle a pick


class Params(BaseModel):
    """The kernel, and what bounds work and memory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gamma: float | None = Field(None, gt=0)  # null: see `width`
    targets: int = Field(4096, ge=1)
    max_rows: int = Field(50_000, ge=1)


@dataclass(slots=True)
class Coverage:
    """How well each target is covered so far."""

    targets: Vectors  # (T, D)
    gamma: float
    now: Vectors  # (T,) the largest kernel value to a label or pick

    def kernel(self, rows: Vectors) -> Vectors:
        """(n, T)."""
        found = rows @ self.targets.T
        found -= 1
        found *= np.float32(2 * self.gamma)
        np.minimum(found, 0, out=found)
        values: Vectors = np.exp(found, out=found)
        return values

    def gains(self, rows: Vectors) -> Floats:
        """(n,) what each row would add to the coverage."""
        result = np.empty(len(rows))
        for start in range(0, len(rows), BLOCK):
            values = self.kernel(rows[start : start + BLOCK])
            values -= self.now
            np.maximum(values, 0, out=values)
            result[start : start + BLOCK] = values.mean(axis=1)
        return result

    def add(self, rows: Vectors) -> None:
        """Count rows as covering."""
        for start in range(0, len(rows), BLOCK):
            np.maximum(self.now, self.kernel(rows[start : start + BLOCK]).max(axis=0), out=self.now)


def select(view: PoolView, budget: int, params: Params, rng: np.random.Generator) -> Selection:
    """`budget` rows in the order of the greedy rule; scores are gains of coverage.

    Raises:
        PoolExhausted: The view has fewer rows than the budget.
    """
    view, order = ordered(view, budget)
    rows = _drawn(len(order), params.max_rows, rng)
    targets = view.vectors[_drawn(len(order), params.targets, rng)]
    gamma = params.gamma or width(targets)
    coverage = Coverage(targets, gamma, np.zeros(len(targets), np.float32))
    coverage.add(view.labeled_vectors)
    picks, gains = greedy(view.vectors[rows], coverage, min(budget, len(rows)))
    chosen = rows[picks]
    rest = filled(chosen, len(order), budget, rng)
    reasons = [f"covers:+{gain:.4f}" for gain in gains] + ["fill"] * len(rest)
    scores = np.concatenate([gains, np.zeros(len(rest))])
    return selection(order, np.concatenate([chosen, rest]), scores, reasons)


def greedy(vectors: Vectors, coverage: Coverage, count: int) -> tuple[Ints, Floats]:
    """(count,) rows and their gains; equal gains go to the first row.

    Args:
        vectors: (n, D) candidates.
        coverage: Changed on the way.
        count: At most n.
    """
    bounds = coverage.gains(vectors) if count else np.zeros(0)
    fresh = np.ones(len(bounds), np.bool_)
    picks, gains = np.zeros(count, np.int64), np.zeros(count)
    for place in range(count):
        size = FIRST
        while True:
            best = int(np.where(fresh, bounds, -2).argmax()) if fresh.any() else -1
            lead = bounds[best] if best >= 0 else -2
            rivals = np.flatnonzero(~fresh & ((bounds > lead) | ((bounds == lead) & (np.arange(len(bounds)) < best))))
            if not len(rivals):
                break
            if len(rivals) > size:
                rivals = rivals[np.argpartition(-bounds[rivals], size - 1)[:size]]
            bounds[rivals] = coverage.gains(vectors[rivals])
            fresh[rivals] = True
            size *= 2
        picks[place], gains[place] = best, bounds[best]
        coverage.add(vectors[best : best + 1])
        bounds[best] = -1
        fresh[:] = False
        fresh[picks[: place + 1]] = True
    return picks, gains


def width(targets: Vectors) -> float:
    """gamma from the data."""
    return 1.0


def _drawn(total: int, count: int, rng: np.random.Generator) -> Ints:
    return np.arange(total) if total <= count else np.sort(rng.choice(total, count, replace=False))
