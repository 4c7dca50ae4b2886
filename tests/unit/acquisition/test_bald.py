"""BALD and PowerBALD: passes by hand, scikit-activeml, and the law of the random batch."""

from math import log

import numpy as np
import pytest

from tailfirst.acquisition import _dropout, bald, power_bald
from tailfirst.adaptation._linear import softmax
from tests.support.views import make, noise, select


def binary(p):
    return -p * log(p) - (1 - p) * log(1 - p)


def test_five_rows_by_hand():
    first = np.array([[1, 0], [0.5, 0.5], [0.9, 0.1], [0.8, 0.2], [1, 0]])
    second = np.array([[0, 1], [0.5, 0.5], [0.5, 0.5], [0.8, 0.2], [1, 0]])
    by_hand = [
        log(2),  # sure and contradicting
        0,  # ambiguous in both: entropy ln 2, no disagreement
        binary(0.7) - (binary(0.9) + log(2)) / 2,
        0,
        0,
    ]
    np.testing.assert_allclose(bald._information([first, second]), by_hand, atol=1e-12)


def test_scikit_activeml_gives_the_same_score():
    from skactiveml.pool import batch_bald

    probs = np.random.default_rng(0).dirichlet(np.ones(4), size=(6, 50))  # passes, items, classes
    np.testing.assert_allclose(bald._information(list(probs)), batch_bald(probs, 1)[0], atol=1e-6)


def test_the_score_is_that_of_the_passes():
    v = noise(n=2000, dim=16)
    params = bald.Params(passes=4)
    found = bald.score(v, params, np.random.default_rng(2))
    passes = np.zeros((4, 2000, 4))
    for rows, drawn in _dropout.blocks(v, params, np.random.default_rng(2)):
        for m, logits in enumerate(drawn):
            passes[m, rows] = softmax(logits.astype(np.float64))
    np.testing.assert_allclose(found, bald._information(list(passes)), atol=1e-12)
    assert (found >= 0).all()
    s = select("bald", v, 10)
    assert (np.diff(s.scores) <= 0).all()
    assert s.reasons[0].startswith("bald:")


def test_without_dropout_all_passes_agree():
    assert bald.score(noise(), bald.Params(rate=0), np.random.default_rng(0)).max() < 1e-12


def test_a_certain_item_has_no_score_and_a_contested_one_has():
    v = make([[1, 0], [0.7, 0.7]], weights=np.eye(2), scale=30)
    sure, contested = bald.score(v, bald.Params(passes=200, rate=0.5), np.random.default_rng(0))
    # [1, 0]: class a unless its only feature is dropped; then both are even. Never b.
    assert contested > 1.2 * sure
    assert contested == pytest.approx(binary(0.5) - 0.5 * log(2), abs=0.05)  # half the passes even, a quarter each sure


def test_the_batch_is_drawn_in_proportion_to_the_score(monkeypatch):
    v, rounds = noise(n=4), 4000
    weights = np.array([1.0, 2, 3, 4])
    monkeypatch.setattr(bald, "score", lambda *_: weights)
    drawn = np.array([select("power_bald", v, 2, seed=seed).rows for seed in range(rounds)])
    first = np.bincount(drawn[:, 0], minlength=4) / rounds
    np.testing.assert_allclose(first, weights / 10, atol=4 * np.sqrt(0.25 / rounds))
    after_last = drawn[drawn[:, 0] == 3, 1]
    second = np.bincount(after_last, minlength=4) / len(after_last)
    np.testing.assert_allclose(second, [1 / 6, 2 / 6, 3 / 6, 0], atol=4 * np.sqrt(0.25 / len(after_last)))


def test_a_high_power_is_bald_and_nothing_to_learn_comes_last(monkeypatch):
    v = noise(n=6)
    monkeypatch.setattr(bald, "score", lambda *_: np.array([0.0, 0.3, 0, 0.1, 0.2, 0]))
    assert select("power_bald", v, 3, power=200.0).rows.tolist() == [1, 4, 3]
    for seed in range(20):
        assert set(select("power_bald", v, 3, seed=seed).rows.tolist()) == {1, 3, 4}
    s = select("power_bald", v, 6)
    assert np.isfinite(s.scores).all()
    assert np.isnan(s.inclusion_probabilities).all()
    assert power_bald.Params().floor > 0
