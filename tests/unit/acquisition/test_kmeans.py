"""The centroid start: k-means itself, one item near each prototype, and what it does with doubles."""

import numpy as np
import pytest

from tailfirst import plugins
from tailfirst.acquisition import _clusters
from tailfirst.contracts import PoolView


def clumps(k=6, each=30, dim=8, seed=0, noise=0.05):
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(k, dim))
    vectors = np.repeat(centers, each, axis=0) + noise * rng.normal(size=(k * each, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), np.repeat(np.arange(k), each)


def test_one_pick_per_clump():
    vectors, clump = clumps()
    picks = _clusters.pick(vectors, 6, 20, np.random.default_rng(3))
    assert len(set(clump[picks].tolist())) >= 5
    assert len(set(picks.tolist())) == 6


def test_inertia_is_close_to_scikit_learn():
    from sklearn.cluster import KMeans

    vectors, _ = clumps(k=20, each=40, noise=0.4, seed=2)
    rng = np.random.default_rng(0)
    centers = _clusters._plus_plus(vectors, 20, rng)
    for _ in range(10):
        centers = _clusters._means(vectors, _clusters.assign(vectors, centers)[0], centers)
    ours = _clusters.assign(vectors, centers)[1].sum()
    theirs = KMeans(20, n_init=1, random_state=0).fit(vectors).inertia_
    assert ours < 1.15 * theirs


def test_distances_are_squared_euclidean():
    vectors, _ = clumps(k=3, each=5)
    labels, squared = _clusters.assign(vectors, vectors[:3])
    by_hand = ((vectors[:, None].astype(float) - vectors[None, :3]) ** 2).sum(-1)
    np.testing.assert_allclose(squared, by_hand.min(1), atol=1e-5)
    np.testing.assert_array_equal(labels, by_hand.argmin(1))


@pytest.mark.parametrize("count", [0, 1, 5, 9, 10])
def test_doubles_still_give_distinct_rows(count):
    vectors = np.repeat(np.eye(2, dtype=np.float32), 5, axis=0)
    picks = _clusters.pick(vectors, count, 5, np.random.default_rng(1))
    assert len(set(picks.tolist())) == count


def test_every_class_with_a_prototype_gets_one():
    vectors, clump = clumps()
    centers = np.stack([vectors[clump == k].mean(0) for k in range(6)])
    view = PoolView(
        item_ids=np.array([f"{i:03d}" for i in range(len(vectors))]), vectors=vectors,
        class_ids=tuple(f"c{k}" for k in range(6)), probs=None, labeled_vectors=vectors[:0],
        labeled_classes=np.zeros(0, np.int64), n_labeled=np.zeros(6), n_pending=np.zeros(6), n_retrieved=np.zeros(6),
        prototypes=(centers / np.linalg.norm(centers, axis=1, keepdims=True)).astype(np.float32),
    )  # fmt: skip
    module = plugins.load("acquisition", "kmeans")
    s = module.select(view, 14, module.Params(), np.random.default_rng(0))
    near = [(int(clump[r]), why) for r, why in zip(s.rows, s.reasons, strict=True) if why.startswith("near")]
    assert sorted(near) == [(k, f"near:c{k}") for k in range(6)]
    assert s.reasons.count("centroid") == 8
    fewer = module.select(view, 4, module.Params(), np.random.default_rng(0))
    assert set(fewer.reasons) == {"centroid"}  # B < C
