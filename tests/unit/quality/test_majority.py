"""Answers as arrays, and the majority with its tie-breakers, by hand."""

import numpy as np

from tailfirst.quality.answers import Answers
from tailfirst.quality.majority import majority


def test_answers_are_canonical():
    answers = Answers.build([("2", "q", "b"), ("1", "q", "a"), ("2", "p", "a"), ("2", "q", "a")], "ab")
    assert (answers.item_ids, answers.annotator_ids, answers.class_ids) == (("1", "2"), ("p", "q"), ("a", "b"))
    assert answers.items.tolist() == [0, 1, 1]
    assert answers.annotators.tolist() == [1, 0, 1]
    assert answers.labels.tolist() == [0, 0, 0], "q's last answer on item 2 counts"
    assert answers.per_item.tolist() == [1, 2]
    assert answers.counts.tolist() == [[1, 0], [2, 0]]
    seconds = answers.aligned({("2", "q"): 4.0, ("1", "q"): 2.5, ("9", "q"): 1.0})
    np.testing.assert_array_equal(seconds, [2.5, np.nan, 4.0])


def test_two_of_three():
    found = majority(Answers.build([("1", "p", "a"), ("1", "q", "a"), ("1", "r", "b"), ("2", "r", "b")], "ab"))
    np.testing.assert_allclose(found.posterior, [[2 / 3, 1 / 3], [0, 1]])
    assert found.labels.tolist() == [0, 1]
    np.testing.assert_allclose(found.confidence, [2 / 3, 1])
    np.testing.assert_array_equal(found.annotator_quality, [1, 1, 0])
    assert found.method == "majority/1"


def test_tie_goes_to_the_model_first():
    answers = Answers.build([("1", "p", "a"), ("1", "q", "b"), ("2", "p", "c"), ("2", "q", "c")], "abc")
    probs = np.array([[0.3, 0.2, 0.5], [0.2, 0.2, 0.6]])
    assert majority(answers, probs).labels[0] == 0, "the likeliest class c is not among the tied"
    assert majority(answers, probs[:, [1, 0, 2]]).labels[0] == 1


def test_then_to_the_rarer_class():
    rows = [("1", "p", "a"), ("1", "q", "b"), ("2", "p", "a")]
    even = np.full((2, 2), 0.5)
    assert majority(Answers.build(rows, "ab")).labels[0] == 1
    assert majority(Answers.build(rows, "ab"), even).labels[0] == 1
    assert majority(Answers.build(rows, "ab"), even, rare=np.array([1.0, 9])).labels[0] == 0


def test_then_to_the_better_annotator_then_to_the_first_class():
    """p errs on item 2, q never: q wins the tie on item 1. a and b occur three times each."""
    rows = [
        ("1", "p", "a"), ("1", "q", "b"), ("2", "p", "b"), ("2", "q", "a"), ("2", "r", "a"),
        ("3", "q", "b"), ("3", "r", "b"), ("4", "s", "a"),
    ]  # fmt: skip
    answers = Answers.build(rows, "ab")
    assert answers.counts.sum(axis=0).tolist() == [4, 4]
    assert majority(answers).labels[0] == 1
    assert majority(Answers.build([("1", "p", "a"), ("1", "q", "b")], "ba")).labels[0] == 0
    assert majority(Answers.build([("1", "p", "a"), ("1", "q", "b")], "ab")).labels[0] == 0
