"""Margin, entropy and the quota against scikit-activeml: time and memory beyond the inputs (perf.md, acquisition).

    python benchmarks/acquisition.py [--pool 100000] [--budget 100] [--classes 100] [--dim 512]

Probabilities are an input on both sides; `head` is one pass of a class head over the vectors, the floor of any score.
Runs are interleaved; times are medians; memory is the peak that Python and NumPy allocate during a call.
"""

import argparse
import time
import tracemalloc

import numpy as np
from rich.console import Console
from rich.table import Table

from tailfirst import plugins
from tailfirst.contracts import PoolView


def make(pool, classes, dim, seed=0):
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(classes, 0.05), size=pool)
    vectors = rng.standard_normal((pool, dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    blank = np.zeros(classes)
    return PoolView(
        item_ids=np.array([f"{i:020x}" for i in rng.permutation(pool)]),
        vectors=vectors,
        class_ids=tuple(f"c{k:03d}" for k in range(classes)),
        probs=probs / probs.sum(axis=1, keepdims=True),
        labeled_vectors=vectors[:0],
        labeled_classes=np.zeros(0, np.int64),
        n_labeled=blank,
        n_pending=blank,
        n_retrieved=np.geomspace(1000, 1, classes),
        prototypes=None,
    )


def ours(name):
    module, params = plugins.load("acquisition", name), plugins.params("acquisition", name, {})
    return lambda view, budget: module.select(view, budget, params, np.random.default_rng(0)).rows


def activeml(method):
    from skactiveml.pool import uncertainty_scores
    from skactiveml.utils import rand_argmax  # noqa: F401 - imported before the clock starts

    return lambda view, budget: np.argsort(-uncertainty_scores(view.probs, method=method))[:budget]


def head(view, _):
    weights = np.ones((len(view.class_ids), view.vectors.shape[1]), np.float32)
    for start in range(0, len(view.vectors), 16_384):
        view.vectors[start : start + 16_384] @ weights.T


def measure(call, view, budget, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call(view, budget)
        times.append(time.perf_counter() - start)
    tracemalloc.start()
    call(view, budget)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float(np.median(times)), peak / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=int, default=100_000)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    view = make(given.pool, given.classes, given.dim)
    calls = {
        "head pass": head,
        "margin": ours("margin"),
        "margin, scikit-activeml": activeml("margin_sampling"),
        "entropy": ours("entropy"),
        "entropy, scikit-activeml": activeml("entropy"),
        "tail_first": ours("tail_first"),
        "kmeans": ours("kmeans"),
        "random": ours("random"),
    }
    table = Table("strategy", "seconds", "MiB beyond the inputs", title=f"pool {given.pool:,}, budget {given.budget}")
    for name, call in calls.items():
        seconds, peak = measure(call, view, given.budget, given.repeats)
        table.add_row(name, f"{seconds:.3f}", f"{peak:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
