"""Label errors: by hand, against cleanlab, and never a row lost."""

import numpy as np
import pytest
from cleanlab.count import compute_confident_joint, get_confident_thresholds
from cleanlab.rank import get_label_quality_scores
from hypothesis import given, settings
from hypothesis import strategies as st

from tailfirst.quality.label_errors import (
    confident_classes,
    confident_joint,
    issues,
    label_quality,
    ranked,
    thresholds,
)

SCORES = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")


def noisy(seed, n=500, c=5, flips=0.1):
    """Labels with planted flips, probabilities of a model that knows the truth fairly well."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(c, size=n)
    flipped = rng.random(n) < flips
    labels = np.where(flipped, (truth + rng.integers(1, c, size=n)) % c, truth)
    logits = rng.normal(size=(n, c))
    logits[np.arange(n), truth] += 3
    raised = np.exp(logits)
    return labels, raised / raised.sum(axis=1, keepdims=True), flipped


def test_five_rows_by_hand():
    """Thresholds: a (0.8 + 0.6 + 0.1) / 3 = 0.5, b (0.9 + 0.4) / 2 = 0.65. Confident: a, a, b, b, and of the last a."""
    labels = np.array([0, 0, 0, 1, 1])
    probs = np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9], [0.1, 0.9], [0.6, 0.4]])
    np.testing.assert_allclose(thresholds(labels, probs), [0.5, 0.65])
    assert issues(labels, probs).tolist() == [False, False, True, False, True]
    np.testing.assert_allclose(confident_joint(labels, probs), [[2, 1], [1, 1]])
    np.testing.assert_allclose(label_quality(labels, probs, "self_confidence"), [0.8, 0.6, 0.1, 0.9, 0.4])
    np.testing.assert_allclose(label_quality(labels, probs), [0.8, 0.6, 0.1, 0.9, 0.4])
    assert ranked(labels, probs).tolist() == [2, 4, 1, 0, 3]
    entropy = -(0.8 * np.log2(0.8) + 0.2 * np.log2(0.2))
    expected = np.log1p(entropy / 0.8) / (entropy / 0.8)
    assert label_quality(labels, probs, "confidence_weighted_entropy")[0] == pytest.approx(expected)


def test_margin_by_hand():
    probs = np.array([[0.5, 0.3, 0.2]])
    assert label_quality(np.array([0]), probs)[0] == pytest.approx(0.6)
    assert label_quality(np.array([2]), probs)[0] == pytest.approx(0.35)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_cleanlab(seed, score):
    labels, probs, _ = noisy(seed)
    oracle = get_label_quality_scores(labels, probs, method=score)
    np.testing.assert_allclose(label_quality(labels, probs, score), oracle, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_confident_joint_equals_cleanlab(seed):
    labels, probs, _ = noisy(seed, c=3 + seed, flips=0.3)
    np.testing.assert_allclose(thresholds(labels, probs), get_confident_thresholds(labels, probs))
    raw, off = compute_confident_joint(labels, probs, calibrate=False, return_indices_of_off_diagonals=True)
    assert np.flatnonzero(issues(labels, probs)).tolist() == list(off)
    expected = raw / raw.sum(axis=1, keepdims=True) * np.bincount(labels)[:, None]
    np.testing.assert_allclose(confident_joint(labels, probs), expected)
    rounded = compute_confident_joint(labels, probs)
    assert np.abs(confident_joint(labels, probs) - rounded).max() < 1.0, "cleanlab's is rounded to whole labels"


@pytest.mark.parametrize("score", SCORES)
def test_planted_flips_come_first(score):
    """10 % flips: AUROC above 0.9 (specs/methods.md M13)."""
    labels, probs, flipped = noisy(11, n=2000)
    order = ranked(labels, probs, score)
    place = np.empty(len(order))
    place[order] = np.arange(len(order))
    wins = (place[flipped][:, None] < place[~flipped][None, :]).mean()
    assert wins > 0.9


def test_of_several_confident_classes_the_likeliest_counts():
    """Thresholds a 0.4, b 0.3: the first row reaches both and is of b, the likelier."""
    labels, probs = np.array([0, 1]), np.array([[0.4, 0.6], [0.7, 0.3]])
    np.testing.assert_allclose(thresholds(labels, probs), [0.4, 0.3])
    assert confident_classes(labels, probs).tolist() == [1, 0]


def test_a_class_without_labels_is_never_confident():
    labels, probs = np.array([0, 1]), np.array([[0.1, 0.0, 0.9], [0.0, 0.1, 0.9]])
    assert thresholds(labels, probs)[2] == 2.0
    assert not issues(labels, probs).any()


@pytest.mark.parametrize("score", SCORES)
def test_a_wholly_sure_model_can_be_right_or_wrong(score):
    probs = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    right, wrong = label_quality(np.array([0, 0]), probs, score)
    assert right > 0.99
    assert wrong < 0.3


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_no_row_is_ever_removed(data):
    n, c = data.draw(st.integers(1, 30)), data.draw(st.integers(2, 6))
    labels = np.array(data.draw(st.lists(st.integers(0, c - 1), min_size=n, max_size=n)))
    raw = np.array(data.draw(st.lists(st.lists(st.integers(0, 9), min_size=c, max_size=c), min_size=n, max_size=n)))
    probs = (raw + 1e-9) / (raw + 1e-9).sum(axis=1, keepdims=True)
    before = labels.copy(), probs.copy()
    for score in SCORES:
        assert sorted(ranked(labels, probs, score)) == list(range(n))
    assert issues(labels, probs).shape == (n,)
    assert confident_joint(labels, probs).sum() == pytest.approx(n)
    np.testing.assert_array_equal(labels, before[0])
    np.testing.assert_array_equal(probs, before[1])


def test_wrong_input_says_what():
    probs = np.full((2, 2), 0.5)
    with pytest.raises(ValueError, match=r"must fit, found \(3,\) and \(2, 2\)"):
        label_quality(np.array([0, 1, 1]), probs)
    with pytest.raises(ValueError, match=r"must be in 0 \.\. 1, found 0 \.\. 2"):
        label_quality(np.array([0, 2]), probs)
    with pytest.raises(ValueError, match="no label quality 'magic'; known: self_confidence"):
        label_quality(np.array([0, 1]), probs, "magic")
