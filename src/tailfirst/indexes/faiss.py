"""Search by faiss: exact (flat), or approximate by inverted lists where the same vectors are searched many times.

Inverted lists pay for themselves with repeated bulk search and cost recall; benchmarks/vector_search.py shows both.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.contracts import Index, Neighbors, Vectors
from tailfirst.errors import Unavailable

ADD = 65_536  # rows handed over at a time
SAMPLE = 64  # rows per list that the k-means of the lists sees
MAX_ON_GPU = 2048  # neighbors per query


class Params(BaseModel):
    """Which index of faiss, and where."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["flat", "ivf"] = "flat"
    lists: int | None = Field(None, ge=1)  # ivf: number of lists; null = 4 * sqrt(rows)
    probes: int = Field(32, ge=1)  # ivf: lists searched per query
    seed: int = 7  # ivf: of the k-means that makes the lists
    device: Literal["auto", "cpu", "gpu"] = "auto"  # auto = the first GPU where faiss has one to use


def build(vectors: Vectors, params: Params) -> Index:
    """An index over a copy of (N, D) vectors; the same vectors and params always give the same index.

    Raises:
        Unavailable: `device: gpu` where this faiss has no GPU support, or no GPU is there.
    """
    import faiss

    on_gpu = use_gpu(faiss, params.device)
    dim = vectors.shape[1]
    index: Any = faiss.IndexFlatIP(dim)
    if params.kind == "ivf" and len(vectors):
        lists = min(params.lists or int(4 * np.sqrt(len(vectors))), len(vectors))
        index = faiss.IndexIVFFlat(index, dim, lists, faiss.METRIC_INNER_PRODUCT)
        index.cp.seed, index.cp.min_points_per_centroid, index.nprobe = params.seed, 1, min(params.probes, lists)
        index.train(_sample(vectors, lists * SAMPLE, params.seed))
    for start in range(0, len(vectors), ADD):
        index.add(_rows(vectors[start : start + ADD]))
    return Faiss(faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index) if on_gpu else index, on_gpu)


def use_gpu(faiss: Any, device: str) -> bool:
    """Whether to search on a GPU, given the module faiss.

    Raises:
        Unavailable: It is asked for and cannot be had; says what is missing.
    """
    supported = hasattr(faiss, "StandardGpuResources")
    count = faiss.get_num_gpus() if supported else 0
    if device != "gpu":
        return device == "auto" and count > 0
    if not supported:
        raise Unavailable(
            "indexes.faiss: device gpu, but this faiss has no GPU support; uninstall faiss-cpu, install tailfirst[gpu]"
        )
    if not count:
        raise Unavailable("indexes.faiss: device gpu, but faiss finds no GPU; `nvidia-smi` shows what the driver sees")
    return True


@dataclass(frozen=True, slots=True)
class Faiss:
    """A filled faiss index."""

    index: Any
    on_gpu: bool = False

    def search(self, queries: Vectors, k: int) -> Neighbors:
        """The k nearest rows by inner product; what is missing is padded with row -1, score -inf.

        Equal scores stand by row. Which of several equal ones at the edge are among the k is left to faiss; the index
        `exact` takes the lowest rows.

        Raises:
            Unavailable: More neighbors than a GPU index gives.
        """
        if not len(queries):
            return Neighbors(np.empty((0, k), np.int64), np.empty((0, k), np.float32))
        if self.on_gpu and k > MAX_ON_GPU:
            raise Unavailable(f"indexes.faiss: a GPU gives at most {MAX_ON_GPU} neighbors, {k} were asked; device: cpu")
        scores, rows = self.index.search(_rows(queries), k)
        missing = rows < 0
        scores = np.where(missing, -np.inf, scores).astype(np.float32)
        if (scores[:, 1:] == scores[:, :-1]).any():  # faiss leaves equal scores in the order in which it met them
            order = np.lexsort((rows, missing, -scores), axis=1)
            rows, scores = np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)
        return Neighbors(rows.astype(np.int64), scores)


def _sample(vectors: Vectors, count: int, seed: int) -> Vectors:
    """Some rows to learn the lists from, in order: k-means on all of them takes long and finds nothing better."""
    if len(vectors) <= count:
        return _rows(vectors)
    chosen = np.random.default_rng(seed).choice(len(vectors), count, replace=False)
    return _rows(vectors[np.sort(chosen)])


def _rows(vectors: Vectors) -> Vectors:
    return np.ascontiguousarray(vectors, dtype=np.float32)
