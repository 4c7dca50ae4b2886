"""Acquisition strategies against scikit-activeml and against one head pass: time and memory beyond the inputs.

    python benchmarks/acquisition.py                 # 10^5 items, 100 picks
    python benchmarks/acquisition.py --large         # and 10^6 items, 1,000 picks, out of reach for the peer
    python benchmarks/acquisition.py --slow-peers    # and the peer's BADGE (10^4 items, 9 GB) and Core-Set, 1,000 picks

D = 512, C = 100, float32 vectors. Calls of a table run in turn; times are medians. `from a head` means that the
probabilities are not given: the floor is then the head pass, one float32 product of all vectors with the head, and the
peer gets them computed as a whole. Goals: margin and entropy <= 1.3 head passes in <= 32 MiB; Core-Set <= 0.02 of the
peer at 10^5 / 100 and <= 2 head passes at 10^6 / 1,000; BADGE <= 0.001 of the peer at 10^4 / 100 and <= 3 head passes
in <= 64 MiB at 10^6 / 1,000. The peer's BADGE takes the origin for a first center, so its picks are not compared.
"""

import argparse
from dataclasses import replace

import numpy as np
from _pools import head_pass, make, measure, ours, whole
from rich.console import Console
from rich.table import Table

METHODS = {"margin": "margin_sampling", "entropy": "entropy", "least_confidence": "least_confident"}


def scored(name):
    from skactiveml.pool import uncertainty_scores

    def call(view, budget):
        probs = whole(view) if view.probs is None else view.probs
        return np.argsort(-uncertainty_scores(probs, method=METHODS[name]), kind="stable")[:budget]

    return call


def core_set(view, budget):
    from skactiveml.pool import CoreSet

    known = len(view.labeled_vectors)
    rows = np.concatenate([view.labeled_vectors, view.vectors])
    labels = np.concatenate([np.zeros(known), np.full(len(view.vectors), np.nan)])
    return CoreSet(random_state=0).query(rows, labels, batch_size=budget) - known


def badge(view, budget):
    from skactiveml.base import SkactivemlClassifier
    from skactiveml.pool import Badge

    class Given(SkactivemlClassifier):
        def fit(self, X, y, sample_weight=None):  # noqa: ARG002
            return self

        def predict_proba(self, X):  # noqa: ARG002
            return view.probs

    labels = np.full(len(view.vectors), np.nan)
    classifier = Given(classes=list(range(len(view.class_ids))))
    return Badge(random_state=0).query(view.vectors, labels, clf=classifier, fit_clf=False, batch_size=budget)


def show(title, found, peers):
    """One line per call: against the head pass, and against its peer where there is one."""
    table = Table("strategy", "seconds", "of a head pass", "of the peer", "same picks", "MiB", title=title)
    floor = found["head pass"].seconds
    for name, one in found.items():
        peer = found.get(peers.get(name))
        same = "" if peer is None or "badge" in name else f"{np.isin(one.rows, peer.rows).mean():.0%}"
        ratio = "" if peer is None else f"{one.seconds / peer.seconds:.4f}"
        table.add_row(name, f"{one.seconds:.3f}", f"{one.seconds / floor:.2f}", ratio, same, f"{one.mib:.1f}")
    Console(width=120).print(table)


def compare(title, view, budget, calls, peers, repeats):
    peer_calls = {f"{name}, scikit-activeml": call for name, call in peers.items()}
    own_calls = {name: ours(name) for name in calls}
    found = measure({"head pass": head_pass, **own_calls, **peer_calls}, view, budget, repeats)
    show(title, found, {name: f"{name}, scikit-activeml" for name in calls})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=int, default=100_000)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--slow-peers", action="store_true")
    given = parser.parse_args()
    uncertainty = {name: scored(name) for name in METHODS}
    view, size = make(given.pool), f"{given.pool:,} items, {given.budget} picks"
    compare(f"{size}, from a head", replace(view, probs=None), given.budget, METHODS, uncertainty, given.repeats)
    others = ("coreset", "badge", "tail_first", "alor_tfs", "pcb", "compose", "kmeans", "random", "stratified_random")
    calls = (*METHODS, *others)
    compare(
        f"{size}, probabilities given", view, given.budget, calls, {**uncertainty, "coreset": core_set}, given.repeats
    )
    if given.slow_peers:
        compare(f"{given.pool:,} items, 1000 picks", view, 1000, ("coreset",), {"coreset": core_set}, 1)
        small = make(10_000)
        compare("10,000 items, 100 picks", small, 100, ("coreset", "badge"), {"coreset": core_set, "badge": badge}, 1)
    if given.large:
        view = make(1_000_000)
        names = (*METHODS, "coreset", "badge")
        compare("1,000,000 items, 1000 picks", view, 1000, names, {}, given.repeats)
        compare("1,000,000 items, 1000 picks, from a head", replace(view, probs=None), 1000, names, {}, given.repeats)


if __name__ == "__main__":
    main()
