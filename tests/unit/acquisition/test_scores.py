"""Margin, entropy, least confidence: five rows by hand, scikit-activeml as the oracle, and scores from a head."""

from dataclasses import replace
from math import log

import numpy as np
import pytest

from tailfirst import plugins
from tailfirst.acquisition import _probs, _rows, _scores
from tailfirst.contracts import Head, PoolView
from tailfirst.errors import UserError
from tests.support.pool_views import pool_view, unit

FIVE = np.array(
    [
        [0.50, 0.50, 0.00],  # two classes, dead even
        [1.00, 0.00, 0.00],  # sure
        [0.40, 0.35, 0.25],
        [1 / 3, 1 / 3, 1 / 3],  # knows nothing
        [0.80, 0.10, 0.10],
    ]
)


def view(probs, ids=None, class_ids=("a", "b", "c")) -> PoolView:
    n, c = probs.shape
    return PoolView(
        item_ids=np.array(ids if ids is not None else [f"i{r}" for r in range(n)]),
        vectors=np.ones((n, 2), np.float32),
        class_ids=class_ids,
        probs=probs,
        labeled_vectors=np.zeros((0, 2), np.float32),
        labeled_classes=np.zeros(0, np.int64),
        n_labeled=np.zeros(c),
        n_pending=np.zeros(c),
        n_retrieved=np.zeros(c),
        prototypes=None,
    )


def select(name, v, budget):
    return plugins.load("acquisition", name).select(v, budget, plugins.params("acquisition", name, {}), None)


def test_entropy_by_hand():
    by_hand = [
        log(2),
        0,
        -(0.4 * log(0.4) + 0.35 * log(0.35) + 0.25 * log(0.25)),
        log(3),
        -(0.8 * log(0.8) + 0.2 * log(0.1)),
    ]
    np.testing.assert_allclose(_probs.entropy(FIVE), by_hand, atol=1e-12)
    s = select("entropy", view(FIVE), 5)
    assert s.rows.tolist() == [3, 2, 0, 4, 1]
    np.testing.assert_allclose(s.scores, np.sort(by_hand)[::-1], atol=1e-12)
    assert s.reasons[1] == "entropy:a"


def test_least_confidence_by_hand():
    s = select("least_confidence", view(FIVE), 5)
    assert s.rows.tolist() == [3, 2, 0, 4, 1]
    np.testing.assert_allclose(s.scores, [2 / 3, 0.6, 0.5, 0.2, 0], atol=1e-12)
    assert s.reasons[1] == "least_confidence:a"


def test_margin_by_hand():
    s = select("margin", view(FIVE), 5)
    assert s.rows.tolist() == [0, 3, 2, 4, 1]  # rows 0 and 3 tie at margin 0: the smaller id first
    np.testing.assert_allclose(s.scores, [1, 1, 0.95, 0.3, 0], atol=1e-12)
    assert s.reasons[2] == "margin:a|b"


def test_ties_go_to_the_smaller_class_id_whatever_the_order_of_classes():
    even = np.array([[0.5, 0.5]])
    for names in (("x", "y"), ("y", "x")):
        looks = _probs.look(view(even, class_ids=names))
        assert names[looks.first[0]] == "x"
        assert names[looks.second[0]] == "y"


def test_classes_in_another_order_give_the_same_batch():
    rng = np.random.default_rng(1)
    probs = rng.dirichlet(np.ones(6), size=80)
    order = rng.permutation(6)
    names = np.array(list("abcdef"))
    for name in ("margin", "entropy"):
        first = select(name, view(probs, class_ids=tuple(names)), 20)
        second = select(name, view(probs[:, order], class_ids=tuple(names[order])), 20)
        assert first.rows.tolist() == second.rows.tolist()
        assert first.reasons == second.reasons


@pytest.mark.parametrize("name", ["margin", "entropy", "least_confidence"])
def test_scikit_activeml_picks_the_same(name):
    from skactiveml.pool import uncertainty_scores

    rng = np.random.default_rng(7)
    probs = rng.dirichlet(np.ones(5), size=400)
    method = {"margin": "margin_sampling", "entropy": "entropy", "least_confidence": "least_confident"}[name]
    theirs = uncertainty_scores(probs, method=method)
    ours = select(name, view(probs, ids=[f"{i:04d}" for i in range(400)], class_ids=tuple("abcde")), 50)
    np.testing.assert_allclose(ours.scores, theirs[ours.rows], atol=1e-12)
    assert set(ours.rows.tolist()) == set(np.argsort(-theirs, kind="stable")[:50].tolist())


def test_blocks_do_not_show(monkeypatch):
    probs = np.random.default_rng(2).dirichlet(np.ones(4), size=100)
    v = view(probs, class_ids=tuple("abcd"))
    whole = select("entropy", v, 30)
    monkeypatch.setattr(_probs, "BLOCK", 7)
    assert select("entropy", v, 30).rows.tolist() == whole.rows.tolist()


def test_best_rows_with_ties():
    scores = np.array([1.0, 3, 3, 2, 3])
    ids = np.array(["e", "d", "b", "c", "a"])
    assert _rows.best(scores, ids, 2).tolist() == [4, 2]
    assert _rows.best(scores, ids, 4).tolist() == [4, 2, 1, 3]
    assert _rows.best(scores, ids, 5).tolist() == [4, 2, 1, 3, 0]
    assert _rows.best(scores, ids, 0).tolist() == []


@pytest.mark.parametrize(
    "ids", [["b", "a", "ab", ""], ["same-prefix-2", "same-prefix-10", "same-prefix-1", "z"], ["ö", "z", "日"]]
)
def test_rows_by_id(ids):
    assert [ids[r] for r in _rows.by_id(np.array(ids))] == sorted(ids)
    many = np.array([f"{x}{y}" for x in ids for y in np.random.default_rng(0).integers(0, 10**12, 50)])
    assert many[_rows.by_id(many)].tolist() == sorted(many.tolist())


def test_uncertainty_is_bought_where_it_is():
    """Two classes with an ambiguous region of 10 %: both scores put far more than a tenth of the batch there."""
    rng = np.random.default_rng(3)
    first = np.concatenate([rng.uniform(0.9, 1, 180), rng.uniform(0.4, 0.6, 20)])
    v = view(np.stack([first, 1 - first], 1), ids=[f"{i:03d}" for i in range(200)], class_ids=("a", "b"))
    for name in ("margin", "entropy"):
        assert (select(name, v, 20).rows >= 180).mean() > 0.9


def test_random_is_uniform_and_says_so():
    v = view(np.full((10, 2), 0.5), ids=[f"{i}" for i in range(10)], class_ids=("a", "b"))
    module = plugins.load("acquisition", "random")
    picks = [
        module.select(v, 3, plugins.params("acquisition", "random", {}), np.random.default_rng(s)) for s in range(2000)
    ]
    assert np.allclose(picks[0].inclusion_probabilities, 0.3)
    share = np.bincount(np.concatenate([p.rows for p in picks]), minlength=10) / 2000
    assert (np.abs(share - 0.3) < 3.5 * np.sqrt(0.3 * 0.7 / 2000)).all()


def test_probabilities_that_do_not_sum_to_one_are_refused():
    v = view(FIVE)
    with pytest.raises(UserError, match="i2"):
        select("margin", replace(v, probs=FIVE * np.array([[1], [1], [2], [1], [1]])), 2)


def from_head(seed, count=300, copies=False):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 24))
    if copies:
        rows = rows[rng.integers(0, count // 6, count)]
    weights = unit(rng.normal(size=(7, 24)))
    return pool_view(names=tuple("abcdefg"), vectors=unit(rows), head=Head(weights, 40.0))


def exactly(v):
    """(N, C) probabilities in float64."""
    logits = 40.0 * v.vectors.astype(float) @ v.head.weights.T.astype(float)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", ["margin", "entropy", "least_confidence"])
@pytest.mark.parametrize("copies", [False, True])
def test_scores_of_a_head_are_those_of_its_probabilities(name, copies, monkeypatch):
    monkeypatch.setattr(_scores, "BLOCK", 64)
    for seed in range(5):
        v = from_head(seed, copies=copies)
        with_probs = replace(v, probs=exactly(v))
        np.testing.assert_allclose(_scores.score(v, name), _scores.score(with_probs, name), atol=2e-5)
        one, two = select(name, v, 40), select(name, with_probs, 40)
        np.testing.assert_allclose(one.scores, two.scores, atol=1e-9)
        assert [with_probs.probs[a].tolist() for a in one.rows] == [with_probs.probs[b].tolist() for b in two.rows]
        order = np.random.default_rng(seed).permutation(300)
        other = select(name, replace(v, item_ids=v.item_ids[order], vectors=v.vectors[order]), 40)
        assert v.item_ids[one.rows].tolist() == v.item_ids[order][other.rows].tolist()


@pytest.mark.parametrize("name", ["margin", "entropy", "least_confidence"])
def test_rows_closer_than_float32_can_tell_are_decided_in_float64(name):
    missed = 0
    for seed in range(8):
        v, rng = from_head(seed), np.random.default_rng(seed)
        v = replace(v, vectors=unit(v.vectors[0] + 1e-6 * rng.normal(size=v.vectors.shape)))
        exact = _scores.of(name, exactly(v))
        order = np.argsort(-exact, kind="stable")[:40]
        missed += set(np.argsort(-_scores.score(v, name))[:40]) != set(order)  # by float32 alone
        assert select(name, v, 40).rows.tolist() == order.tolist()
    assert missed


@pytest.mark.parametrize("name", ["margin", "entropy", "least_confidence"])
def test_a_head_of_one_class_and_a_broken_vector(name):
    v = from_head(0)
    one = replace(v, class_ids=("a",), head=Head(v.head.weights[:1], 40.0))
    assert select(name, one, 3).rows.tolist() == [0, 1, 2]
    assert select(name, one, 0).rows.tolist() == []
    vectors = v.vectors.copy()
    vectors[17, 3] = np.nan
    with pytest.raises(UserError, match="i0017"):
        select(name, replace(v, vectors=vectors), 3)
