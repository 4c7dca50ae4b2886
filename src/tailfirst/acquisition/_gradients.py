"""k-means++ draws over gradient embeddings g = a outer b, a = p - onehot(argmax p), b = the vector, without making g.

    |g - h|^2 = |a_g|^2 |b_g|^2 + |a_h|^2 |b_h|^2 - 2 (a_g . a_h) (b_g . b_h)

Every row has a weight, its squared distance to the nearest pick at the last time all rows were looked at. Picks only
lower distances, so the weight stays an upper bound: a row is proposed with probability proportional to its weight and
accepted with probability (distance now) / weight, which is a draw from the distances of now. Only proposals are
compared with the picks since; all rows are when so few proposals are accepted that this costs less.

Work: one pass over the rows for the norms and one per update of the weights; memory 24 bytes per row and a few blocks.
"""

from dataclasses import dataclass

import numpy as np

from tailfirst.acquisition import _probs
from tailfirst.contracts import Floats, Ints, PoolView, Vectors

BLOCK = 4096
PROPOSALS = 256  # drawn at once
COST = 4  # of a proposal, in rows looked at in one pass
ROUNDING = 4e-6  # of |g|^2 + |h|^2: squared distances below are copies


@dataclass(frozen=True, slots=True)
class Factors:
    """Gradients of some rows in two factors."""

    errors: Vectors  # (n, C) a
    vectors: Vectors  # (n, D) b
    squares: Vectors  # (n,) |g|^2

    def at(self, places: Ints | slice) -> "Factors":
        """Some of them."""
        return Factors(self.errors[places], self.vectors[places], self.squares[places])

    def to(self, others: "Factors") -> Vectors:
        """(n, k) squared distances; those below rounding are 0."""
        both = self.squares[:, None] + others.squares
        found = self.errors @ others.errors.T
        found *= self.vectors @ others.vectors.T
        found *= -2
        found += both
        both *= ROUNDING
        found[found < both] = 0
        return found


def factors(view: PoolView, rows: Ints | slice) -> Factors:
    """The gradients of rows of a view.

    Raises:
        Unavailable: There is no model yet.
    """
    errors = _probs.rows(view, rows).astype(np.float32)
    errors[np.arange(len(errors)), errors.argmax(axis=1)] -= 1
    vectors = view.vectors[rows]
    squares = np.einsum("ij,ij->i", errors, errors) * np.einsum("ij,ij->i", vectors, vectors)
    return Factors(errors, vectors, squares)


def draw(view: PoolView, order: Ints, budget: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Places in `order` as drawn, and their squared distances then; fewer than the budget if only copies are left.

    Args:
        view: The pool.
        order: (N,) rows of the view by item id: draws must not depend on how the pool is sorted.
        budget: Draws.
        rng: Its only use.

    Raises:
        Unavailable: There is no model yet.
    """
    norms = _norms(view, order)
    if not budget or not norms.max(initial=0):
        return np.zeros(0, np.int64), np.zeros(0)
    chosen, squares = [int(norms.argmax())], [float(norms.max())]
    weights = (np.sqrt(norms) + np.sqrt(norms.max())) ** 2  # the triangle bound saves looking at all rows for one pick
    weights[chosen] = 0
    known = 0  # picks that the weights know of
    while len(chosen) < budget and weights.any():
        _propose(view, order, weights, budget, rng, chosen, squares, known)
        if len(chosen) < budget:
            _lower(weights, view, order, factors(view, order[np.array(chosen[known:])]))
            weights[chosen], known = 0, len(chosen)
    return np.array(chosen, np.int64), np.array(squares)


def _propose(
    view: PoolView,
    order: Ints,
    weights: Floats,
    budget: int,
    rng: np.random.Generator,
    chosen: list[int],
    squares: list[float],
    known: int,
) -> None:
    """Draw from stale weights until the batch is full or too few proposals are accepted."""
    sums = np.cumsum(weights)
    fresh = factors(view, order[np.array(chosen[known:], np.int64)])  # picks the weights do not know of
    while len(chosen) < budget:
        count = min(PROPOSALS, 2 * (budget - len(chosen)) + 8)
        places = np.minimum(np.searchsorted(sums, rng.random(count) * sums[-1], side="right"), len(order) - 1)
        chances = rng.random(count) * weights[places]
        proposed = factors(view, order[places])
        now = np.minimum(weights[places], proposed.to(fresh).min(axis=1, initial=np.inf))
        among = proposed.to(proposed)
        taken: list[int] = []
        for k in range(count):
            if chances[k] < now[k] and len(chosen) < budget:
                taken.append(k)
                chosen.append(int(places[k]))
                squares.append(float(now[k]))
                now = np.minimum(now, among[k])
                now[places == places[k]] = 0
        fresh = _joined(fresh, proposed.at(np.array(taken, np.int64)))
        left, since = budget - len(chosen), len(chosen) - known
        proposals = left * count / (len(taken) + 0.5)  # it will take at this rate
        if COST * proposals * (since + PROPOSALS) > len(order) * since:
            return


def _joined(first: Factors, second: Factors) -> Factors:
    return Factors(
        np.concatenate([first.errors, second.errors]),
        np.concatenate([first.vectors, second.vectors]),
        np.concatenate([first.squares, second.squares]),
    )


def _norms(view: PoolView, order: Ints) -> Floats:
    """(N,) |g|^2. Given probabilities are read as they lie: without a product no row depends on its neighbors."""
    result, given = np.empty(len(order)), view.probs is not None
    for start in range(0, len(order), BLOCK):
        rows = slice(start, start + BLOCK)
        result[rows] = factors(view, rows if given else order[rows]).squares
    return result[order] if given else result


def _lower(weights: Floats, view: PoolView, order: Ints, picks: Factors) -> None:
    """Bring the weights up to date with picks they do not know of."""
    for start in range(0, len(order), BLOCK):
        rows = slice(start, start + BLOCK)
        if weights[rows].any():
            found = factors(view, order[rows])
            for first in range(0, len(picks.squares), PROPOSALS):
                nearest = found.to(picks.at(slice(first, first + PROPOSALS))).min(axis=1)
                np.minimum(weights[rows], nearest, out=weights[rows])
