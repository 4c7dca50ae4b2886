"""Core-Set: by hand, the definition, scikit-activeml, and copies."""

import numpy as np
import pytest

from tailfirst.acquisition import _centers
from tests.support.pool_views import pool_view, select, unit, world


def on_circle(*degrees):
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def by_definition(vectors, ids, labeled, budget):
    """k times the farthest from its nearest center, all distances anew in float64; ties by item id."""
    centers, picks = [*labeled.astype(float)], []
    for _ in range(budget):
        far = [min((((v - c) ** 2).sum() for c in centers), default=9.0) for v in vectors.astype(float)]
        far = np.where(np.isin(np.arange(len(far)), picks), -1, np.round(far, 12))
        ties = np.flatnonzero(far == far.max())
        picks.append(int(ties[np.argsort(ids[ties])[0]]))
        centers.append(vectors[picks[-1]].astype(float))
    return picks


def test_five_rows_by_hand():
    """Labeled at 0: 180 is farthest, then 90 (90 from both), 200 (20 from 180), 10, and the copy of the label last."""
    view = pool_view(vectors=on_circle(0, 10, 90, 180, 200), labeled=on_circle(0))
    found = select("coreset", view, 5)
    assert found.rows.tolist() == [3, 2, 4, 1, 0]
    by_hand = 2 * np.sin(np.deg2rad([180, 90, 20, 10, 0]) / 2)
    np.testing.assert_allclose(found.scores, by_hand, atol=1e-3)
    assert set(found.reasons) == {"coverage"}
    assert np.isnan(found.inclusion_probabilities).all()


def test_without_labels_the_first_item_starts():
    view = pool_view(vectors=on_circle(0, 90, 170), ids=["c", "a", "b"])
    assert select("coreset", view, 3).rows.tolist() == [1, 0, 2]  # 0 is 90 from the first, 170 only 80


@pytest.mark.parametrize("seed", range(24))
def test_the_picks_of_the_definition(seed, monkeypatch):
    monkeypatch.setattr(_centers, "SET", (4, 16, 2048)[seed % 3])
    monkeypatch.setattr(_centers, "BLOCK", 37)
    monkeypatch.setattr(_centers, "CENTERS", 5)
    rng = np.random.default_rng(seed)
    count, dim = int(rng.integers(5, 250)), int(rng.integers(2, 30))
    vectors = unit(rng.normal(size=(count, dim)))
    if seed % 2:
        vectors = vectors[rng.integers(0, count // 2, count)]  # many copies
    ids = np.array([f"{i:05d}" for i in rng.permutation(count)])
    labeled = unit(rng.normal(size=(7, dim)))[: 7 * (seed % 4 > 0)]
    budget = min(count, 30)
    picks = _centers.greedy(vectors, ids, labeled, budget)[0]
    assert picks.tolist() == by_definition(vectors, ids, labeled, budget)


def test_scikit_activeml_picks_the_same():
    from skactiveml.pool import CoreSet

    rng = np.random.default_rng(5)
    vectors = unit(rng.normal(size=(400, 16)))
    known = np.concatenate([np.zeros(10), np.full(390, np.nan)])
    theirs = CoreSet(random_state=0).query(vectors.astype(float), known, batch_size=40)
    view = pool_view(vectors=vectors[10:], labeled=vectors[:10])
    assert (select("coreset", view, 40).rows + 10).tolist() == theirs.tolist()


def test_the_radius_only_falls_and_copies_come_last():
    vectors = unit(np.random.default_rng(1).normal(size=(30, 4)))
    view = pool_view(vectors=np.concatenate([vectors, vectors]))
    found = select("coreset", view, 60)
    assert (np.diff(found.scores[1:]) <= 1e-6).all()
    assert len({r % 30 for r in found.rows[:30].tolist()}) == 30
    assert (found.scores[30:] < 3e-3).all()


def test_no_model_is_needed():
    assert len(select("coreset", world(n=20), 5).rows) == 5
