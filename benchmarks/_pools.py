"""A pool to choose from, and how calls on it are timed: interleaved, medians, peak memory beyond the inputs."""

import time
import tracemalloc
from dataclasses import dataclass, replace

import numpy as np

from tailfirst import plugins
from tailfirst.contracts import Head, PoolView

BLOCK = 16_384
SCALE = 10.0  # of the head: a model that is sure of some items and not of others


def make(pool, classes=100, dim=512, labeled=100, seed=0):
    """Clusters, a head that knows their centers, its probabilities, and some labeled rows."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((classes, dim), dtype=np.float32)
    vectors = rng.standard_normal((pool + labeled, dim), dtype=np.float32)
    for start in range(0, len(vectors), BLOCK):
        rows = vectors[start : start + BLOCK]
        rows += centers[rng.integers(0, classes, len(rows))]
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    weights = centers / np.linalg.norm(centers, axis=1, keepdims=True)
    blank = np.zeros(classes)
    view = PoolView(
        item_ids=np.array([f"{i:016x}0000" for i in rng.integers(0, 2**63, pool)]),  # as hashes: 20 characters
        vectors=vectors[:pool],
        class_ids=tuple(f"c{k:03d}" for k in range(classes)),
        probs=None,
        labeled_vectors=vectors[pool:],
        labeled_classes=np.zeros(labeled, np.int64),
        n_labeled=blank,
        n_pending=blank,
        n_retrieved=np.geomspace(1000, 1, classes),
        prototypes=None,
        head=Head(weights, SCALE),
        pool_size=pool,
    )
    return replace(view, probs=whole(view))


def whole(view):
    """(N, C) probabilities, all at once as a peer needs them."""
    result = np.empty((len(view.vectors), len(view.class_ids)))
    for start in range(0, len(result), BLOCK):
        logits = view.head.scale * (view.vectors[start : start + BLOCK] @ view.head.weights.T).astype(np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        result[start : start + BLOCK] = powers / powers.sum(axis=1, keepdims=True)
    return result


def head_pass(view, _):
    """The floor of any score that has to be computed: one float32 product with the head."""
    for start in range(0, len(view.vectors), BLOCK):
        view.vectors[start : start + BLOCK] @ view.head.weights.T


def ours(name, **options):
    module, params = plugins.load("acquisition", name), plugins.params("acquisition", name, options)
    return lambda view, budget: module.select(view, budget, params, np.random.default_rng(0)).rows


@dataclass
class Measured:
    seconds: float
    mib: float
    rows: object


def measure(calls, view, budget, repeats):
    """{name: Measured} for {name: call}, all calls in turn, again and again."""
    times = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call(view, budget)
            times[name].append(time.perf_counter() - start)
    found = {}
    for name, call in calls.items():
        tracemalloc.start()
        rows = call(view, budget)
        found[name] = Measured(float(np.median(times[name])), tracemalloc.get_traced_memory()[1] / 2**20, rows)
        tracemalloc.stop()
    return found
