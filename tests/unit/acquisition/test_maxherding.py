"""MaxHerding: a kernel of three rows by hand, scikit-activeml, and lazy against plain greedy."""

import numpy as np
import pytest

from tailfirst.acquisition import maxherding
from tailfirst.vectors import unit
from tests.support.views import angles, make, select


def test_three_rows_by_hand():
    kernel = np.array([[1, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 1]], np.float32)
    picks, gains = maxherding.greedy(maxherding.Coverage(kernel, np.zeros(3, np.float32)), 3)
    # means .5, .667, .5. After row 1 targets stand at .5, 1, .5: rows 0 and 2 add .5 / 3 each, the first one first.
    assert picks.tolist() == [1, 0, 2]
    np.testing.assert_allclose(gains, [2 / 3, 1 / 6, 1 / 6], atol=1e-6)


def test_the_kernel_by_hand():
    rows = angles(0, 90)
    np.testing.assert_allclose(maxherding.kernel(rows, rows, 0.5), [[1, np.exp(-1)], [np.exp(-1), 1]], atol=1e-6)
    assert maxherding.spread(rows) == pytest.approx(1)  # squared distances 0, 2, 2, 0
    assert maxherding.spread(rows[:1]) == maxherding.spread(np.repeat(rows[:1], 5, axis=0)) == 1


@pytest.mark.parametrize("labeled", [0, 5])
def test_scikit_activeml_picks_the_same(labeled):
    from skactiveml.pool import MaxHerding

    rows = unit(np.random.default_rng(3).normal(size=(200 + labeled, 6)))
    labels = np.full(len(rows), np.nan)
    labels[200:] = 0
    query = MaxHerding(metric="rbf", metric_dict={"gamma": 2.0}, random_state=0)
    theirs, utilities = query.query(rows.astype(float), labels, batch_size=25, return_utilities=True)
    v = make(rows[:200], labeled=rows[200:], labels=(0,) * labeled)
    ours = select("maxherding", v, 25, gamma=2.0)
    assert ours.rows.tolist() == theirs.tolist()
    np.testing.assert_allclose(ours.scores, utilities[np.arange(25), theirs], atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_lazy_greedy_is_greedy(seed, monkeypatch):
    monkeypatch.setattr(maxherding, "FIRST", 2)
    monkeypatch.setattr(maxherding, "BLOCK", 7)
    rng = np.random.default_rng(seed)
    kernel = rng.random((80, 50), np.float32) ** 4
    now = np.zeros(50, np.float32)
    expected = []
    for _ in range(20):
        gains = np.maximum(kernel - now, 0).mean(axis=1)
        gains[expected] = -1
        expected.append(int(gains.argmax()))
        now = np.maximum(now, kernel[expected[-1]])
    picks, found = maxherding.greedy(maxherding.Coverage(kernel, np.zeros(50, np.float32)), 20)
    assert picks.tolist() == expected
    assert (np.diff(found) <= 1e-6).all()


def test_what_labels_cover_is_not_bought():
    v = make(angles(0, 1, 2, 3, 4, 90, 91), labeled=angles(2), labels=(0,))
    assert select("maxherding", v, 1, gamma=20.0).rows.tolist()[0] >= 5
    assert select("maxherding", make(v.vectors), 1, gamma=20.0).rows.tolist() == [2]


def test_equal_rows_still_fill_the_batch():
    s = select("maxherding", make(np.repeat(angles(0), 9, axis=0)), 4)
    assert s.rows.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(s.scores, [1, 0, 0, 0], atol=1e-6)


def test_a_subpool_bounds_the_kernel_and_the_batch_is_still_full():
    v = make(unit(np.random.default_rng(0).normal(size=(300, 5))))
    s = select("maxherding", v, 80, max_rows=60, targets=40)
    assert len(set(s.rows.tolist())) == 80
    assert s.reasons.count("fill") == 20


def test_few_targets_cover_nearly_as_well_as_all():
    rng = np.random.default_rng(1)
    rows = unit(np.repeat(rng.normal(size=(20, 8)), 40, axis=0) + 0.3 * rng.normal(size=(800, 8)))
    cover = lambda picks: maxherding.kernel(rows, rows[picks], 2.0).max(axis=1).mean()  # noqa: E731
    every = cover(select("maxherding", make(rows), 20, gamma=2.0).rows)
    some = cover(select("maxherding", make(rows), 20, gamma=2.0, targets=200).rows)
    drawn = cover(select("random", make(rows), 20).rows)
    assert some > every - 0.2 * (every - drawn)
