"""Class-stratified random: shares by hand, and the recorded chances against what happens."""

from collections import Counter

import numpy as np
import pytest

from tailfirst.acquisition import stratified_random
from tests.support.pool_views import one_hot, pool_view, select

RUNS = 2000


@pytest.mark.parametrize(
    ("sizes", "budget", "sure", "chance"),
    [
        ([3, 1, 1], 4, [2, 1, 1], [0, 0, 0]),
        ([3, 1, 1], 2, [0, 0, 0], [2 / 3, 2 / 3, 2 / 3]),
        ([3, 1, 1], 5, [3, 1, 1], [0, 0, 0]),
        ([10, 0, 2, 10], 9, [3, 0, 2, 3], [0.5, 0, 0, 0.5]),
        ([4, 4], 0, [0, 0], [0, 0]),
    ],
)
def test_shares(sizes, budget, sure, chance):
    found = stratified_random.shares(np.array(sizes), budget)
    assert found[0].tolist() == sure
    np.testing.assert_allclose(found[1], chance)


def test_five_rows_by_hand():
    view = pool_view(one_hot([0, 0, 0, 1, 2], 3))
    found = select("stratified_random", view, 4)
    assert Counter(found.reasons) == {"stratum:c0": 2, "stratum:c1": 1, "stratum:c2": 1}
    chance = dict(zip(found.reasons, found.inclusion_probabilities, strict=True))
    assert chance == {"stratum:c0": pytest.approx(2 / 3), "stratum:c1": 1, "stratum:c2": 1}


@pytest.mark.parametrize("budget", [3, 10])
def test_the_recorded_chance_is_the_real_one(budget):
    classes = [0] * 2 + [1] * 9 + [2] * 5
    view = pool_view(one_hot(classes, 4))
    hits, said = np.zeros(16), np.full(16, np.nan)
    for seed in range(RUNS):
        found = select("stratified_random", view, budget, seed=seed)
        hits[found.rows] += 1
        said[found.rows] = found.inclusion_probabilities
    error = np.sqrt(said * (1 - said) / RUNS)
    assert said.sum() == pytest.approx(budget)
    assert (np.abs(hits / RUNS - said) <= 3 * error + 1e-12).all()


def test_a_cut_batch_is_no_single_class():
    view = pool_view(one_hot([0] * 50 + [1] * 50, 2))
    halves = [Counter(select("stratified_random", view, 20, seed=s).reasons[:10])["stratum:c0"] for s in range(200)]
    assert abs(np.mean(halves) - 5) < 0.5
