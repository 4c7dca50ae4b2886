"""CROWDLAB and ActiveLab: five rows by hand, against cleanlab, and where they differ."""

import warnings

import numpy as np
import pytest
from cleanlab.internal.multiannotator_utils import find_best_temp_scaler
from cleanlab.multiannotator import (
    get_active_learning_scores,
    get_label_quality_multiannotator,
    get_majority_vote_label,
)

from tailfirst.quality.activelab import Split, lowest, missing_overlap, relabel_scores, split
from tailfirst.quality.aggregate import aggregate
from tailfirst.quality.answers import Answers
from tailfirst.quality.crowdlab import best_temperature, crowdlab, scaled, weighted
from tailfirst.quality.majority import majority


def five():
    """Items 1..5: aab, aa, b, bb, c (annotators p, q, r), three classes."""
    rows = [
        ("1", "p", "a"), ("1", "q", "a"), ("1", "r", "b"), ("2", "p", "a"), ("2", "q", "a"), ("3", "p", "b"),
        ("4", "q", "b"), ("4", "r", "b"), ("5", "r", "c"),
    ]  # fmt: skip
    probs = np.array([[0.5, 0.3, 0.2], [0.6, 0.2, 0.2], [0.3, 0.6, 0.1], [0.5, 0.4, 0.1], [0.2, 0.2, 0.6]])
    return Answers.build(rows, "abc"), probs


def test_five_rows_by_hand():
    """Shared items 1, 2, 4, majority a, a, b. Average agreement P = (2/3 + 1 + 1) / 3 = 8/9.

    Peers: p (1 + 1) / (2 + 1) = 2/3; q (1 + 1 + 1) / (2 + 1 + 1) = 3/4; r (0 + 1) / (2 + 1) = 1/3. Most common class a:
    right 2/3, error 1/3. Weights: p 1 - (1/3)/(1/3) = 0, q 1 - (1/4)/(1/3) = 1/4, r below 0; floor 1e-6. The model errs
    on item 4: 1 - (1/3)/(1/3) = 0: floor, times sqrt(9/5).
    """
    answers, probs = five()
    found = weighted(answers, probs)
    np.testing.assert_allclose(found.annotator_weights, [1e-6, 0.25, 1e-6], rtol=1e-9)
    assert found.model_weight == pytest.approx(1e-6 * np.sqrt(9 / 5))
    assert found.labels.tolist() == [0, 0, 1, 1, 2]
    p, m = 8 / 9, found.model_weight
    t = scaled(probs, found.temperature)
    first = (m * t[0, 0] + (0.25 + 1e-6) * p + 1e-6 * (1 - p) / 2) / (m + 0.25 + 2e-6)
    assert found.posterior[0, 0] == pytest.approx(first)
    third = (m * t[2, 1] + 1e-6 * p) / (m + 1e-6)
    assert crowdlab(answers, probs).confidence[2] == pytest.approx(third)


def test_who_shares_no_item_counts_as_the_mean_of_the_others():
    """p and q agree on two a and two b of five items, r is alone: peers 4/5, error of always naming a 2/5: 1/2 each."""
    items = [("1", "aa"), ("2", "aa"), ("3", "bb"), ("4", "bb"), ("5", "ab")]
    rows = [(item, who, label) for item, pair in items for who, label in zip("pq", pair, strict=True)]
    answers = Answers.build([*rows, ("6", "r", "a")], "ab")
    probs = np.array([[0.6, 0.4]] * 6)
    np.testing.assert_allclose(weighted(answers, probs).annotator_weights, [0.5] * 3)
    assert np.isnan(crowdlab(answers, probs).annotator_quality).tolist() == [False, False, True]


def test_five_rows_active_by_hand():
    answers, probs = five()
    found = weighted(answers, probs)
    mean, m = (0.25 + 2e-6) / 3, found.model_weight
    labeled, unlabeled = relabel_scores(answers, probs, probs[:1])
    backing = m + 0.25 + 2e-6
    assert labeled[0] == pytest.approx((backing * found.posterior[0, 0] + mean / 3) / (backing + mean))
    best = scaled(probs[:1], found.temperature).max()
    assert unlabeled[0] == pytest.approx((m * best + mean / 3) / (m + mean))


@pytest.mark.parametrize("seed", range(12))
def test_equal_to_cleanlab_at_the_same_temperature(crowd, seed):
    one = crowd(seed, n=80, a=7 + seed % 3, c=2 + seed % 5, high=3)
    inside = weighted(one.answers, one.probs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = get_label_quality_multiannotator(
            one.wide(), scaled(one.probs, inside.temperature), return_weights=True, verbose=False
        )
    found = aggregate("crowdlab", one.answers, one.probs)
    np.testing.assert_array_equal(found.labels, oracle["label_quality"]["consensus_label"])
    np.testing.assert_allclose(found.confidence, oracle["label_quality"]["consensus_quality_score"], rtol=1e-9)
    assert inside.model_weight == pytest.approx(oracle["model_weight"])
    np.testing.assert_allclose(inside.annotator_weights, oracle["annotator_weight"], rtol=1e-9)
    quality = oracle["annotator_stats"]["annotator_quality"].sort_index()
    np.testing.assert_allclose(found.annotator_quality, quality, rtol=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_active_scores_equal_cleanlab_at_the_same_temperature(crowd, seed, monkeypatch):
    one = crowd(seed, n=60, c=3 + seed % 4, high=1 if seed % 4 == 0 else 3)
    rest = crowd(seed + 50, n=30, c=3 + seed % 4).probs
    temperature = weighted(one.answers, one.probs).temperature
    monkeypatch.setattr("cleanlab.multiannotator.find_best_temp_scaler", lambda *_: temperature)
    oracle = get_active_learning_scores(one.wide(), one.probs, rest)
    found = relabel_scores(one.answers, one.probs, rest)
    np.testing.assert_allclose(found[0], oracle[0], rtol=1e-9)
    np.testing.assert_allclose(found[1], oracle[1], rtol=1e-9)
    assert all(((s > 0) & (s < 1)).all() for s in found)


@pytest.mark.parametrize("seed", range(6))
def test_temperature_equals_cleanlab_where_its_count_is_right(crowd, seed):
    """On a full table of integers. Where answers are missing its table holds floats, and it counts those wrongly."""
    one = crowd(seed, n=60, a=3, c=3 + seed % 3, low=3, high=3)
    assert best_temperature(one.answers, one.probs) == find_best_temp_scaler(one.wide().astype(int), one.probs)


@pytest.mark.parametrize("seed", range(8))
def test_majority_equals_cleanlab(crowd, seed):
    one = crowd(seed, n=120, c=4, high=4)
    found = majority(one.answers, one.probs)
    np.testing.assert_array_equal(found.labels, get_majority_vote_label(one.wide(), one.probs, verbose=False))


def test_no_overlap_means_the_model_speaks():
    answers = Answers.build([("1", "p", "a"), ("2", "q", "b")], "ab")
    probs = np.array([[0.4, 0.6], [0.1, 0.9]])
    found = crowdlab(answers, probs)
    assert found.labels.tolist() == [0, 1]
    np.testing.assert_allclose(found.confidence, [0.4, 0.9])
    assert np.isnan(found.annotator_quality).all()


def test_nothing_answered_yet():
    _, unlabeled = relabel_scores(Answers.build([], "ab"), np.zeros((0, 2)), np.array([[0.4, 0.6], [0.1, 0.9]]))
    np.testing.assert_allclose(unlabeled, [(0.6 + 0.5) / 2, (0.9 + 0.5) / 2])


@pytest.mark.parametrize("seed", range(5))
def test_one_more_agreeing_answer_raises_the_score_iff_p_is_higher(seed):
    """Weights, mean weight and consensus held fixed (M7): the sign of the change is the sign of P - s."""
    rng = np.random.default_rng(seed)
    for _ in range(200):
        p, q, backing, weight, mean = rng.random(5)
        c = int(rng.integers(2, 9))
        before = (backing * q + mean / c) / (backing + mean)
        after_q = (backing * q + weight * p) / (backing + weight)
        after = ((backing + weight) * after_q + mean / c) / (backing + weight + mean)
        assert (after > before) == (p > before)


def test_balance_keeps_weights_alive_on_skewed_data(crowd):
    """97 % one class: agreement on it is nearly all there is. Balanced weights still tell the good from the lazy."""
    rng = np.random.default_rng(0)
    truth = (rng.random(600) < 0.03).astype(int)
    rows = []
    for i, t in enumerate(truth):
        for who, skill in (("good1", 0.97), ("good2", 0.97), ("lazy", 0.0)):
            rows.append((f"{i:04d}", who, "ab"[t if rng.random() < skill else 0 if who == "lazy" else 1 - t]))
    answers = Answers.build(rows, "ab")
    probs = np.where(truth[:, None] == np.arange(2), 0.8, 0.2)
    plain, even = weighted(answers, probs), weighted(answers, probs, balanced=True)
    assert plain.annotator_weights.max() < 1e-5
    assert even.annotator_weights[:2].min() > 0.2 > even.annotator_weights[2]


def test_gold_is_the_consensus(crowd):
    answers, probs = five()
    for method in ("majority", "crowdlab", "dawid_skene"):
        found = aggregate(method, answers, probs, known={"1": "c", "77": "a"})
        assert found.labels[0] == 2
        assert found.posterior[0].tolist() == [0, 0, 1]
        assert found.confidence[0] == 1


@pytest.mark.parametrize("method", ["majority", "dawid_skene", "crowdlab"])
def test_order_of_answers_never_matters(crowd, method):
    one = crowd(5, n=80)
    mixed = [one.rows[i] for i in np.random.default_rng(1).permutation(len(one.rows))]
    first = aggregate(method, one.answers, one.probs)
    second = aggregate(method, Answers.build(mixed, one.answers.class_ids), one.probs)
    np.testing.assert_array_equal(first.posterior, second.posterior)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.annotator_quality, second.annotator_quality)


def test_temperature_finds_the_planted_one(crowd):
    one = crowd(2, n=4000, a=30, c=4, low=2, high=3, skill=(1, 1))
    honest = one.probs
    assert best_temperature(one.answers, scaled(honest, 1 / 3)) == pytest.approx(
        3 * best_temperature(one.answers, honest), rel=0.2
    )


def test_split_follows_the_scores_and_keeps_the_cap():
    relabel, new = np.array([0.1, 0.9, 0.2, 0.5]), np.array([0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    assert split(4, relabel, new, 1.0) == Split(2, 2)
    assert split(5, relabel, new, 1.0) == Split(2, 3), "at equal scores a new item comes first"
    assert split(4, relabel, new, 0.30) == Split(1, 3)
    assert split(4, relabel, new, 0.0) == Split(0, 4)
    assert split(4, relabel, new[:1], 0.5) == Split(2, 1), "nothing is bought that is not there"
    assert split(4, 1 + relabel, new, 0.5, at_least=1) == Split(1, 3)
    assert split(4, 1 + relabel, new, 0.25, at_least=3) == Split(1, 3), "the cap holds"
    assert split(0, relabel, new) == Split(0, 0)
    assert lowest(relabel, 2).tolist() == [0, 2]
    with pytest.raises(ValueError, match=r"found -1 and 0\.3"):
        split(-1, relabel, new)


def test_missing_overlap_by_hand():
    """10 items, none shared, 10 answers to come: 2 second answers leave 18 items, 2 shared; 1 leaves 19: 1/19 < 0.1."""
    assert missing_overlap(np.ones(10, int), 10, 0.10) == 2
    assert missing_overlap(np.array([2, 2, 1, 1]), 10, 0.10) == 0
    assert missing_overlap(np.array([1]), 100, 0.5) == 1


def test_wrong_input_says_what():
    answers, probs = five()
    with pytest.raises(ValueError, match=r"no consensus method 'mace'; known: majority, dawid_skene, crowdlab"):
        aggregate("mace", answers)
    with pytest.raises(ValueError, match="crowdlab needs out-of-sample model probabilities"):
        aggregate("crowdlab", answers)
    with pytest.raises(ValueError, match=r"probs must be \(items, classes\) = \(5, 3\), found \(4, 3\)"):
        aggregate("crowdlab", answers, probs[:4])
    with pytest.raises(ValueError, match="no answers to"):
        aggregate("majority", Answers.build([], "ab"))
    with pytest.raises(ValueError, match="two classes or more, found 1"):
        crowdlab(Answers.build([("1", "p", "a")], "a"), np.ones((1, 1)))
    with pytest.raises(ValueError, match="unknown classes: z; known: a, b"):
        Answers.build([("1", "p", "z")], "ab")
    with pytest.raises(ValueError, match="given twice: a"):
        Answers.build([], "aba")
    with pytest.raises(ValueError, match="gold names unknown classes: z"):
        aggregate("majority", answers, known={"1": "z"})
