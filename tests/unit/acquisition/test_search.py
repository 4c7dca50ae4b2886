"""The search for starved classes: check (26) of specs/alor.md section 10, and its anchors."""

from dataclasses import replace
from functools import partial

import numpy as np

from tailfirst.acquisition import _search
from tests.support.pool_views import one_hot, pool_view, select, unit

tail_first = partial(select, "tail_first")


def hidden_tail(seed=0, n=200):
    """Class 2 exists in the pool, but the model calls its items class 0."""
    rng = np.random.default_rng(seed)
    truth = np.repeat([0, 1, 2], [120, 60, 20])
    centers = np.eye(3, 6)
    vectors = unit(centers[truth] + 0.2 * rng.normal(size=(n, 6)))
    said = np.where(truth == 2, 0, truth)
    probs = 0.96 * one_hot(said, 3) + 0.04 / 3
    return truth, pool_view(probs, vectors=vectors, prototypes=unit(centers), n_labeled=[9, 9, 0], labeled=vectors[:0])


def test_26_search_finds_the_members_of_a_starved_class():
    truth, v = hidden_tail()
    found, without = tail_first(v, 20, max_share=0.5), tail_first(v, 20, max_share=0.5, search="none")
    assert found.stages.count("search") == 6  # ceil(0.3 * 20)
    searched = [r for r, stage in zip(found.rows, found.stages, strict=True) if stage == "search"]
    assert (truth[searched] == 2).all()
    assert {why for why in found.reasons if why.startswith("search")} == {"search:c2"}
    assert (truth[found.rows] == 2).sum() > (truth[without.rows] == 2).sum()
    assert len(set(found.rows.tolist())) == 20
    assert "c2" in found.starved


def test_26_search_takes_at_most_the_shortage():
    where = _search.Anchors(np.eye(3, 2, dtype=np.float32), np.array([True, True, False]))
    short = _search.shortage(np.array([0.0, 0, 0]), [1, 4, 0], 12, 12, where)
    assert short.tolist() == [3, 0, 0]  # wants 4 each; class 2 has no anchor
    assert _search.trim(np.array([5, 2, 5]), 7).tolist() == [3, 2, 2]
    assert _search.trim(np.array([1, 1]), 5).tolist() == [1, 1]


def test_search_by_labeled_items_where_there_is_no_text():
    truth, v = hidden_tail()
    seen = np.flatnonzero(truth == 2)[:2]
    rest = np.setdiff1d(np.arange(200), seen)
    blind = replace(
        v, item_ids=v.item_ids[rest], vectors=v.vectors[rest], probs=v.probs[rest], prototypes=None,
        labeled_vectors=v.vectors[seen], labeled_classes=np.array([2, 2]),
    )  # fmt: skip
    found = tail_first(blind, 20, max_share=0.5)
    searched = [r for r, stage in zip(found.rows, found.stages, strict=True) if stage == "search"]
    assert len(searched) == 6
    assert (truth[rest][searched] == 2).all()
    assert "search" not in tail_first(blind, 20, max_share=0.5, search="text").stages


def test_the_anchor_moves_from_the_text_to_the_labels():
    v = pool_view(
        np.full((2, 2), 0.5), prototypes=np.array([[1, 0], [0, 1]], np.float32), vectors=np.eye(2, dtype=np.float32),
        labeled=np.array([[0, 1]] * 4, np.float32), labeled_classes=np.zeros(4, np.int64),
    )  # fmt: skip
    found = _search.anchors(v, "prototype", np.arange(2))
    np.testing.assert_allclose(found.vectors[0], [2**-0.5, 2**-0.5], atol=1e-6)  # beta = 4 / (4 + 4)
    np.testing.assert_allclose(_search.anchors(v, "text", np.arange(2)).vectors[0], [1, 0])


def test_spread_picks_are_one_per_clump():
    """Two wanted; of the ten best, six are copies of one place and four of another that lies a little farther."""
    near, far = [[1, 0.1, 0]] * 6, [[1, 0, 0.3]] * 4
    v = pool_view(np.full((14, 2), 0.5), vectors=unit([*near, *far, *[[0, 0, 1]] * 4]), prototypes=np.eye(2, 3))
    where = _search.Anchors(np.eye(2, 3, dtype=np.float32), np.array([True, True]))
    wanted = np.array([2, 0])
    best = _search.find(v, where, wanted, np.zeros(0, np.int64))
    assert best == [(0, 0), (1, 0)]
    wider = _search.find(v, where, wanted * _search.WIDER, np.zeros(0, np.int64))
    assert wider == [(row, 0) for row in range(10)]
    found = _search.spread(v, wider, wanted, np.random.default_rng(0))
    assert found == [(0, 0), (6, 0)]
    assert _search.spread(v, wider, np.array([10, 0]), np.random.default_rng(0)) == wider


def test_a_spread_search_keeps_the_numbers_of_a_plain_one():
    _, v = hidden_tail()
    plain, spread = (tail_first(v, 20, max_share=0.5, search_spread=on) for on in (False, True))
    assert plain.reasons == spread.reasons
    searched = [r for r, stage in zip(spread.rows, spread.stages, strict=True) if stage == "search"]
    free = np.setdiff1d(np.arange(200), [r for r, s in zip(spread.rows, spread.stages, strict=True) if s != "search"])
    best = free[np.argsort(-v.vectors[free, 2])[:30]]  # 5 * 6; the pool has 20 members, so some of these are strangers
    assert set(searched) <= set(best.tolist())
    assert len(set(spread.rows.tolist())) == 20
    order = np.random.default_rng(1).permutation(200)
    other = replace(v, item_ids=v.item_ids[order], vectors=v.vectors[order], probs=v.probs[order])
    again = tail_first(other, 20, max_share=0.5, search_spread=True)
    assert other.item_ids[again.rows].tolist() == v.item_ids[spread.rows].tolist()
