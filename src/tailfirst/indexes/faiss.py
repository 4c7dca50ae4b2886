"""Search by faiss: exact (flat), or approximate by inverted lists where the same vectors are searched many times."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.contracts import Index, Neighbors, Vectors

ADD = 65_536  # rows handed over at a time


class Params(BaseModel):
    """Which index of faiss."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["flat", "ivf"] = "flat"
    lists: int | None = Field(None, ge=1)  # ivf: number of lists; null = 4 * sqrt(rows)
    probes: int = Field(32, ge=1)  # ivf: lists searched per query
    seed: int = 7  # ivf: of the k-means that makes the lists


def build(vectors: Vectors, params: Params) -> Index:
    """An index over a copy of (N, D) vectors."""
    import faiss

    dim = vectors.shape[1]
    index: Any = faiss.IndexFlatIP(dim)
    if params.kind == "ivf" and len(vectors):
        lists = min(params.lists or int(4 * np.sqrt(len(vectors))), len(vectors))
        index = faiss.IndexIVFFlat(index, dim, lists, faiss.METRIC_INNER_PRODUCT)
        index.cp.seed, index.cp.min_points_per_centroid, index.nprobe = params.seed, 1, min(params.probes, lists)
        index.train(_rows(vectors))
    for start in range(0, len(vectors), ADD):
        index.add(_rows(vectors[start : start + ADD]))
    return Faiss(index)


@dataclass(frozen=True, slots=True)
class Faiss:
    """A filled faiss index."""

    index: Any

    def search(self, queries: Vectors, k: int) -> Neighbors:
        """The k nearest rows by inner product; what is missing is padded with row -1, score -inf."""
        if not len(queries):
            return Neighbors(np.empty((0, k), np.int64), np.empty((0, k), np.float32))
        scores, rows = self.index.search(_rows(queries), k)
        missing = rows < 0
        return Neighbors(rows.astype(np.int64), np.where(missing, -np.inf, scores).astype(np.float32))


def _rows(vectors: Vectors) -> Vectors:
    return np.ascontiguousarray(vectors, dtype=np.float32)
