"""Exact search by matrix products, some rows at a time; needs NumPy only."""

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.contracts import Index, Ints, Neighbors, Vectors


class Params(BaseModel):
    """How much is in memory at a time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int = Field(65_536, ge=1)  # indexed rows compared at a time
    queries: int = Field(256, ge=1)  # queries compared at a time


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
        parts = [
            self._some(queries[start : start + self.params.queries], k)
            for start in range(0, len(queries), self.params.queries)
        ]
        rows = [part.rows for part in parts] or [np.empty((0, k), np.int64)]
        scores = [part.scores for part in parts] or [np.empty((0, k), np.float32)]
        return Neighbors(np.concatenate(rows), np.concatenate(scores))

    def _some(self, queries: Vectors, k: int) -> Neighbors:
        best = Neighbors(np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), -np.inf, np.float32))
        for start in range(0, len(self.vectors), self.params.rows):
            scores = queries @ self.vectors[start : start + self.params.rows].T
            best = _better(best, _top(scores, start, k), k)
        return best


def _top(scores: Vectors, start: int, k: int) -> Neighbors:
    """The k best columns of each row; which of equal ones at the edge stay is settled by column."""
    if scores.shape[1] > k:
        edge = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
        sure = scores > edge
        room = k - sure.sum(axis=1, keepdims=True)
        at_edge = scores == edge
        keep = sure | (at_edge & (np.cumsum(at_edge, axis=1) <= room))
        columns = np.nonzero(keep)[1].reshape(len(scores), k)
    else:
        columns = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    return _sorted(columns + start, np.take_along_axis(scores, columns, axis=1))


def _better(left: Neighbors, right: Neighbors, k: int) -> Neighbors:
    rows = np.concatenate([left.rows, right.rows], axis=1)
    scores = np.concatenate([left.scores, right.scores], axis=1)
    found = _sorted(rows, scores)
    return Neighbors(found.rows[:, :k], found.scores[:, :k])


def _sorted(rows: Ints, scores: Vectors) -> Neighbors:
    """Best first; rows are ascending among equal scores, padding is last."""
    missing = rows < 0
    order = np.lexsort((rows, -scores, missing), axis=1)
    return Neighbors(np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1))
