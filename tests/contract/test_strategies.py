"""Every file of acquisition/ keeps the contract: exact budget, no repeats, blind to the order of the pool."""

from dataclasses import replace

import numpy as np
import pytest

from tailfirst import plugins
from tailfirst.contracts import Head, PoolView
from tailfirst.errors import PoolExhausted, Unavailable, UserError

NAMES = plugins.names("acquisition")
CLASSES = ("elm", "ash", "yew", "oak")
SCORING = [name for name in NAMES if hasattr(plugins.load("acquisition", name), "score")]
KNOWN_CHANCES = {"random", "stratified_random"}
BY_SCORE = {"margin", "entropy", "least_confidence", "tail_first", "alor_tfs", "compose"}  # ties go by item id


def view(n=60, seed=0, dim=8, model=True, prototypes=True) -> PoolView:
    rng = np.random.default_rng(seed)
    unit = lambda x: (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)  # noqa: E731
    vectors = unit(rng.normal(size=(n + 6, dim)))
    head = Head(unit(rng.normal(size=(len(CLASSES), dim))), 4.0)
    logits = head.scale * (vectors[:n] @ head.weights.T).astype(float)
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return PoolView(
        item_ids=np.array([f"{i:020x}" for i in rng.permutation(10 * n)[:n]]),
        vectors=vectors[:n],
        class_ids=CLASSES,
        probs=probs if model else None,
        labeled_vectors=vectors[n:],
        labeled_classes=np.array([0, 0, 1, 2, 2, 2]),
        n_labeled=np.array([2.0, 1, 3, 0]),
        n_pending=np.zeros(4),
        n_retrieved=np.array([40.0, 300, 5, 0]),
        prototypes=unit(rng.normal(size=(4, dim))) if prototypes else None,
        head=head if model else None,
    )


def shuffled(v: PoolView, order) -> PoolView:
    probs = None if v.probs is None else v.probs[order]
    return replace(v, item_ids=v.item_ids[order], vectors=v.vectors[order], probs=probs)


def select(name, v, budget, seed=3):
    module = plugins.load("acquisition", name)
    return module.select(v, budget, plugins.params("acquisition", name, {}), np.random.default_rng(seed))


def outcome(name, v):
    """The ids of a batch, or what the strategy says against it."""
    try:
        return ids(v, select(name, v, 5))
    except (Unavailable, UserError) as error:
        return str(error)


def ids(v, selection):
    return v.item_ids[selection.rows].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_the_module_says_where_it_comes_from(name):
    assert len(plugins.load("acquisition", name).__doc__ or "") > 60


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("budget", [0, 1, 7, 59, 60])
def test_exact_budget_of_distinct_rows_in_range(name, budget):
    v = view()
    s = select(name, v, budget)
    assert len(s.rows) == len(set(s.rows.tolist())) == budget
    assert ((s.rows >= 0) & (s.rows < 60)).all()
    assert len(s.scores) == len(s.inclusion_probabilities) == len(s.reasons) == len(s.stages) == budget
    assert np.isfinite(s.scores).all()
    assert all(s.reasons)
    assert all(s.stages)


@pytest.mark.parametrize("name", NAMES)
def test_inclusion_probabilities_are_unknown_or_real_probabilities(name):
    found = select(name, view(), 12).inclusion_probabilities
    known = found[~np.isnan(found)]
    assert ((known > 0) & (known <= 1)).all()
    assert len(known) == (12 if name in KNOWN_CHANCES else 0)


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_batch(name):
    v = view()
    first, second = select(name, v, 20), select(name, v, 20)
    assert first.rows.tolist() == second.rows.tolist()
    assert first.reasons == second.reasons


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_the_pool_does_not_matter(name, seed):
    v = view(seed=seed)
    other = shuffled(v, np.random.default_rng(seed + 50).permutation(60))
    assert ids(v, select(name, v, 25)) == ids(other, select(name, other, 25))


@pytest.mark.parametrize("name", NAMES)
def test_equal_rows_are_taken_by_item_id(name):
    v = view(n=12)
    flat = replace(v, probs=np.full((12, 4), 0.25), vectors=np.repeat(v.vectors[:1], 12, axis=0), prototypes=None)
    other = shuffled(flat, np.arange(12)[::-1])
    first = ids(flat, select(name, flat, 5))
    assert first == ids(other, select(name, other, 5))
    if name in BY_SCORE:
        assert first == sorted(flat.item_ids.tolist())[:5]


@pytest.mark.parametrize("name", NAMES)
def test_an_exhausted_pool_says_both_numbers(name):
    with pytest.raises(PoolExhausted, match=r"asked for 61 items.*60"):
        select(name, view(), 61)


@pytest.mark.parametrize("name", NAMES)
def test_works_with_one_class_without_labels_and_without_prototypes(name):
    v = view(prototypes=False)
    bare = replace(
        v, class_ids=("only",), probs=np.ones((60, 1)), labeled_vectors=v.vectors[:0],
        head=Head(v.head.weights[:1], 4.0), labeled_classes=np.zeros(0, np.int64), n_labeled=np.zeros(1),
        n_pending=np.zeros(1), n_retrieved=np.zeros(1),
    )  # fmt: skip
    assert len(set(select(name, bare, 60).rows.tolist())) == 60


@pytest.mark.parametrize("name", NAMES)
def test_one_hot_probabilities_do_not_crash(name):
    v = view()
    sure = np.eye(4)[v.probs.argmax(1)]
    assert len(select(name, replace(v, probs=sure), 30).rows) == 30


@pytest.mark.parametrize("name", NAMES)
def test_without_a_model_it_either_works_or_says_what_is_missing(name):
    v = view(model=False)
    try:
        found = f"{len(select(name, v, 10).rows)} rows"
    except Unavailable as error:
        found = str(error)
    assert found == "10 rows" or "no model yet" in found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.2])
def test_broken_probabilities_name_the_item_or_are_never_looked_at(name, bad):
    v = view()
    probs = v.probs.copy()
    probs[17, 2] = bad
    said, blind = outcome(name, replace(v, probs=probs)), outcome(name, replace(v, probs=None, head=None))
    assert said == blind or (isinstance(said, str) and str(v.item_ids[17]) in said)


@pytest.mark.parametrize("name", SCORING)
def test_a_score_is_a_number_per_row_blind_to_their_order(name):
    v, order = view(), np.random.default_rng(9).permutation(60)
    module, params = plugins.load("acquisition", name), plugins.params("acquisition", name, {})
    scores = module.score(v, params, np.random.default_rng(3))
    assert scores.shape == (60,)
    assert np.isfinite(scores).all()
    again = module.score(shuffled(v, order), params, np.random.default_rng(3))
    np.testing.assert_allclose(again, scores[order], atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_a_head_in_place_of_probabilities_gives_the_same_rows_or_says_what_is_missing(name):
    v = view()
    weights = np.ascontiguousarray(v.prototypes)
    logits = 4.0 * (v.vectors @ weights.T).astype(float)
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    given = select(name, replace(v, probs=probs, head=Head(weights, 4.0)), 12)
    try:
        found = select(name, replace(v, probs=None, head=Head(weights, 4.0)), 12).rows.tolist()
    except Unavailable as error:
        found = str(error)
    assert found == given.rows.tolist() or "no model yet" in found


def test_the_core_strategies_are_there():
    assert {"random", "margin", "entropy", "tail_first", "kmeans"} <= set(NAMES)
