"""MaxHerding: greedy kernel coverage (Bae, Noh and Sutherland 2024, arXiv 2407.12212).

Coverage of a set L is C(L) = mean_x max_{l in L} k(x, l) over the pool, and each pick is the item that raises it most:
mean_x max(k(x, c) - max_{l in L} k(x, l), 0), where L holds labels and earlier picks (with an empty L the first pick is
the densest item). k(x, y) = exp(-gamma ||x - y||^2). With a kernel that is 1 within a radius and 0 outside this is
ProbCover; a smooth one has no radius that can be wrong.

No model is needed. Gains only fall (the objective is submodular), so old gains are upper bounds and most items need no
new one: the picks are those of the plain greedy rule. The mean runs over at most `targets` random items (its standard
error is below 0.008 at the default), and above `max_rows` items a uniform random subpool competes: 256 MiB of kernel
values at most, whatever the pool.

gamma is 1 / mean ||x - y||^2 by default, so that a typical pair has k = 1 / e whatever cone the encoder's features lie
in (scikit-activeml takes 1 / D, with which unit rows are all alike).
"""

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.acquisition._ordered import filled, ordered, selection
from tailfirst.contracts import Floats, Ints, PoolView, Selection, Vectors

BLOCK = 512
FIRST = 64  # rows whose gain is renewed at once, doubled while that does not settle a pick


class Params(BaseModel):
    """The kernel, and what bounds work and memory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gamma: float | None = Field(None, gt=0)  # null: 1 / mean squared distance
    targets: int = Field(4096, ge=1)
    max_rows: int = Field(16_384, ge=1)


@dataclass(slots=True)
class Coverage:
    """What each candidate covers, and how well each target is covered so far."""

    kernel: Vectors  # (n, T) between candidates and targets
    now: Vectors  # (T,) the largest value to a label or pick

    def gains(self, rows: Ints) -> Floats:
        """(len(rows),) what each candidate would add to the mean."""
        result = np.empty(len(rows))
        for start in range(0, len(rows), BLOCK):
            more = self.kernel[rows[start : start + BLOCK]]
            more -= self.now
            result[start : start + BLOCK] = np.maximum(more, 0, out=more).mean(axis=1)
        return result

    def add(self, row: int) -> None:
        """Take a candidate."""
        np.maximum(self.now, self.kernel[row], out=self.now)


def select(view: PoolView, budget: int, params: Params, rng: np.random.Generator) -> Selection:
    """`budget` rows in the order of the greedy rule; scores are gains of coverage.

    Raises:
        PoolExhausted: The view has fewer rows than the budget.
    """
    view, order = ordered(view, budget)
    rows = _drawn(len(order), params.max_rows, rng)
    targets = view.vectors[_drawn(len(order), params.targets, rng)]
    gamma = params.gamma or 1 / spread(targets)
    coverage = Coverage(kernel(view.vectors[rows], targets, gamma), covered(view.labeled_vectors, targets, gamma))
    picks, gains = greedy(coverage, min(budget, len(rows)))
    chosen = rows[picks]
    rest = filled(chosen, len(order), budget, rng)
    reasons = [f"covers:+{gain:.4f}" for gain in gains] + ["fill"] * len(rest)
    scores = np.concatenate([gains, np.zeros(len(rest))])
    return selection(order, np.concatenate([chosen, rest]), scores, reasons)


def greedy(coverage: Coverage, count: int) -> tuple[Ints, Floats]:
    """(count,) rows and their gains; equal gains go to the first row.

    Args:
        coverage: Of n candidates; changed on the way.
        count: At most n.
    """
    bounds = coverage.gains(np.arange(len(coverage.kernel) if count else 0))
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
            bounds[rivals] = coverage.gains(rivals)
            fresh[rivals] = True
            size *= 2
        picks[place], gains[place] = best, bounds[best]
        coverage.add(best)
        bounds[best] = -1
        fresh[:] = False
        fresh[picks[: place + 1]] = True
    return picks, gains


def kernel(rows: Vectors, targets: Vectors, gamma: float) -> Vectors:
    """(n, T) exp(-gamma ||x - t||^2) of unit rows."""
    values = np.empty((len(rows), len(targets)), np.float32)
    for start in range(0, len(rows), BLOCK):
        block = np.matmul(rows[start : start + BLOCK], targets.T, out=values[start : start + BLOCK])
        block -= 1
        block *= np.float32(2 * gamma)
        np.exp(np.minimum(block, 0, out=block), out=block)
    return values


def covered(labeled: Vectors, targets: Vectors, gamma: float) -> Vectors:
    """(T,) the largest kernel value of each target to a labeled row; 0 without labels."""
    now = np.zeros(len(targets), np.float32)
    for start in range(0, len(labeled), BLOCK):
        np.maximum(now, kernel(labeled[start : start + BLOCK], targets, gamma).max(axis=0), out=now)
    return now


def spread(rows: Vectors) -> float:
    """Mean squared distance between two of the unit rows, 2 - 2 ||mean||^2; 1 where all are equal."""
    found = 2 - 2 * float((rows.mean(axis=0, dtype=np.float64) ** 2).sum()) if len(rows) else 0.0
    return found if found > 1e-6 else 1.0


def _drawn(total: int, count: int, rng: np.random.Generator) -> Ints:
    return np.arange(total) if total <= count else np.sort(rng.choice(total, count, replace=False))
