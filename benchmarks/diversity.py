"""TypiClust, ProbCover, DropQuery and MaxHerding against scikit-activeml and their floors (perf.md, acquisition).

    python benchmarks/diversity.py [--pool 10000] [--budget 100] [--classes 100] [--dim 512] [--only typiclust]
    python benchmarks/diversity.py --pool 100000

Peers are run once and only where they end: at 100,000 items scikit-activeml's ProbCover and MaxHerding need 37 GB and
more. The floor of ProbCover is the screen of all pairs of the pool by blocked float32 products, of MaxHerding the
products of candidates and targets, of DropQuery the passes of the head, of TypiClust one assignment of the pool to its
centroids. Seconds are of CPU, all threads together, which another job on the machine changes less than wall time;
ratios are taken within one run. Inertia is that of the clusters TypiClust works with, against scikit-learn's k-means
with one k-means++ start. Memory is the peak that Python and NumPy allocate during a call.
"""

import argparse
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from tailfirst import plugins
from tailfirst.acquisition import _clusters, typiclust
from tailfirst.adaptation._linear import softmax
from tailfirst.contracts import Head, PoolView
from tailfirst.vectors import unit

NAMES = ("typiclust", "probcover", "dropquery", "maxherding")
HUGE = {"probcover", "maxherding"}  # peers that hold N x N


def make(pool, classes, dim, seed=0) -> PoolView:
    """Three clumps per class of very different sizes, and a head that knows the classes roughly."""
    rng = np.random.default_rng(seed)
    centers = unit(rng.standard_normal((3 * classes, dim)))
    home = rng.choice(3 * classes, pool, p=rng.dirichlet(np.full(3 * classes, 0.7)))
    vectors = unit(centers[home] + 0.9 / np.sqrt(dim) * rng.standard_normal((pool, dim)))
    head = Head(unit(centers.reshape(classes, 3, dim).mean(axis=1) + 0.5 * rng.standard_normal((classes, dim))), 20.0)
    blank = np.zeros(classes)
    logits = (head.scale * (vectors @ head.weights.T)).astype(np.float64)
    return PoolView(
        item_ids=np.array([f"{i:020x}" for i in range(pool)]), vectors=vectors,
        class_ids=tuple(f"c{k:03d}" for k in range(classes)), probs=softmax(logits),
        labeled_vectors=vectors[:0], labeled_classes=np.zeros(0, np.int64), n_labeled=blank, n_pending=blank,
        n_retrieved=blank, prototypes=None, head=head,
    )  # fmt: skip


def ours(name, view, budget):
    module, params = plugins.load("acquisition", name), plugins.params("acquisition", name, {})
    return lambda: module.select(view, budget, params, np.random.default_rng(0))


def activeml(name, view, budget):
    from skactiveml.classifier import SklearnClassifier
    from skactiveml.pool import DropQuery, MaxHerding, ProbCover, TypiClust
    from sklearn.linear_model import LogisticRegression

    rows, unknown = view.vectors, np.full(len(view.vectors), np.nan)
    if name != "dropquery":
        made = {
            "typiclust": lambda: TypiClust(random_state=0),
            "probcover": lambda: ProbCover(n_classes=len(view.class_ids), random_state=0),
            "maxherding": lambda: MaxHerding(metric="rbf", metric_dict={"gamma": 0.5}, random_state=0),
        }
        return lambda: made[name]().query(rows, unknown, batch_size=budget)
    known = np.arange(2 * len(view.class_ids))
    inner = LogisticRegression(max_iter=200).fit(rows[known], known // 2)
    model = SklearnClassifier(inner, classes=np.arange(len(view.class_ids))).fit(rows[known], known // 2)
    return lambda: DropQuery(random_state=0).query(rows, unknown, model, fit_clf=False, batch_size=budget)


def floor(name, view, budget):
    rows = view.vectors
    if name == "probcover":
        return lambda: products(rows, rows)
    if name == "maxherding":
        return lambda: products(rows[:16_384], rows[:4096])
    if name == "typiclust":
        return lambda: products(rows, rows[:budget])
    return lambda: [products(rows, view.head.weights) for _ in range(3)]


def products(rows, others, block=1024, width=8192):
    memory = np.empty(block * min(width, len(others)), np.float32)
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        for first in range(0, len(others), width):
            turned = others[first : first + width].T
            np.matmul(part, turned, out=memory[: len(part) * turned.shape[1]].reshape(len(part), -1))


def seconds(call: Callable[[], object], repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return float(np.median(taken))


def inertia(view, budget) -> str:
    from sklearn.cluster import KMeans

    found = typiclust.clusters(view, budget, typiclust.Params(), np.random.default_rng(0))
    centers = np.stack([view.vectors[c.members].mean(axis=0) for c in found if len(c.members)])
    mine = _clusters.assign(view.vectors, centers)[1].sum()
    return f"{mine / KMeans(budget, n_init=1, random_state=0).fit(view.vectors).inertia_:.4f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=int, default=10_000)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default=",".join(NAMES))
    parser.add_argument("--no-peers", action="store_true")
    given = parser.parse_args()
    view = make(given.pool, given.classes, given.dim)
    warm = replace(view, item_ids=view.item_ids[:500], vectors=view.vectors[:500], probs=view.probs[:500])
    columns = (
        "strategy",
        "CPU seconds",
        "floor",
        "x floor",
        "scikit-activeml",
        "x peer",
        "MiB",
        "inertia / scikit-learn",
    )
    table = Table(*columns, title=f"pool {given.pool:,}, budget {given.budget}, {given.dim} dimensions")
    for name in given.only.split(","):
        ours(name, warm, 5)()  # imports
        call = ours(name, view, given.budget)
        least = seconds(floor(name, view, given.budget), 1 if name == "probcover" else given.repeats)
        tracemalloc.start()
        once = seconds(call, 1)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        took = once if name == "probcover" else seconds(call, given.repeats)
        peer = None
        if not given.no_peers and not (name in HUGE and given.pool > 20_000):
            peer = seconds(activeml(name, view, given.budget), 1)
        table.add_row(
            name, f"{took:.3f}", f"{least:.3f}", f"{took / least:.2f}", "-" if peer is None else f"{peer:.2f}",
            "-" if peer is None else f"{took / peer:.4f}", f"{peak:.0f}",
            inertia(view, given.budget) if name == "typiclust" and not given.no_peers else "",
        )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
