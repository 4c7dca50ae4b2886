"""ALFA-Mix: the closed form by hand and against the published mixing, element by element.

scikit-activeml has no ALFA-Mix.
"""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from tailfirst.acquisition import alfa_mix
from tailfirst.vectors import unit
from tests.support.views import make, noise, select


def labeled_noise(n=100, dim=8, **given):
    rng = np.random.default_rng(9)
    return noise(n=n, dim=dim, labeled=unit(rng.normal(size=(6, dim))), labels=(0, 0, 1, 2, 3, 3), **given)


def test_five_rows_by_hand():
    """W = I, two features. The step runs along (-1, 1) / sqrt(2) or back, and closes the gap by sqrt(2) a unit."""
    rows = np.array([[0.8, 0.6], [1, 0], [0.6, 0.8], [sqrt(0.5), sqrt(0.5)], [0, 1]])
    v = make(rows, weights=np.eye(2), labeled=np.eye(2), labels=(0, 1))
    farthest = [sqrt(0.8), sqrt(2), sqrt(0.8), sqrt(2 - sqrt(2)), sqrt(2)]  # from (1, 0) or (0, 1)
    gap = [0.2, 1, 0.2, 0, 1]
    needed, predicted, rival = alfa_mix._needed(v)
    by_hand = np.array(gap) / sqrt(2) / farthest * sqrt(2)
    np.testing.assert_allclose(needed, by_hand, atol=1e-6)
    assert predicted.tolist()[:3] == [0, 0, 1]
    assert (predicted + rival).tolist() == [1] * 5
    s = select("alfa_mix", v, 2, eps=0.23)  # rows 0, 2 and 3 need less: two of them
    assert set(s.rows.tolist()) <= {0, 2, 3}
    assert s.stages == ("score", "score")
    assert set(s.reasons) <= {"mix:a|b", "mix:b|a"}


def test_the_closed_form_is_the_published_mix():
    v = labeled_noise()
    needed, predicted, _ = alfa_mix._needed(v)
    anchors = [v.labeled_vectors[v.labeled_classes == c].mean(axis=0) for c in range(4)]
    for row in range(40):
        z, p = v.vectors[row].astype(float), v.probs[row]
        gradient = v.head.scale * (p - np.eye(4)[predicted[row]]) @ v.head.weights
        for factor, flips in ((0.98, False), (1.02, True)):
            eps = needed[row] * factor / sqrt(8)
            changed = []
            for anchor in anchors:
                gap = anchor - z
                a = eps * np.linalg.norm(gap) * gradient / (np.linalg.norm(gradient) * gap)
                mixed = a * anchor + (1 - a) * z
                changed.append((v.head.weights @ mixed).argmax() != predicted[row])
            assert any(changed) == flips


def test_no_mixing_no_candidate():
    s = select("alfa_mix", labeled_noise(), 10, eps=0)
    assert set(s.reasons) == {"fill"}


def test_the_step_grows_until_there_are_more_than_the_budget():
    needed = np.array([0.01, 0.02, 0.04, 0.05, 0.5])
    assert alfa_mix._candidates(needed, 1, None).tolist() == [0, 1]  # two below 0.03125
    assert alfa_mix._candidates(needed, 2, None).tolist() == [0, 1, 2, 3]  # below 0.0625
    assert alfa_mix._candidates(needed, 3, None).tolist() == [0, 1, 2, 3]
    assert alfa_mix._candidates(needed, 4, None).tolist() == [0, 1, 2, 3, 4]
    assert alfa_mix._candidates(np.array([2.0, np.inf]), 1, None).tolist() == []


def test_anchors_are_label_means_else_prototypes_else_missing():
    v = make(np.eye(3), "abc", np.eye(3), labeled=[[1, 0, 0], [0, 1, 0]], labels=(0, 0))
    np.testing.assert_allclose(alfa_mix._anchors(v), [[0.5, 0.5, 0]])
    text = replace(v, prototypes=np.eye(3, dtype=np.float32)[::-1].copy())
    np.testing.assert_allclose(alfa_mix._anchors(text), [[0.5, 0.5, 0], [0, 1, 0], [1, 0, 0]])


@pytest.mark.parametrize("labels", [(), (0,)])
def test_without_anchors_or_at_the_only_anchor_the_batch_is_random(labels):
    v = make(np.repeat([[1.0, 0]], 6, axis=0), weights=np.eye(2), labeled=[[1, 0]][: len(labels)], labels=labels)
    s = select("alfa_mix", v, 4)
    assert set(s.reasons) == {"fill"}
    assert not s.scores.any()


def test_the_score_is_highest_between_classes():
    v = make([[1, 0], [0.72, 0.69]], weights=np.eye(2), labeled=np.eye(2), labels=(0, 1))
    far, near = alfa_mix.score(v, alfa_mix.Params(), np.random.default_rng(0))
    assert 0 < far < near <= 1
