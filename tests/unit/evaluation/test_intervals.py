"""Intervals: reproducible, paired, covering; Wilson and Student by hand."""

import numpy as np
import pytest

from tailfirst.evaluation import intervals
from tailfirst.evaluation.metrics import Answers


def answers(right, seed=0, classes=4) -> Answers:
    truth = np.random.default_rng(seed).integers(classes, size=len(right))
    predicted = np.where(right, truth, (truth + 1) % classes)
    return Answers(
        np.array([f"{i:04d}" for i in range(len(right))]), truth, predicted, np.full(len(right), 0.8),
        np.arange(classes) == 0,
    )  # fmt: skip


def resampled(a, n=400, seed=1):
    return intervals.resampled(a, n, np.random.default_rng([seed, 3]))


def test_same_generator_same_interval_and_blocks_do_not_show(monkeypatch):
    a = answers(np.random.default_rng(2).random(150) < 0.7)
    whole = resampled(a).accuracy
    np.testing.assert_array_equal(whole, resampled(a).accuracy)
    monkeypatch.setattr(intervals, "CELLS", 151)
    assert resampled(a).accuracy.shape == (400,)


def test_the_bootstrap_finds_the_binomial_spread():
    a = answers(np.arange(400) < 300)
    found = intervals.interval(0.75, resampled(a, 2000).accuracy, 0.95)
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert found.value == 0.75
    assert found.low == pytest.approx(0.75 - half, abs=0.01)
    assert found.high == pytest.approx(0.75 + half, abs=0.01)


def test_pairs_are_paired():
    """Two models that differ in 10 of 200 items: the paired spread is far smaller than the unpaired one."""
    right = np.random.default_rng(3).random(200) < 0.6
    better = right.copy()
    better[np.flatnonzero(~right)[:10]] = True
    one, two = resampled(answers(better)), resampled(answers(right))
    gap = one.accuracy - two.accuracy
    assert (gap >= 0).all()
    assert gap.std() < 0.5 * np.sqrt(one.accuracy.var() + two.accuracy.var())


def test_coverage_of_balanced_accuracy_on_a_long_tail():
    """95 % intervals with 1 to 24 items per class; a class-stratified bootstrap covers about 55 % here."""
    rng = np.random.default_rng(4)
    support = np.maximum(1, (24 * np.geomspace(1, 0.03, 8)).astype(int))
    truth = np.repeat(np.arange(8), support)
    hits = 0
    for trial in range(120):
        recall = rng.beta(3, 2, size=8)
        right = rng.random(len(truth)) < recall[truth]
        predicted = np.where(right, truth, (truth + 1) % 8)
        a = Answers(np.arange(len(truth)).astype(str), truth, predicted, np.full(len(truth), 0.5), np.arange(8) == 0)
        many = resampled(a, 200, trial).balanced_accuracy
        found = intervals.interval(float(np.nanmean(many)), many, 0.95)
        hits += found.low <= recall.mean() <= found.high
    assert hits / 120 > 0.82


def test_nothing_to_measure_is_none():
    assert intervals.interval(float("nan"), np.array([0.1, 0.2]), 0.95) is None
    assert intervals.interval(0.5, np.array([np.nan]), 0.95) is None
    assert intervals.over_seeds(np.array([np.nan]), 0.95) is None


def test_wilson_by_hand():
    found = intervals.wilson(8, 10, 0.95)
    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)
    edge = intervals.wilson(0, 5, 0.95)
    assert edge.low == 0
    assert edge.high == pytest.approx(0.4345, abs=1e-4)


def test_student_by_hand():
    found = intervals.over_seeds(np.array([0.6, 0.7, 0.8]), 0.95)
    half = 4.302653 * 0.1 / np.sqrt(3)
    assert (found.value, found.low, found.high) == pytest.approx((0.7, 0.7 - half, 0.7 + half), abs=1e-6)
    assert intervals.over_seeds(np.array([0.4]), 0.95).low == 0.4
