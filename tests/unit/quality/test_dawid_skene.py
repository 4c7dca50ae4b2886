"""Dawid-Skene: by hand, against crowd-kit, and what it promises."""

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import DawidSkene

from tailfirst.quality.aggregate import aggregate
from tailfirst.quality.answers import AnnotatorPrior, Answers
from tailfirst.quality.confusion import carried, error_counts, merged, weak
from tailfirst.quality.dawid_skene import dawid_skene, fit


def theirs(crowd, rounds, **more):
    frame = pd.DataFrame(crowd.rows, columns=["task", "worker", "label"])
    model = DawidSkene(rounds, tol=-np.inf)
    found = model.fit_predict_proba(frame, **more)
    return found.loc[list(crowd.answers.item_ids), list(crowd.answers.class_ids)].to_numpy()


def test_one_iteration_by_hand():
    """Two items, one said "a" by both annotators, one split.

    Majority: T = (1, 0), (1/2, 1/2); prior = (3/4, 1/4). Counts (truth a, truth b): p says a twice: (3/2, 1/2);
    q says a once and b once: (1, 0) and (1/2, 1/2). So p says a always; q given a: a 2/3, b 1/3; given b: b always.
    Second item: a: 3/4 * 1 * 1/3 = 1/4; b: 1/4 * 1 * 1 = 1/4: a half each. First: 3/4 * 1 * 2/3 = 1/2 against 0.
    """
    rows = [("1", "p", "a"), ("1", "q", "a"), ("2", "p", "a"), ("2", "q", "b")]
    found = fit(Answers.build(rows, "ab"), iterations=1)
    np.testing.assert_allclose(found.posterior, [[1, 0], [0.5, 0.5]], atol=1e-9)
    np.testing.assert_allclose(found.priors, [0.75, 0.25])
    np.testing.assert_allclose(found.errors, [[1, 1], [2 / 3, 0], [1 / 3, 1]], atol=1e-9)
    assert found.objectives[0] == pytest.approx(2 * np.log(0.5))


@pytest.mark.parametrize(("seed", "rounds"), [(0, 1), (1, 2), (2, 7), (3, 12), (4, 60)])
def test_equal_to_crowd_kit_after_as_many_steps(crowd, seed, rounds):
    one = crowd(seed, n=50, c=5)
    found = fit(one.answers, iterations=rounds, tolerance=-np.inf)
    np.testing.assert_allclose(found.posterior, theirs(one, rounds), atol=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_crowd_kit_with_gold(crowd, seed):
    one = crowd(seed)
    known = {one.answers.item_ids[i]: f"c{one.truth[i]}" for i in range(0, 60, 3)}
    found = fit(one.answers, known=known, iterations=20, tolerance=-np.inf)
    np.testing.assert_allclose(found.posterior, theirs(one, 20, true_labels=pd.Series(known)), atol=1e-7)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("help_", [(False, False), (True, False), (False, True), (True, True)])
def test_the_objective_never_falls(crowd, seed, help_):
    one = crowd(seed, n=40, a=6, c=3)
    known = {one.answers.item_ids[i]: f"c{one.truth[i]}" for i in range(0, 40, 4)} if help_[0] else None
    prior = weak(one.answers.annotator_ids, one.answers.class_ids) if help_[1] else None
    found = fit(one.answers, prior, known, tolerance=0)
    assert len(found.objectives) > 3
    assert np.diff(found.objectives).min() > -1e-6
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1)


def test_stops_by_itself_and_at_the_limit(crowd):
    answers = crowd(1, n=300).answers
    assert len(fit(answers).objectives) < 100
    assert len(fit(answers, tolerance=-np.inf).objectives) == 100


def test_a_liar_is_understood(crowd):
    """Someone who always swaps two classes helps as much as someone who never errs."""
    truth = np.random.default_rng(0).integers(2, size=200)
    rows = [
        (f"{i:03d}", who, "ab"[t if who != "liar" else 1 - t])
        for i, t in enumerate(truth)
        for who in ("p", "q", "liar")
    ]
    found = dawid_skene(Answers.build(rows, "ab"))
    np.testing.assert_array_equal(found.labels, truth)
    np.testing.assert_allclose(found.annotator_quality, [0, 1, 1], atol=1e-6)


def test_gold_is_fixed_and_teaches(crowd):
    """Two against one, every time: without gold the two win, with gold on half the items the one does."""
    rows = [
        (f"{i:02d}", who, "a" if (who == "good") == (i % 2 == 0) else "b")
        for i in range(20)
        for who in ("good", "x", "y")
    ]
    answers = Answers.build(rows, "ab")
    truth = [i % 2 for i in range(20)]
    known = {f"{i:02d}": "ab"[truth[i]] for i in range(10)}
    assert dawid_skene(answers).labels.tolist() == [1 - t for t in truth]
    found = aggregate("dawid_skene", answers, known=known)
    assert found.labels.tolist() == truth
    assert found.posterior[:10].max(axis=1).tolist() == [1.0] * 10
    np.testing.assert_allclose(found.annotator_quality, [1, 0, 0], atol=1e-6)


def test_history_outlasts_the_first_step(crowd):
    """One answer each by two who disagree: the history decides whom to believe, at convergence too."""
    answers = Answers.build([("1", "good", "a"), ("1", "bad", "b")], "ab")
    counts = np.array([[[1.0, 9], [9, 1]], [[9.0, 1], [1, 9]]])
    found = dawid_skene(answers, AnnotatorPrior(("bad", "good"), ("a", "b"), counts))
    # good said a, bad said b: both of their histories speak for a
    assert found.labels.tolist() == [0]
    assert found.confidence[0] > 0.95
    assert found.annotator_quality[0] < 0.2
    assert found.annotator_quality[1] > 0.8
    assert np.isnan(dawid_skene(Answers.build([("1", "solo", "a")], "ab")).annotator_quality[0])


def test_history_is_carried(crowd):
    one, two = crowd(3), crowd(4)
    first = carried(one.answers, dawid_skene(one.answers).posterior)
    both = carried(two.answers, dawid_skene(two.answers, first).posterior, first)
    assert both.counts.sum() == pytest.approx(len(one.rows) + len(two.rows))
    some = AnnotatorPrior(("zoe",), one.answers.class_ids, np.ones((1, 4, 4)))
    joined = merged(first, some)
    assert joined.annotator_ids == (*first.annotator_ids, "zoe")
    np.testing.assert_array_equal(joined.counts[-1], np.ones((4, 4)))


def test_error_counts_by_hand():
    answers = Answers.build([("1", "p", "a"), ("2", "p", "b"), ("2", "q", "a")], "ab")
    counts = error_counts(answers, np.array([[1.0, 0], [0.25, 0.75]]))
    np.testing.assert_allclose(counts, [[[1, 0.25], [0, 0.75]], [[0.25, 0], [0.75, 0]]])


def test_many_classes_need_a_prior(crowd):
    """40 classes and 45 answers per annotator: the plain model overfits, a weak common prior does not."""
    one = crowd(7, n=300, a=20, c=40, low=3, high=3, skill=(0.6, 0.8))
    plain = (dawid_skene(one.answers).labels == one.truth).mean()
    helped = (
        dawid_skene(one.answers, weak(one.answers.annotator_ids, one.answers.class_ids)).labels == one.truth
    ).mean()
    assert helped > plain + 0.02


def test_a_class_that_nobody_named_gets_nothing():
    rows = [("1", "p", "a"), ("1", "q", "b"), ("2", "p", "a"), ("2", "q", "a"), ("3", "p", "b"), ("3", "q", "b")]
    assert (dawid_skene(Answers.build(rows, "abc")).posterior[:, 2] == 0).all()


def test_foreign_history_is_refused(crowd):
    answers = Answers.build([("1", "p", "a")], "ab")
    with pytest.raises(ValueError, match="about the classes x, y, the answers about a, b"):
        dawid_skene(answers, AnnotatorPrior(("p",), ("x", "y"), np.ones((1, 2, 2))))
    with pytest.raises(ValueError, match=r"must be \(1, 2, 2\)"):
        dawid_skene(answers, AnnotatorPrior(("p",), ("a", "b"), np.ones((1, 3, 2))))
