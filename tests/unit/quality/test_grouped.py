"""Grouped sums equal a loop, whatever the width of the blocks."""

import numpy as np
import pytest

from tailfirst.quality import _grouped
from tailfirst.quality._grouped import grouped_sum


@pytest.mark.parametrize("cells", [1, 50, 10_000])
def test_grouped_sum_equals_a_loop(cells, monkeypatch):
    monkeypatch.setattr(_grouped, "CELLS", cells)
    rng = np.random.default_rng(0)
    values, take = rng.random((9, 7)), rng.integers(9, size=30)
    groups = np.sort(rng.choice([0, 2, 3, 5], 30))
    expected = np.zeros((7, 7))
    for row, group in zip(take, groups, strict=True):
        expected[group] += values[row]
    np.testing.assert_allclose(grouped_sum(values, take, groups, 7), expected)


def test_nothing_to_sum():
    assert grouped_sum(np.ones((2, 3)), np.zeros(0, int), np.zeros(0, int), 4).tolist() == [[0] * 3] * 4
