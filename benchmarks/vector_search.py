"""Exact search against faiss flat, faiss IVF and plain NumPy (perf.md, vector search): unit vectors, inner product.

    python benchmarks/vector_search.py [rows, default 100,000] [--queries 1000] [--k 100] [--dim 512] [--repeats 5]

All run on the same vectors in one process, interleaved; times are medians of wall time, and CPU time stands beside,
because on a shared machine it is steadier. Ratios are to faiss flat. Recall is the share of the exact k nearest that
the index gives. NumPy is the product, a partition and a sort, for 64 queries at a time, so that it fits in memory.
Vectors are drawn around 1,000 directions on a long tail, as encoders give them; `--uniform` draws them without
any structure, which is the hardest case for inverted lists.
"""

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from tailfirst.contracts import Neighbors
from tailfirst.indexes import exact, faiss
from tailfirst.vectors import unit

BLOCK = 64  # queries at a time for NumPy


def draw(rows, dim, uniform, seed):
    rng = np.random.default_rng([seed, rows])
    noise = rng.standard_normal((rows, dim), dtype=np.float32)
    if uniform:
        return unit(noise)
    centers = np.random.default_rng(0).standard_normal((1000, dim), dtype=np.float32)
    shares = 1 / np.arange(1, 1001)
    return unit(centers[rng.choice(1000, rows, p=shares / shares.sum())] + 0.7 * noise)


class Plain:
    """Product, partition, sort."""

    def __init__(self, vectors):
        self.vectors = vectors

    def search(self, queries, k):
        found = []
        for start in range(0, len(queries), BLOCK):
            scores = queries[start : start + BLOCK] @ self.vectors.T
            part = np.argpartition(-scores, k, axis=1)[:, :k]
            order = np.argsort(-np.take_along_axis(scores, part, axis=1), axis=1)
            found.append(np.take_along_axis(part, order, axis=1))
        return Neighbors(np.concatenate(found), np.empty(0, np.float32))


def recall(found, truth):
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found.rows, truth.rows, strict=True)]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="?", default=100_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--probes", type=int, nargs="+", default=[8, 32, 128])
    parser.add_argument("--uniform", action="store_true")
    given = parser.parse_args()
    vectors = draw(given.rows, given.dim, given.uniform, 1)
    queries = draw(given.queries, given.dim, given.uniform, 2)
    indexes, built = {}, {}
    makers = {
        "faiss flat": lambda: faiss.build(vectors, faiss.Params(device="cpu")),
        "exact": lambda: exact.build(vectors, exact.Params()),
        "NumPy": lambda: Plain(vectors),
        "faiss ivf": lambda: faiss.build(vectors, faiss.Params(kind="ivf", device="cpu")),
    }
    for name, make in makers.items():
        start = time.perf_counter()
        indexes[name] = make()
        built[name] = time.perf_counter() - start
    lists = indexes.pop("faiss ivf")
    build_s = built.pop("faiss ivf")
    for probes in given.probes:
        name = f"faiss ivf, {lists.index.nlist} lists, {probes} probes"
        indexes[name], built[name] = Probing(lists, probes), build_s
    wall, cpu, found = {n: [] for n in indexes}, {n: [] for n in indexes}, {}
    for _ in range(given.repeats):
        for name, index in indexes.items():
            start, busy = time.perf_counter(), time.process_time()
            found[name] = index.search(queries, given.k)
            wall[name].append(time.perf_counter() - start)
            cpu[name].append(time.process_time() - busy)
    size = f"{given.rows:,} x {given.dim}, {given.queries:,} queries, k = {given.k}"
    table = Table("index", "build s", "search s", "ratio", "CPU s", "CPU ratio", f"recall@{given.k}", title=size)
    base, busy = (float(np.median(times["faiss flat"])) for times in (wall, cpu))
    for name in indexes:
        one, two = (float(np.median(times[name])) for times in (wall, cpu))
        table.add_row(
            name, f"{built[name]:.2f}", f"{one:.3f}", f"{one / base:.2f}", f"{two:.3f}", f"{two / busy:.2f}",
            f"{recall(found[name], found['exact']):.4f}",
        )  # fmt: skip
    Console(width=120).print(table)


class Probing:
    """Inverted lists with another number of probes."""

    def __init__(self, index, probes):
        self.index, self.probes = index, probes

    def search(self, queries, k):
        self.index.index.nprobe = self.probes
        return self.index.search(queries, k)


if __name__ == "__main__":
    main()
