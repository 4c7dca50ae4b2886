"""DropQuery: flips by hand, the falling threshold, and what dropout does to logits.

scikit-activeml is no oracle here: it does not rescale what dropout keeps, which moves the argmax of heads with a bias.
"""

from dataclasses import replace

import numpy as np
import pytest

from tailfirst import plugins
from tailfirst.acquisition import _dropout, dropquery
from tailfirst.errors import Unavailable
from tests.support.views import make, noise, select

AXES = np.eye(2)


def test_five_rows_by_hand():
    """W = I: a row flips when the larger coordinate is dropped; nothing left is a tie, which goes to class a."""
    v = make([[1, 0], [0.8, 0.6], [0, 1], [0.6, 0.8], [0.9, 0.1]], weights=AXES)
    shares = dropquery.score(v, dropquery.Params(passes=20_000), np.random.default_rng(0))
    by_hand = [
        0,  # the other logit is 0 at most
        0.75 * 0.25,  # first dropped, second kept
        0.75,  # second dropped: 0 = 0 is a
        0.75,  # second dropped, the first kept or not
        0.75 * 0.25,
    ]
    np.testing.assert_allclose(shares, by_hand, atol=4 * np.sqrt(0.25 / 20_000))


@pytest.mark.parametrize(("wanted", "rows"), [(2, [2, 3, 4]), (3, [2, 3, 4]), (4, [1, 2, 3, 4]), (5, [1, 2, 3, 4])])
def test_the_threshold_falls_once(wanted, rows):
    assert dropquery._candidates(np.array([0, 1, 2, 3, 3]), wanted).tolist() == rows


def test_few_candidates_are_all_taken_and_random_items_fill_up(monkeypatch):
    v = noise(n=30)
    flips = np.zeros(30, np.int64)
    flips[[4, 7, 9]] = [1, 2, 3]
    monkeypatch.setattr(dropquery, "_flips", lambda *_: flips)
    s = select("dropquery", v, 5)
    assert s.rows[:3].tolist() == [4, 7, 9]
    assert s.reasons == ("flips:1/3", "flips:2/3", "flips:3/3", "fill", "fill")
    assert s.stages == ("score",) * 3 + ("fill",) * 2
    assert select("dropquery", v, 5, seed=1).rows[3:].tolist() != s.rows[3:].tolist()
    two = select("dropquery", v, 2)
    assert set(two.rows.tolist()) <= {4, 7, 9}


def test_without_dropout_nothing_flips_and_the_batch_is_random():
    s = select("dropquery", noise(), 20, rate=0)
    assert set(s.reasons) == {"fill"}
    assert not s.scores.any()
    assert (dropquery.score(noise(), dropquery.Params(rate=0), np.random.default_rng(0)) == 0).all()


def test_items_between_two_classes_flip_more_often():
    v = noise(n=2000)
    top = np.sort(v.probs, axis=1)
    margin = top[:, -1] - top[:, -2]
    shares = dropquery.score(v, dropquery.Params(passes=20), np.random.default_rng(0))
    assert shares[margin < 0.1].mean() > shares[margin > 0.8].mean() + 0.05


def test_the_score_belongs_to_the_item_not_to_the_row():
    v, order = noise(n=50), np.random.default_rng(1).permutation(50)
    other = replace(v, item_ids=v.item_ids[order], vectors=v.vectors[order], probs=v.probs[order])
    for name in ("dropquery", "bald", "alfa_mix"):
        module, params = plugins.load("acquisition", name), plugins.params("acquisition", name, {})
        first = module.score(v, params, np.random.default_rng(3))
        np.testing.assert_array_equal(first[order], module.score(other, params, np.random.default_rng(3)))


def test_classes_in_another_order_give_the_same_batch():
    v, order = noise(n=80, labeled=np.eye(8)[:4], labels=(0, 1, 2, 2)), np.array([2, 0, 3, 1])
    other = replace(
        v, class_ids=tuple(v.class_ids[c] for c in order), probs=v.probs[:, order],
        head=replace(v.head, weights=v.head.weights[order]), labeled_classes=np.argsort(order)[v.labeled_classes],
    )  # fmt: skip
    for name in ("dropquery", "bald", "power_bald", "alfa_mix"):
        first, second = select(name, v, 10), select(name, other, 10)
        assert first.rows.tolist() == second.rows.tolist()
        assert first.reasons == second.reasons


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.5, 0.75])
def test_dropout_keeps_the_expected_logits(rate):
    v = noise(n=5, dim=16, scale=3)
    params = _dropout.Passes(passes=20_000, rate=rate)
    total = np.zeros((5, 4))
    for rows, passes in _dropout.blocks(v, params, np.random.default_rng(0)):
        for logits in passes:
            total[rows] += logits
    plain = v.head.scale * v.vectors @ v.head.weights.T
    spread = 0 if rate == 0 else 3 * np.sqrt(rate / (1 - rate) / 20_000)
    np.testing.assert_allclose(total / 20_000, plain, atol=4 * spread + 1e-4)


def test_blocks_draw_masks_for_every_row(monkeypatch):
    monkeypatch.setattr(_dropout, "BLOCK", 7)
    v = make(np.repeat([[0.6, 0.8]], 100, axis=0), weights=AXES)
    flips = dropquery.score(v, dropquery.Params(passes=1), np.random.default_rng(0))
    assert 50 < flips.sum() < 95


@pytest.mark.parametrize("name", ["dropquery", "bald", "power_bald", "alfa_mix"])
def test_a_missing_head_is_named(name):
    v = noise()
    with pytest.raises(Unavailable, match="head"):
        select(name, replace(v, head=None), 3)
    with pytest.raises(Unavailable, match="no model yet"):
        select(name, replace(v, head=None, probs=None), 3)
