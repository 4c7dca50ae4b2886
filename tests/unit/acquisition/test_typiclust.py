"""TypiClust: typicality by hand, the order of visits, and clusters that run out.

scikit-activeml is no oracle here: it repeats picks when a cluster runs out and looks at 5 neighbors. Its k-means is
scikit-learn's, whose inertia is the measure of ours.
"""

import numpy as np

from tailfirst.acquisition import typiclust
from tailfirst.vectors import unit
from tests.support.views import angles, make, select


def test_typicality_by_hand():
    """Five rows on a line, min(20, 5 // 2) = 2 neighbors."""
    line = np.array([[0], [1], [2], [4], [8]], np.float32)
    mean = np.array([1.5, 1, 1.5, 2.5, 5])
    np.testing.assert_allclose(typiclust.typicality(line, 20), 1 / (mean + 1e-5), rtol=1e-6)
    np.testing.assert_allclose(typiclust.typicality(line, 1), 1 / (np.array([1, 1, 1, 2, 4]) + 1e-5), rtol=1e-6)
    assert typiclust.typicality(line[:1], 20).tolist() == [0]
    np.testing.assert_allclose(typiclust.typicality(np.ones((4, 1), np.float32), 20), 1e5)


def test_typicality_is_that_of_all_pairs():
    rows = unit(np.random.default_rng(0).normal(size=(50, 6)))
    distances = np.sort(np.linalg.norm(rows[:, None] - rows[None], axis=2), axis=1)[:, 1:21]
    np.testing.assert_allclose(typiclust.typicality(rows, 20), 1 / (distances.mean(axis=1) + 1e-5), rtol=1e-5)


def clumps(*sizes, spread=2.0):
    """Clumps on the circle, far from each other; the middle of each is its most typical place."""
    return angles(*[k * 360 / len(sizes) + spread * i / size for k, size in enumerate(sizes) for i in range(size)])


def test_clusters_without_labels_come_first_then_the_larger():
    v = make(clumps(20, 9, 12), labeled=angles(1.0), labels=(0,))
    s = select("typiclust", v, 2)  # 2 + 1 clusters
    assert np.repeat([0, 1, 2], [20, 9, 12])[s.rows].tolist() == [2, 1]
    first = select("typiclust", make(clumps(20, 9, 12)), 3)
    assert np.repeat([0, 1, 2], [20, 9, 12])[first.rows].tolist() == [0, 2, 1]
    assert first.reasons == tuple(f"typical:of {n} items with 0 labels" for n in (20, 12, 9))


def test_the_pick_is_the_most_typical_member():
    rows = angles(0, 10, 12, 14, 16, 30, 180)
    cluster = np.arange(6)
    s = select("typiclust", make(rows), 1, min_size=1, max_clusters=1, neighbors=2)
    assert s.rows.tolist() == [2]  # neighbors at 2 degrees on both sides, as row 3, which has the larger id
    queue, typical = typiclust._queue(rows, cluster, typiclust.Params(neighbors=2), np.random.default_rng(0))
    assert queue[0] == 2
    assert (np.diff(typical) <= 0).all()


def test_clusters_are_visited_again_and_small_ones_last():
    v = make(clumps(8, 8, 2))
    s = select("typiclust", v, 18, max_clusters=3)
    assert sorted(s.rows.tolist()) == list(range(18))
    home = np.repeat([0, 1, 2], [8, 8, 2])[s.rows]
    assert home[:16].tolist() == [home[0], 1 - home[0]] * 8
    assert home[16:].tolist() == [2, 2]


def test_members_that_were_taken_may_stop_being_neighbors():
    """One neighbor: 10 and 11 are nearest to each other, 14 and 15.5 come next, 20 is alone.

    10 and 11 are the most typical, whatever was taken; anew, 11 without 10 is only 3 from 14, so 14 (1.5) is next.
    """
    rows = angles(10, 11, 14, 15.5, 20, 200)
    plain, anew = (select("typiclust", make(rows), 4, max_clusters=2, min_size=5, neighbors=1, renew=r) for r in (0, 1))
    near = plain.rows[plain.rows < 5]
    assert near.tolist()[:2] == [0, 1]
    assert anew.rows[anew.rows < 5].tolist()[:3] == [0, 2, 1]


def test_a_labeled_item_counts_but_is_never_picked():
    v = make(clumps(10), labeled=clumps(10)[:4], labels=(0, 0, 1, 1))
    found = typiclust.clusters(v, 1, typiclust.Params(max_clusters=1), np.random.default_rng(0))
    assert [(c.size, c.labels) for c in found] == [(14, 4)]
    assert len(set(select("typiclust", v, 10).rows.tolist())) == 10


def test_a_large_cluster_is_thinned_and_still_gives_all_its_members():
    v = make(angles(*np.linspace(0, 20, 40)))
    s = select("typiclust", v, 40, max_clusters=1, largest=10)
    assert sorted(s.rows.tolist()) == list(range(40))
    assert (s.scores > 0).sum() == 10
    assert s.scores[10:].max() == 0


def test_typical_items_are_bought_where_most_items_are():
    rng = np.random.default_rng(0)
    dense = unit(np.array([[1, 0, 0]]) + 0.05 * rng.normal(size=(150, 3)))
    loose = unit(np.array([[0, 1, 0]]) + 0.4 * rng.normal(size=(50, 3)))
    v = make(np.concatenate([dense, loose]))
    s = select("typiclust", v, 2)
    picked = v.vectors[s.rows] @ np.array([[1, 0, 0], [0, 1, 0]]).T
    assert picked.max(axis=0).min() > 0.9


def test_inertia_is_that_of_scikit_learn():
    """Single runs of either differ by 1 to 2 %, so means over seeds are compared."""
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(0)
    rows = unit(rng.normal(size=(40, 16))[rng.integers(40, size=4000)] + 0.5 * rng.normal(size=(4000, 16)))
    ours, theirs = [], []
    for seed in range(6):
        found = typiclust.clusters(make(rows), 30, typiclust.Params(), np.random.default_rng(seed))
        assert sum(len(c.members) for c in found) == 4000
        ours.append(sum(((rows[c.members] - rows[c.members].mean(axis=0)) ** 2).sum() for c in found))
        theirs.append(KMeans(30, n_init=1, random_state=seed).fit(rows).inertia_)
    assert np.mean(ours) < 1.01 * np.mean(theirs)
