"""k-center greedy, lazily: the picks of the definition for a small part of its distances.

Every row has an upper bound of its squared distance to the nearest center: centers only lower it, so a bound that is
out of date is still a bound. Only a working set of the rows with the largest bounds is kept exact. While its farthest
row lies beyond the bounds of all other rows, that row is the next center; otherwise the set is filled anew from the
rows with the largest bounds, which first catch up with the centers they have not seen. In high dimensions most centers
lower few bounds, so a set lasts for many picks.

Distances come from float32 products. Rows closer to the farthest than their rounding are decided in float64, then by
item id; rows closer than that to a center count as copies of it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailfirst.contracts import Floats, Ids, Ints, Vectors

SET = 2048  # rows whose distances are kept exact
BLOCK, CENTERS = 4096, 256  # rows and centers of one product
ROUNDING = 4e-6  # of a squared distance of unit vectors from a float32 product
DECIMALS = 12  # of a squared distance in float64
TAKEN = -1.0  # bound of a row that is a center itself


def greedy(vectors: Vectors, item_ids: Ids, labeled: Vectors, budget: int) -> tuple[Ints, Floats]:
    """(B,) rows in the order taken, and their distances to the nearest center at that time (0 where there was none).

    Args:
        vectors: (N, D) unit rows.
        item_ids: (N,) break ties.
        labeled: (M, D) centers there are already.
        budget: Picks, at most N.
    """
    rows, squares = np.zeros(budget, np.int64), np.zeros(budget)
    state = _Lazy(vectors, item_ids, labeled, budget)
    place = 0
    if budget and not len(labeled):
        rows[0] = np.argsort(item_ids, kind="stable")[0]
        state.add(int(rows[0]))
        place = 1
    while place < budget:
        row, square = state.farthest()
        if square <= ROUNDING:  # all that is left are copies of centers
            rows[place:] = state.left()[: budget - place]
            break
        rows[place], squares[place] = row, square
        state.add(row)
        place += 1
    return rows, np.sqrt(squares)


class _Lazy:
    """Bounds of all rows, exact distances of the working set."""

    def __init__(self, vectors: Vectors, item_ids: Ids, labeled: Vectors, budget: int) -> None:
        self.vectors, self.item_ids = vectors, item_ids
        self.centers = np.concatenate([labeled, np.zeros((budget, vectors.shape[1]), np.float32)])
        self.count = len(labeled)  # centers so far
        self.bounds = np.full(len(vectors), np.inf, np.float32)
        self.seen = np.zeros(len(vectors), np.int32)  # centers that a bound knows of
        self.set = np.zeros(0, np.int64)
        self.exact = np.zeros(0, np.float32)  # squared distances of the working set
        self.copies, self.own = vectors[:0], self.exact  # its rows and their squares
        self.beyond = np.inf  # the largest bound outside of it

    def farthest(self) -> tuple[int, float]:
        """The row farthest from its nearest center, and the squared distance."""
        best = self.exact.max(initial=TAKEN)
        if best > self.beyond + ROUNDING:
            near = self.set[self.exact >= best - ROUNDING]
        else:
            self._refill()
            best = self.exact.max()
            near = np.flatnonzero(self.bounds >= best - ROUNDING)
        if len(near) == 1:
            return int(near[0]), float(best)
        precise = self._precise(near)
        ties = near[precise == precise.max()]
        return int(ties[np.argsort(self.item_ids[ties], kind="stable")[0]]), float(precise.max())

    def add(self, row: int) -> None:
        """Make a row a center."""
        center = self.vectors[row]
        self.centers[self.count] = center
        self.count += 1
        self.bounds[row] = TAKEN  # for good: bounds only fall
        squares = self.own + center @ center - 2 * (self.copies @ center)
        np.minimum(self.exact, np.maximum(squares, 0), out=self.exact)
        self.exact[self.set == row] = TAKEN

    def left(self) -> Ints:
        """All rows that are no centers, by item id."""
        rows = np.flatnonzero(self.bounds != TAKEN)
        return rows[np.argsort(self.item_ids[rows], kind="stable")]

    def _refill(self) -> None:
        """A new working set: rows with the largest bounds, as many as it takes until none outside can be farther."""
        if not len(self.set):
            self._all_catch_up()
        self.bounds[self.set], self.seen[self.set] = self.exact, self.count
        total, size = len(self.vectors), SET
        while True:
            size = min(size, total)
            split = np.argpartition(self.bounds, total - size)
            top, beyond = split[total - size :], self.bounds[split[: total - size]].max(initial=TAKEN)
            self._catch_up(top)
            if size == total or self.bounds[top].max() > beyond + ROUNDING:
                break
            size *= 4
        if size > SET:
            split = np.argpartition(self.bounds[top], size - SET)
            beyond = max(beyond, self.bounds[top[split[: size - SET]]].max())
            top = top[split[size - SET :]]
        self.set, self.exact, self.beyond = top, self.bounds[top], float(beyond)
        self.copies = self.vectors[top]
        self.own = np.einsum("ij,ij->i", self.copies, self.copies)

    def _catch_up(self, rows: Ints) -> None:
        """Lower the bounds of rows to the centers they have not seen."""
        behind = rows[(self.seen[rows] < self.count) & (self.bounds[rows] != TAKEN)]
        behind = behind[np.argsort(self.seen[behind], kind="stable")]  # rows of a block miss about the same centers
        for start in range(0, len(behind), BLOCK):
            some = behind[start : start + BLOCK]
            new = self.centers[self.seen[some].min() : self.count]
            self.bounds[some] = np.minimum(self.bounds[some], _nearest(self.vectors[some], new))
            self.seen[some] = self.count

    def _all_catch_up(self) -> None:
        """The same for all rows, without copies of them."""
        for start in range(0, len(self.bounds), BLOCK):
            rows = slice(start, start + BLOCK)
            self.bounds[rows] = np.minimum(self.bounds[rows], _nearest(self.vectors[rows], self.centers[: self.count]))
        self.seen[:] = self.count

    def _precise(self, rows: Ints) -> Floats:
        """(n,) squared distances to the nearest center, in float64."""
        result = np.empty(len(rows))
        for start in range(0, len(rows), BLOCK):
            some = self.vectors[rows[start : start + BLOCK]].astype(np.float64)
            result[start : start + BLOCK] = _nearest(some, self.centers[: self.count])
        return result.round(DECIMALS)


def _nearest(vectors: NDArray[Any], centers: Vectors) -> NDArray[Any]:
    """(n,) squared distances to the nearest center, in the precision of `vectors`."""
    least = np.full(len(vectors), np.inf, vectors.dtype)
    for start in range(0, len(centers), CENTERS):
        some = centers[start : start + CENTERS].astype(vectors.dtype, copy=False)
        halves = vectors @ some.T
        halves -= np.einsum("ij,ij->i", some, some) / 2
        np.minimum(least, -2 * halves.max(axis=1), out=least)
    result: NDArray[Any] = np.maximum(least + np.einsum("ij,ij->i", vectors, vectors), 0)
    return result
