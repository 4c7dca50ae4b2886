"""ProbCover: five angles by hand, the greedy rule against a dense one, radius and limits."""

import tracemalloc

import numpy as np
import pytest

from tailfirst.acquisition import _radius, probcover
from tailfirst.vectors import unit
from tests.support.views import angles, make, select


def chord(degrees):
    return 2 * np.sin(np.deg2rad(degrees) / 2)


def balls(rows, radius):
    return np.linalg.norm(rows[:, None] - rows[None], axis=2) < radius


def test_five_rows_by_hand():
    """Balls of 10.5 degrees: {0, 10}, {0, 10, 20}, {10, 20, 30}, {20, 30} and {90}."""
    v = make(angles(0, 10, 20, 30, 90))
    s = select("probcover", v, 5, radius=float(chord(10.5)))
    # 10 and 20 cover three each: the smaller id. Then 20, 30 and 90 newly cover one each. Then the farthest from what
    # was taken (10, 20, 90): 0 and 30 are both 10 degrees away.
    assert s.rows.tolist()[:3] == [1, 2, 4]
    assert s.reasons == ("covers:3 items", "covers:1 items", "covers:1 items", "far:0.17", "far:0.17")
    np.testing.assert_allclose(s.scores, [0.6, 0.2, 0.2, 0, 0])


def test_what_a_label_covers_is_not_bought():
    v = make(angles(0, 10, 20, 30, 90), labeled=angles(5), labels=(0,))
    s = select("probcover", v, 2, radius=float(chord(10.5)))
    assert s.rows.tolist() == [2, 4]  # 20 covers 20 and 30, as 30 does; 0 and 10 are covered


@pytest.mark.parametrize("seed", range(3))
def test_lazy_greedy_is_greedy_and_the_covered_set_grows(seed, monkeypatch):
    monkeypatch.setattr(_radius, "ROWS", 16)
    monkeypatch.setattr(_radius, "COLUMNS", 40)
    rows = unit(np.random.default_rng(seed).normal(size=(150, 4)))
    near, uncovered = balls(rows, 0.6), np.ones(150, bool)
    labeled = rows[:3] * np.float32(-1)
    uncovered &= ~(np.linalg.norm(rows[:, None] - labeled[None], axis=2) < 0.6).any(axis=1)
    expected = []
    while uncovered.any():
        gains = (near & uncovered).sum(axis=1)
        expected.append((int(gains.argmax()), int(gains.max())))
        uncovered &= ~near[expected[-1][0]]
    found = list(probcover.cover(_radius.graph(rows, 0.6), ~_radius.covered(rows, labeled, 0.6)))
    assert found == expected
    assert all(gain > 0 for _, gain in found)


def test_the_graph_is_the_set_of_pairs(monkeypatch):
    rows = unit(np.random.default_rng(1).normal(size=(90, 3)))
    for sizes in ((1024, 8192), (7, 13)):
        monkeypatch.setattr(_radius, "ROWS", sizes[0])
        monkeypatch.setattr(_radius, "COLUMNS", sizes[1])
        graph = _radius.graph(rows, 0.5)
        dense = balls(rows, 0.5)
        for row in range(90):
            assert sorted(graph.near(row).tolist()) == np.flatnonzero(dense[row]).tolist()
        some = np.arange(90) % 3 == 0
        assert graph.degrees(some).tolist() == (dense & some).sum(axis=1).tolist()
        assert graph.after.dtype == graph.before.dtype == np.int32
    assert _radius.density(rows, np.arange(90), 0.5) == pytest.approx(dense.mean())


def test_scikit_activeml_counts_the_same_balls():
    """Its first utilities are the out-degrees; later picks differ where degrees tie, which it breaks at random."""
    from skactiveml.pool import ProbCover

    rows = unit(np.random.default_rng(2).normal(size=(120, 3)))
    labels = np.full(120, np.nan)
    labels[:2] = [0, 1]
    query = ProbCover(n_classes=2, deltas=[0.5], random_state=0)
    with pytest.warns(UserWarning, match="purity"):  # a single delta is taken whatever its purity
        _, theirs = query.query(rows.astype(float), labels, batch_size=1, return_utilities=True)
    uncovered = ~_radius.covered(rows, rows[:2], 0.5)
    ours = _radius.graph(rows, 0.5).degrees(uncovered)
    np.testing.assert_array_equal(ours[2:], theirs[0][2:])


def test_the_radius_by_hand():
    """Two groups, {0, 1, 2} and {40, 41} degrees; a ball is pure up to the nearest row of the other group."""
    rows, every = angles(0, 1, 2, 40, 41), np.arange(5)
    distances = [40, 39, 38, 38, 39]
    for purity, rank in ((1, 0), (0.95, 0), (0.6, 2), (0.2, 4)):
        found = _radius.pure_radius(rows, 2, purity, every, np.random.default_rng(0))
        assert found == pytest.approx(chord(sorted(distances)[rank]), abs=1e-5)
    assert _radius.pure_radius(rows, 1, 0.95, every, np.random.default_rng(0)) == 1  # one class: the largest radius


def test_the_radius_has_the_asked_purity():
    rng = np.random.default_rng(4)
    rows = unit(np.repeat(rng.normal(size=(5, 6)), 60, axis=0) + 0.5 * rng.normal(size=(300, 6)))
    seen = np.random.default_rng(7)
    found = _radius.pure_radius(rows, 5, 0.95, np.arange(300), seen)
    labels, _ = _radius._clusters.assign(rows, _radius._clusters.learn(rows, 5, 10, np.random.default_rng(7)))
    mixed = labels[:, None] != labels[None]
    purity = lambda radius: 1 - (balls(rows, radius) & mixed).any(axis=1).mean()  # noqa: E731
    assert purity(found - 1e-4) >= 0.95 > purity(found + 0.02)


def test_a_radius_of_nothing_and_of_everything():
    v = make(unit(np.random.default_rng(0).normal(size=(40, 5))))
    assert set(select("probcover", v, 6, radius=0.0).reasons) == {"fill"}
    s = select("probcover", v, 6, radius=3.0)
    assert [why.split(":")[0] for why in s.reasons] == ["covers", "far", "far", "far", "far", "far"]
    away = np.linalg.norm(v.vectors[:, None] - v.vectors[s.rows][None], axis=2)
    for place in range(1, 6):  # k-center: each is the farthest from those before
        assert away[:, :place].min(axis=1).max() == pytest.approx(away[s.rows[place], :place].min(), abs=1e-5)


def test_equal_rows_are_covered_by_one_pick():
    s = select("probcover", make(np.repeat(angles(0, 90), 10, axis=0)), 4, radius=0.1)
    assert s.reasons[:2] == ("covers:10 items", "covers:10 items")
    assert s.rows[:2].tolist() == [0, 10]


@pytest.mark.parametrize("limit", [{"max_rows": 50}, {"max_pairs": 100}])
def test_a_subpool_bounds_the_graph_and_the_batch_is_still_full(limit, monkeypatch):
    v = make(unit(np.random.default_rng(0).normal(size=(300, 4))))
    built = []
    graph = _radius.graph
    monkeypatch.setattr(_radius, "graph", lambda rows, radius: built.append(graph(rows, radius)) or built[-1])
    s = select("probcover", v, 200, radius=0.5, **limit)
    assert len(set(s.rows.tolist())) == 200
    assert len(built[0].after_ends) - 1 <= 100
    assert len(built[0].after) < 200


def test_memory_stays_far_below_all_pairs():
    rows = unit(np.random.default_rng(0).normal(size=(12_000, 16)))
    tracemalloc.start()
    select("probcover", make(rows), 20, radius=0.3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.25 * 4 * len(rows) ** 2
