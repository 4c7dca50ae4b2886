"""Metrics by hand, and scikit-learn as the oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailfirst.evaluation.intervals import values
from tailfirst.evaluation.metrics import NAMES, Answers, confusion, measure, recalls, tail_classes


def answers(truth, predicted, confidence=None, tail=(False, False, True)) -> Answers:
    n = len(truth)
    return Answers(
        np.array([f"i{k}" for k in range(n)]), np.array(truth), np.array(predicted),
        np.full(n, 0.5) if confidence is None else np.array(confidence), np.array(tail),
    )  # fmt: skip


FIVE = answers([0, 0, 0, 1, 2], [0, 0, 1, 1, 0])


def test_five_items_by_hand():
    s = values(FIVE)
    assert s.accuracy[0] == pytest.approx(3 / 5)
    assert s.balanced_accuracy[0] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert s.macro_f1[0] == pytest.approx((2 * 2 / (3 + 3) + 2 * 1 / (1 + 2) + 0) / 3)
    assert s.tail_accuracy[0] == pytest.approx(0)
    assert s.head_accuracy[0] == pytest.approx((2 / 3 + 1) / 2)
    np.testing.assert_allclose(recalls(FIVE), [2 / 3, 1, 0])
    assert confusion(FIVE).tolist() == [[2, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_a_class_without_items_has_no_recall_and_does_not_count():
    s = values(answers([0, 0, 1], [0, 2, 1]))
    assert s.balanced_accuracy[0] == pytest.approx((0.5 + 1) / 2)
    assert np.isnan(s.tail_accuracy[0])
    assert np.isnan(recalls(answers([0, 0, 1], [0, 2, 1]))[2])


def test_calibration_error_by_hand():
    """Bins of 1/15: 0.95 and 0.96 share the last one (gap |0.5 - 0.955|), 0.30 is in the fifth (gap |1 - 0.3|)."""
    s = values(answers([0, 0, 1], [0, 1, 1], [0.95, 0.96, 0.30]))
    assert s.ece[0] == pytest.approx((2 * abs(0.5 - 0.955) + abs(1 - 0.3)) / 3)
    assert values(answers([0, 1], [0, 1], [1.0, 1.0])).ece[0] == 0
    edges = values(answers([0, 0], [0, 0], [1 / 15, 2 / 15]))  # right-closed bins: two bins, no crash at the edges
    assert edges.ece[0] == pytest.approx((14 / 15 + 13 / 15) / 2)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 8), st.integers(2, 80))
def test_scikit_learn_agrees(seed, count, n):
    from sklearn import metrics as sk

    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(count, size=n), rng.integers(count, size=n)
    s = values(answers(truth, predicted, tail=np.arange(count) == 0))
    present = np.unique(truth)
    assert s.accuracy[0] == pytest.approx(sk.accuracy_score(truth, predicted))
    assert s.balanced_accuracy[0] == pytest.approx(sk.recall_score(truth, predicted, labels=present, average="macro"))
    f1 = sk.f1_score(truth, predicted, labels=present, average="macro", zero_division=0)
    assert s.macro_f1[0] == pytest.approx(f1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_weights_are_repetitions(seed):
    rng = np.random.default_rng(seed)
    one = answers(rng.integers(3, size=12), rng.integers(3, size=12), rng.uniform(0.34, 1, 12))
    times = rng.integers(0, 4, size=12)
    times[0] = 1
    rows = np.repeat(np.arange(12), times)
    longer = Answers(one.item_ids[rows], one.truth[rows], one.predicted[rows], one.confidence[rows], one.tail)
    weighted, repeated = measure(one, times[None].astype(float)), values(longer)
    for name in NAMES:
        np.testing.assert_allclose(weighted.of(name), repeated.of(name), atol=1e-12)


def test_tail_classes_by_count_then_id():
    assert tail_classes(np.array([5.0, 1, 9, 1, 7, 8]), tuple("fedcba"), 1 / 3).tolist() == [
        False,
        True,
        False,
        True,
        False,
        False,
    ]
    assert tail_classes(np.array([1.0, 1, 1]), ("b", "c", "a"), 1 / 3).tolist() == [False, False, True]
    assert tail_classes(np.array([3.0]), ("only",), 0.5).tolist() == [True]
    assert tail_classes(np.arange(10.0), tuple("abcdefghij"), 0.01).sum() == 1
