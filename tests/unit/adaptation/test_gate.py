"""Pseudo-labels behind a gate (alor.md 7.10, check 29)."""

import dataclasses

import numpy as np
import pytest

from tailfirst import plugins
from tailfirst.adaptation import _gate
from tailfirst.adaptation._options import Gate
from tailfirst.errors import Unavailable
from tests.contract.test_adaptations import CLASSES, train, unit

ADMITTED = np.array([True, True, False])


def probs(*rows):
    return np.array(rows, np.float64)


def test_the_surest_rows_of_admitted_classes_up_to_the_cap():
    table = probs(
        (0.90, 0.05, 0.05), (0.99, 0.01, 0.0), (0.95, 0.05, 0.0), (0.1, 0.85, 0.05), (0.0, 0.0, 1.0), (0.5, 0.5, 0.0)
    )
    rows, classes = _gate.accepted(table, ADMITTED, 0.8, most=2)
    assert rows.tolist() == [1, 2, 3]
    assert classes.tolist() == [0, 0, 1]


def test_nothing_is_sure_enough():
    rows, classes = _gate.accepted(probs((0.5, 0.3, 0.2)), ADMITTED, 0.8, most=2)
    assert (len(rows), len(classes)) == (0, 0)


def test_equal_rows_are_taken_in_order():
    rows, _ = _gate.accepted(probs(*[(0.9, 0.1, 0.0)] * 5), ADMITTED, 0.8, most=3)
    assert rows.tolist() == [0, 1, 2]


def test_a_class_that_labels_contradict_stays_closed():
    """Labels of class 0 lie where class 1 does: what is predicted as either is right half of the time."""
    rng = np.random.default_rng(0)
    data = train(rows=0, retrieved=0)
    centers = data.prototypes
    classes = np.repeat(np.arange(5), 20)
    vectors = unit(centers[classes] + 0.05 * rng.normal(size=(100, centers.shape[1])))
    wrong = classes.copy()
    wrong[:40] = rng.permutation(wrong[:40])
    found = _gate.open_classes(vectors, wrong, 5, data, Gate())
    assert found.tolist() == [False, False, True, True, True]


def test_two_labels_are_not_enough_to_open_a_class():
    data = train(rows=0, retrieved=0)
    vectors, classes = data.prototypes[[0, 1]], np.array([0, 1])
    assert not _gate.open_classes(vectors, classes, 5, data, Gate(precision=0.8)).any()  # (1 + 0.5) / (1 + 1)


def with_pool(seed=3):
    data = train(rows=60, retrieved=10)
    pool = train(rows=400, retrieved=0, seed=0).vectors
    return dataclasses.replace(data, unlabeled=lambda: pool)


def fit(data, **options):
    given = {"unlabelled": "gated", "tower": "adapter", "epochs": 4, "epoch_rows": None, "stage2": "none"} | options
    module = plugins.load("adaptation", "finetune")
    return module.fit(data, plugins.params("adaptation", "finetune", given), np.random.default_rng(0))


def test_pool_rows_take_part_in_the_fit_and_nowhere_else():
    data = with_pool()
    open_gate = {"gate": {"precision": 0.1, "threshold": 0.3}}
    with_them, without = fit(data, **open_gate), fit(data, unlabelled="off")
    assert not np.array_equal(with_them.head.weights, without.head.weights)
    closed = fit(data, gate={"precision": 0.999})
    np.testing.assert_array_equal(closed.head.weights, without.head.weights)


def test_the_number_of_pseudo_labels_never_exceeds_the_cap(monkeypatch):
    seen, plain = [], _gate.accepted

    def watched(table, admitted, threshold, most):
        rows, classes = plain(table, admitted, threshold, most)
        seen.append((np.bincount(classes, minlength=len(CLASSES)), admitted, most))
        return rows, classes

    monkeypatch.setattr(_gate, "accepted", watched)
    data = with_pool()
    fit(data, gate={"precision": 0.3, "threshold": 0.3})
    head_class = np.bincount(data.classes[~data.retrieved]).max()
    assert seen
    for counts, admitted, most in seen:
        assert most == head_class
        assert counts.max() <= head_class
        assert counts[~admitted].sum() == 0
    assert max(counts.sum() for counts, _, _ in seen) > 0


def test_without_the_pool_it_says_what_is_missing():
    with pytest.raises(Unavailable, match="pool"):
        fit(train())
