"""Rows within a radius of each other, and how large the radius may be: blocked products, never an N x N array."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tailfirst.acquisition import _clusters
from tailfirst.contracts import Ints, Vectors

ROWS, COLUMNS = 1024, 8192  # of a block of products: 32 MiB
SAME = 1e-6  # squared distances below are rounding of float32 products and count as 0
LARGEST = 1.0  # radius on unit rows
ITERATIONS = 10  # of the k-means behind the pseudo-classes

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Graph:
    """Neighbors within a radius as CSR. The relation is symmetric: each pair is found once and kept from both sides."""

    after: NDArray[np.int32]  # neighbors with a larger row, of row 0, row 1, ...
    after_ends: Ints  # (n + 1,)
    before: NDArray[np.int32]  # neighbors with a smaller row
    before_ends: Ints

    def near(self, row: int) -> Ints:
        """A row and its neighbors."""
        before = self.before[self.before_ends[row] : self.before_ends[row + 1]]
        after = self.after[self.after_ends[row] : self.after_ends[row + 1]]
        return np.concatenate([before, [row], after])

    def degrees(self, open_rows: Flags) -> Ints:
        """(n,) how many open rows each row has in its ball, itself included."""
        result = open_rows.astype(np.int64)
        for indices, ends in ((self.after, self.after_ends), (self.before, self.before_ends)):
            for start in range(0, len(open_rows), ROWS):
                rows = ends[start : start + ROWS + 1]
                total = np.concatenate([[0], np.cumsum(open_rows[indices[rows[0] : rows[-1]]])])
                result[start : start + ROWS] += np.diff(total[rows - rows[0]])
        return result


def graph(vectors: Vectors, radius: float) -> Graph:
    """Pairs of unit rows closer than the radius.

    Args:
        vectors: (n, D) unit rows.
        radius: Above 0.
    """
    from scipy.sparse import csr_array

    columns: list[NDArray[np.int32]] = []
    counts = np.zeros(len(vectors) + 1, np.int64)
    for start, found in _pairs(vectors, 1 - radius**2 / 2):
        rows, others = (np.concatenate(part) for part in zip(*found, strict=True))
        columns.append(others[np.argsort(rows, kind="stable")])
        counts[start + 1 : start + 1 + ROWS] = np.bincount(rows, minlength=min(ROWS, len(vectors) - start))
    after, ends = np.concatenate(columns), np.cumsum(counts)
    shape = (len(vectors), len(vectors))
    turned = csr_array((np.ones(len(after), np.int8), after, ends), shape=shape).tocsc()
    return Graph(after, ends, turned.indices.astype(np.int32, copy=False), turned.indptr.astype(np.int64))


def _pairs(vectors: Vectors, bound: float) -> Iterator[tuple[int, list[tuple[NDArray[np.int16], NDArray[np.int32]]]]]:
    """For each block of rows the pairs (row in the block, larger row) whose product is above the bound."""
    memory, flags = np.empty(ROWS * COLUMNS, np.float32), np.empty(ROWS * COLUMNS, np.bool_)
    for start in range(0, len(vectors), ROWS):
        block, found = vectors[start : start + ROWS], []
        for first in range(start, len(vectors), COLUMNS):
            others = vectors[first : first + COLUMNS]
            size = len(block) * len(others)
            products = np.matmul(block, others.T, out=memory[:size].reshape(len(block), len(others)))
            above = np.flatnonzero(np.greater(products.reshape(-1), bound, out=flags[:size]))
            row, column = np.divmod(above, len(others))
            later = column + first > row + start
            found.append((row[later].astype(np.int16), (column[later] + first).astype(np.int32)))
        yield start, found


def covered(vectors: Vectors, centers: Vectors, radius: float) -> Flags:
    """(n,) which rows lie within the radius of one of the centers (unit rows)."""
    result = np.zeros(len(vectors), np.bool_)
    for start in range(0, len(vectors), COLUMNS):
        for first in range(0, len(centers), ROWS):
            products = vectors[start : start + COLUMNS] @ centers[first : first + ROWS].T
            result[start : start + COLUMNS] |= products.max(axis=1) > 1 - radius**2 / 2
    return result


def density(vectors: Vectors, rows: Ints, radius: float) -> float:
    """Mean share of all rows within the radius of some of them."""
    near = sum(
        int((vectors[rows] @ vectors[start : start + COLUMNS].T > 1 - radius**2 / 2).sum())
        for start in range(0, len(vectors), COLUMNS)
    )
    return near / (len(rows) * len(vectors))


def pure_radius(vectors: Vectors, classes: int, purity: float, rows: Ints, rng: np.random.Generator) -> float:
    """The largest radius, at most 1, at which a share `purity` of balls holds one k-means pseudo-class only.

    A ball is pure up to the distance of the nearest row of another pseudo-class, so the radius is a quantile of these
    distances; there is nothing to search for.

    Args:
        vectors: (n, D) unit rows by item id.
        classes: Pseudo-classes, C.
        purity: Above 0, at most 1.
        rows: The centers of the balls that are looked at.
        rng: Draws the start of k-means.
    """
    count = min(classes, len(vectors))
    labels, _ = _clusters.assign(vectors, _clusters.learn(vectors, count, ITERATIONS, rng))
    nearest = np.full(len(rows), -1.0)
    for start in range(0, len(vectors), COLUMNS):
        products = vectors[rows] @ vectors[start : start + COLUMNS].T
        products[labels[rows][:, None] == labels[start : start + COLUMNS]] = -1
        nearest = np.maximum(nearest, products.max(axis=1))
    squares = np.sort(2 - 2 * nearest)
    square = squares[int((1 - purity) * len(rows) + 1e-9)] if purity < 1 else squares[0]
    return 0.0 if square < SAME else min(float(np.sqrt(square)), LARGEST)
