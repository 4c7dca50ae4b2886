"""Exact search by matrix products, some rows at a time; needs NumPy only.

Of each product only what beats a query's k-th best so far is looked at: after the first rows that is little, so on one
core the time is nearly that of the products (benchmarks/vector_search.py). That look runs on one core whatever BLAS
does; with many cores the index `faiss` is faster.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.contracts import Index, Ints, Neighbors, Vectors


class Params(BaseModel):
    """How much is in memory at a time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int = Field(8192, ge=1)  # indexed rows compared at a time
    queries: int = Field(1024, ge=1)  # queries compared at a time


def build(vectors: Vectors, params: Params) -> Index:
    """An index over (N, D) vectors; they are kept, not copied."""
    return Exact(vectors, params)


@dataclass(frozen=True, slots=True)
class Exact:
    """Compares every query with every row; equal scores by row."""

    vectors: Vectors
    params: Params

    def search(self, queries: Vectors, k: int) -> Neighbors:
        """The k nearest rows by inner product; fewer rows than k are padded with row -1, score -inf."""
        queries = np.asarray(queries, np.float32)
        parts = [
            self._some(queries[start : start + self.params.queries], k)
            for start in range(0, len(queries), self.params.queries)
        ]
        rows = [part.rows for part in parts] or [np.empty((0, k), np.int64)]
        scores = [part.scores for part in parts] or [np.empty((0, k), np.float32)]
        return Neighbors(np.concatenate(rows), np.concatenate(scores))

    def _some(self, queries: Vectors, k: int) -> Neighbors:
        best = _Best(len(queries), k)
        for start, scores in self._products(queries):
            best.meet(start, scores)
        return best.neighbors()

    def _products(self, queries: Vectors) -> Iterator[tuple[int, Vectors]]:
        for start in range(0, len(self.vectors), self.params.rows):
            yield start, queries @ np.asarray(self.vectors[start : start + self.params.rows], np.float32).T


class _Best:
    """The k best rows of each query so far, and candidates that are not sorted in yet."""

    def __init__(self, n_queries: int, k: int) -> None:
        self.k = k
        self.rows = np.full((n_queries, k), -1, np.int64)
        self.scores = np.full((n_queries, k), -np.inf, np.float32)
        self._places: list[Ints] = []
        self._found: list[Ints] = []
        self._values: list[Vectors] = []
        self._waiting = 0

    def meet(self, start: int, scores: Vectors) -> None:
        """(Q, m) products with the rows from `start` on; rows come in ascending order."""
        if start < self.k:  # too few rows so far to be beaten by: sort in what these rows hold at best
            k = min(self.k, scores.shape[1])
            hits = scores >= -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
        else:  # an equal score of a later row never wins
            hits = scores > self.scores[:, -1:]
        places, columns = np.divmod(np.flatnonzero(hits), scores.shape[1])
        self._places.append(places)
        self._found.append(columns + start)
        self._values.append(scores[places, columns])
        self._waiting += len(places)
        if start < self.k or self._waiting > len(scores) * self.k // 2:
            self._sort_in()

    def neighbors(self) -> Neighbors:
        """The result."""
        self._sort_in()
        return Neighbors(self.rows, self.scores)

    def _sort_in(self) -> None:
        """Merge: a stable sort by query and score alone, for what comes later in the list has the higher row."""
        if not self._waiting:
            return
        n, k = self.rows.shape
        places = np.concatenate([np.repeat(np.arange(n), k), *self._places])
        rows = np.concatenate([self.rows.ravel(), *self._found])
        values = np.concatenate([self.scores.ravel(), *self._values])
        order = np.argsort((places.astype(np.uint64) << np.uint64(32)) | _descending(values), kind="stable")
        starts = np.searchsorted(places[order], np.arange(n))
        chosen = order[starts[:, None] + np.arange(k)]
        self.rows, self.scores = rows[chosen], values[chosen]
        self._places, self._found, self._values, self._waiting = [], [], [], 0


def _descending(values: Vectors) -> NDArray[np.uint64]:
    """Numbers of 32 bits in the opposite order of float32 values; -0.0 counts as 0.0."""
    bits = (values + np.float32(0)).view(np.uint32)
    negative = (bits >> np.uint32(31)).astype(np.bool_)
    return np.where(negative, bits, ~bits & np.uint32(0x7FFFFFFF)).astype(np.uint64)
