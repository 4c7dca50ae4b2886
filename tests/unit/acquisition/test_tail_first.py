"""Tail First Sampling against specs/alor.md section 10, (16) to (24); test_pcb.py has (25), test_search.py (26)."""

from dataclasses import replace
from itertools import pairwise
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailfirst import plugins
from tailfirst.contracts import PoolView
from tests.support.pool_views import one_hot, unit

PUBLISHED = {"score": "entropy", "retrieved_weight": 1, "counting": "hard", "max_share": None, "search": "none"}
PLAIN = {"search": "none", "max_share": None}
PAPER = {**PLAIN, "counting": "expected", "score": "entropy"}


def view(probs, names=None, ids=None, **counts) -> PoolView:
    n, c = probs.shape
    blank = np.zeros(c)
    return PoolView(
        item_ids=np.array(ids if ids is not None else [f"i{r:04d}" for r in range(n)]),
        vectors=counts.pop("vectors", np.ones((n, 2), np.float32)),
        class_ids=tuple(names or (f"c{k}" for k in range(c))),
        probs=probs,
        labeled_vectors=counts.pop("labeled_vectors", np.zeros((0, 2), np.float32)),
        labeled_classes=counts.pop("labeled_classes", np.zeros(0, np.int64)),
        n_labeled=np.asarray(counts.pop("n_labeled", blank), float),
        n_pending=np.asarray(counts.pop("n_pending", blank), float),
        n_retrieved=np.asarray(counts.pop("n_retrieved", blank), float),
        prototypes=counts.pop("prototypes", None),
    )


def select(v, budget, **options):
    return plugins.load("acquisition", "tail_first").select(
        v, budget, plugins.params("acquisition", "tail_first", options), np.random.default_rng(0)
    )


def taken(v, s):
    return np.bincount(v.probs[s.rows].argmax(1), minlength=len(v.class_ids))


def test_five_rows_by_hand():
    """n = (2, 0.03 * 50, 0): c takes item 4 (the only one), then b, then the next smallest after expected counts."""
    probs = np.array([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.3, 0.7, 0.0], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    v = view(probs, names=("a", "b", "c"), n_labeled=[2, 0, 0], n_retrieved=[0, 50, 0])
    s = select(v, 4, retrieved_weight=0.03, **PAPER)
    # c (0) takes row 4: n = (2.2, 1.7, 0.6). c is empty and starved. b (1.7): row 3 has H .639, row 2 .611, so row 3:
    # n = (2.3, 2.5, .7). a (2.3): row 1 (H .673) before row 0 (.325): n = (2.9, 2.9, .7), b 2.9: row 2.
    assert s.rows.tolist() == [4, 3, 1, 2]
    assert s.reasons == ("tail:c", "tail:b", "tail:a", "tail:b")
    assert s.stages == ("quota",) * 4
    assert s.starved == ("c",)
    assert s.counts_before == {"a": 2.0, "b": 1.5, "c": 0.0}
    assert s.counts_after == pytest.approx({"a": 3.2, "b": 3.6, "c": 0.7})
    assert s.scores[0] == pytest.approx(-(0.4 * log(0.2) + 0.6 * log(0.6)))
    assert np.isnan(s.inclusion_probabilities).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["hard", "expected"]), st.sampled_from([None, 0.1, 0.5]))
def test_16_exactly_the_budget_of_distinct_rows(seed, counting, max_share):
    rng = np.random.default_rng(seed)
    v = view(
        rng.dirichlet(np.full(5, 0.3), size=40), vectors=unit(rng.normal(size=(40, 3))),
        prototypes=unit(rng.normal(size=(5, 3))), n_labeled=rng.integers(0, 9, 5), n_retrieved=rng.integers(0, 900, 5),
    )  # fmt: skip
    budget = int(rng.integers(0, 41))
    rows = select(v, budget, counting=counting, max_share=max_share).rows.tolist()
    assert len(rows) == len(set(rows)) == budget


def published_rule(probs, n, budget, ids):
    """A double loop as the paper words the rule; a class without candidates is skipped at every draw."""
    n, left = n.astype(float).copy(), list(range(len(probs)))
    entropy = [-sum(p * log(p) for p in row if p > 0) for row in probs]
    picks = []
    while len(picks) < budget:
        for c in sorted(range(len(n)), key=lambda k: (n[k], k)):
            mine = [r for r in left if probs[r].argmax() == c]
            if mine:
                best = min(mine, key=lambda r: (-round(entropy[r], 12), ids[r]))
                picks.append(best)
                left.remove(best)
                n[c] += 1
                break
    return picks


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 7), st.integers(1, 40))
def test_17_the_published_rule_on_random_inputs(seed, classes, items):
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(classes, 0.4), size=items)
    ids = [f"{i:05d}" for i in rng.permutation(items)]
    n_labeled, n_retrieved = rng.integers(0, 5, classes), rng.integers(0, 6, classes)
    budget = int(rng.integers(0, items + 1))
    v = view(probs, ids=ids, n_labeled=n_labeled, n_retrieved=n_retrieved)
    assert select(v, budget, **PUBLISHED).rows.tolist() == published_rule(probs, n_labeled + n_retrieved, budget, ids)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_18_items_and_classes_in_any_order(seed):
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(5, 0.5), size=40)
    vectors = rng.normal(size=(40, 3)).astype(np.float32)
    prototypes = rng.normal(size=(5, 3)).astype(np.float32)
    n = rng.integers(0, 4, 5)
    v = view(probs, n_labeled=n, vectors=vectors, prototypes=prototypes)
    rows, columns = rng.permutation(40), rng.permutation(5)
    other = replace(
        v, item_ids=v.item_ids[rows], probs=probs[rows][:, columns], vectors=vectors[rows],
        class_ids=tuple(v.class_ids[c] for c in columns), n_labeled=v.n_labeled[columns],
        prototypes=prototypes[columns],
    )  # fmt: skip
    one, two = select(v, 15), select(other, 15)
    assert v.item_ids[one.rows].tolist() == other.item_ids[two.rows].tolist()
    assert one.reasons == two.reasons


def test_18_ties_by_class_id_then_item_id():
    v = view(one_hot([1, 1, 0, 0], 2), names=("b", "a"), ids=["4", "3", "2", "1"])
    assert v.item_ids[select(v, 4, **PLAIN).rows].tolist() == ["3", "1", "4", "2"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_19_water_filling_is_level(seed):
    rng = np.random.default_rng(seed)
    v = view(one_hot(rng.integers(0, 4, 60), 4), n_labeled=rng.integers(0, 6, 4))
    s = select(v, 20, **PLAIN)
    counts = np.array([s.counts_after[c] for c in v.class_ids])
    touched = [c for c in range(4) if taken(v, s)[c] and taken(v, s)[c] < (v.probs.argmax(1) == c).sum()]
    if len(touched) > 1:
        assert np.ptp(counts[touched]) <= 1


def test_20_one_hot_hard_equals_expected_and_expected_adds_one_per_pick():
    rng = np.random.default_rng(4)
    sure = view(one_hot(rng.integers(0, 5, 50), 5), n_labeled=[0, 1, 2, 3, 4])
    assert (
        select(sure, 25, counting="hard", **PLAIN).rows.tolist()
        == select(sure, 25, counting="expected", **PLAIN).rows.tolist()
    )
    v = view(rng.dirichlet(np.ones(5), size=50))
    s = select(v, 25, counting="expected")
    assert sum(s.counts_after.values()) - sum(s.counts_before.values()) == pytest.approx(25)


def test_21_an_empty_class_is_reported_and_costs_the_others_nothing():
    rng = np.random.default_rng(5)
    classes = rng.integers(0, 3, 60)
    with_empty = view(one_hot(classes, 4), n_labeled=[1, 2, 0, 0])
    without = view(one_hot(classes, 3), n_labeled=[1, 2, 0])
    one, two = select(with_empty, 20, **PLAIN), select(without, 20, **PLAIN)
    assert one.starved == ("c3",)
    assert one.counts_after["c3"] == 0
    assert one.rows.tolist() == two.rows.tolist()


def test_22_the_cap_holds_and_is_reported():
    v = view(one_hot([0] * 30 + [1] * 30 + [2] * 30, 3), n_labeled=[0, 50, 50])
    s = select(v, 20, max_share=0.4, search="none")
    assert taken(v, s).tolist() == [8, 6, 6]
    assert s.capped == ("c0",)


def test_capped_classes_are_opened_again_when_nothing_else_is_left():
    v = view(one_hot([0] * 30 + [1] * 2, 2))
    s = select(v, 20, max_share=0.2, search="none")
    assert taken(v, s).tolist() == [18, 2]
    assert s.stages.count("fill") == 14
    assert s.reasons[-1] == "fill:c0"
    assert set(s.capped) == {"c0"}
    assert set(s.starved) == {"c1"}


def test_captions_beyond_the_cap_count_nothing():
    v = view(one_hot([0] * 20 + [1] * 20, 2), n_retrieved=[30_000, 400])
    plain = {**PLAIN, "retrieved_weight": 0.03}
    assert taken(v, select(v, 10, retrieved_cap=None, **plain)).tolist() == [0, 10]
    capped = taken(v, select(v, 10, **plain))
    assert capped.tolist() == [4, 6]  # 15 against 12: 3 first, then in turn
    assert select(v, 10, retrieved_cap=0, **PLAIN).counts_before == {"c0": 0, "c1": 0}


def test_23_without_retrieved_weight_it_balances_labels():
    v = view(one_hot([0] * 20 + [1] * 20 + [2] * 20, 3), n_labeled=[4, 0, 2], n_retrieved=[0, 900, 5])
    assert taken(v, select(v, 12, retrieved_weight=0, **PLAIN)).tolist() == [2, 6, 4]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_23_more_weight_never_gives_the_most_retrieved_class_more(seed):
    rng = np.random.default_rng(seed)
    retrieved = rng.integers(0, 300, 4)
    v = view(one_hot(rng.integers(0, 4, 80), 4), n_labeled=rng.integers(0, 3, 4), n_retrieved=retrieved)
    top = int(retrieved.argmax())
    shares = [taken(v, select(v, 20, retrieved_weight=w, **PLAIN))[top] for w in (0, 0.003, 0.01, 0.03, 0.1, 0.3, 1)]
    assert all(a >= b for a, b in pairwise(shares))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_24_two_batches_with_the_first_pending_are_one_of_twice_the_size(seed):
    rng = np.random.default_rng(seed)
    v = view(one_hot(rng.integers(0, 4, 90), 4), n_labeled=rng.integers(0, 5, 4))
    whole = taken(v, select(v, 40, **PLAIN))
    first = select(v, 20, **PLAIN)
    rest = np.setdiff1d(np.arange(90), first.rows)
    later = replace(
        v, item_ids=v.item_ids[rest], probs=v.probs[rest], vectors=v.vectors[rest], n_pending=taken(v, first) * 1.0
    )
    assert (taken(v, first) + taken(later, select(later, 20, **PLAIN)) == whole).all()


def test_buys_more_true_tail_than_random_on_a_long_tail():
    rng = np.random.default_rng(6)
    truth = rng.choice(4, size=600, p=[0.6, 0.25, 0.1, 0.05])
    logits = rng.normal(size=(600, 4)) + 2.5 * one_hot(truth, 4)
    v = view(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), n_retrieved=[600, 250, 100, 50])
    s = select(v, 60, retrieved_weight=0.03)
    assert (truth[s.rows] >= 2).mean() > 1.5 * (truth >= 2).mean()
