"""Statistics over seeds, by hand."""

import numpy as np
import pytest

from tailfirst.backtesting import curves as c


def arm(seeds, labels, accuracy):
    labels, accuracy = np.array(labels, float), np.array(accuracy, float)
    return c.Curves(tuple(seeds), labels, {"accuracy": accuracy})


def test_area_is_the_mean_height_over_the_labels():
    # (0.2 + 0.4) / 2 * 10 + (0.4 + 0.5) / 2 * 30 = 3 + 13.5, over 40 labels
    assert c.area(np.array([0.0, 10, 40]), np.array([0.2, 0.4, 0.5])) == pytest.approx(16.5 / 40)
    assert c.area(np.array([0.0, 10, 40]), np.full(3, 0.7)) == pytest.approx(0.7)


def test_area_begins_where_the_first_model_is():
    assert c.area(np.array([0.0, 10, 40]), np.array([np.nan, 0.4, 0.5])) == pytest.approx(0.45)
    assert np.isnan(c.area(np.array([0.0, 10, 40]), np.array([np.nan, np.nan, 0.5])))


@pytest.mark.parametrize(
    ("target", "labels"),
    [(0.2, 0), (0.3, 5), (0.4, 10), (0.45, 25), (0.5, 40), (0.51, np.nan), (0.1, 0)],
)
def test_labels_to_a_target_lie_on_the_line_between_two_points(target, labels):
    found = c.labels_to(np.array([0.0, 10, 40]), np.array([0.2, 0.4, 0.5]), target)
    assert found == pytest.approx(labels, nan_ok=True)


def test_a_curve_that_falls_again_has_reached_its_target_at_the_first_crossing():
    assert c.labels_to(np.array([0.0, 10, 20, 30]), np.array([0.1, 0.5, 0.3, 0.6]), 0.4) == pytest.approx(7.5)


def test_reached_tells_the_share_of_the_seeds():
    one = arm([1, 2], [[0, 10], [0, 10]], [[0.0, 1.0], [0.0, 0.4]])
    found = c.reached(one, "accuracy", 0.5, 0.95)
    assert found.share == 0.5
    assert found.labels.value == found.labels.low == pytest.approx(5)
    nobody = c.reached(one, "accuracy", 2.0, 0.95)
    assert (nobody.labels, nobody.share) == (None, 0.0)


def test_differences_are_paired_by_seed_whatever_the_order():
    one = arm([1, 2, 3], [[0, 10]] * 3, [[0, 0.5], [0, 0.7], [0, 0.9]])
    two = arm([3, 1], [[0, 10]] * 2, [[0, 0.8], [0, 0.3]])
    found = c.difference(one, two, "accuracy", -1, 0.95)
    # seed 1: 0.2, seed 3: 0.1; t(0.975, 1) = 12.7062, sd = 0.0707, half = 12.7062 * 0.0707 / sqrt 2 = 0.6353
    assert found.value == pytest.approx(0.15)
    assert found.high - found.value == pytest.approx(0.6353, abs=1e-4)
    assert c.difference(one, arm([9], [[0, 10]], [[0, 0]]), "accuracy", -1, 0.95) is None


def test_savings_count_an_unreached_target_with_the_end_of_the_curve():
    quick = arm([1, 2], [[0, 100], [0, 300]], [[0, 1.0], [0, 2.0]])  # 0.5 at 50 and at 75 labels
    slow = arm([1, 2], [[0, 100], [0, 300]], [[0, 0.5], [0, 0.4]])  # 0.5 at 100; never: 300
    assert c.savings(quick, slow, "accuracy", 0.5, 0.95).value == pytest.approx((1 / 2 + 3 / 4) / 2)
    assert c.savings(slow, quick, "accuracy", 0.5, 0.95).value == pytest.approx((-1 - 3) / 2)
    assert c.savings(quick, slow, "accuracy", 0.0, 0.95) is None  # the control is there before it buys anything


def test_points_become_arrays_with_nan_where_nothing_was_measured():
    names = (*c.NAMES, *c.COUNTS, *c.SECONDS)
    point = dict.fromkeys(names, 0.25) | {"n_labels": 4}
    found = c.curves([7], [[point | {"ece": None, "n_labels": 0}, point]])
    assert found.labels.tolist() == [[0, 4]]
    assert np.isnan(found.values["ece"][0, 0])
    assert found.last("ece").tolist() == [0.25]


def test_areas_are_compared_on_the_seeds_that_both_have():
    one = arm([1, 2, 3], [[0, 10]] * 3, [[0.2, 0.4], [0.4, 0.6], [0.0, 1.0]])
    two = arm([2, 1], [[0, 10]] * 2, [[0.3, 0.5], [0.1, 0.3]])
    found = c.area_difference(one, two, "accuracy", 0.95)  # seed 1: 0.3 - 0.2, seed 2: 0.5 - 0.4
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
