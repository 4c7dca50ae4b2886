"""Every index finds the nearest rows by inner product, best first."""

import numpy as np
import pytest

from tailfirst import plugins
from tailfirst.errors import UserError
from tailfirst.vectors import unit

NAMES = plugins.names("indexes")


def make(name, vectors, **options):
    return plugins.load("indexes", name).build(vectors, plugins.params("indexes", name, options))


def vectors(count, seed=0, dim=16):
    return unit(np.random.default_rng(seed).normal(size=(count, dim)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("count", "k"), [(500, 7), (500, 1), (500, 500), (3, 7), (1, 1)])
def test_the_nearest_rows_best_first(name, count, k):
    rows, queries = vectors(count), vectors(20, 1)
    truth = queries @ rows.T
    found = make(name, rows).search(queries, k)
    assert found.rows.shape == found.scores.shape == (20, k)
    assert found.rows.dtype == np.int64
    assert found.scores.dtype == np.float32
    n = min(k, count)
    np.testing.assert_array_equal(found.rows[:, :n], np.argsort(-truth, axis=1, kind="stable")[:, :n])
    np.testing.assert_allclose(found.scores[:, :n], -np.sort(-truth, axis=1)[:, :n], atol=1e-5)
    assert (found.rows[:, n:] == -1).all()
    assert np.isneginf(found.scores[:, n:]).all()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_gives_nothing_out(name):
    assert make(name, vectors(5)).search(vectors(0), 3).rows.shape == (0, 3)
    empty = make(name, np.empty((0, 16), np.float32)).search(vectors(2), 3)
    assert (empty.rows == -1).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_row_finds_itself_first(name):
    rows = vectors(200)
    found = make(name, rows).search(rows, 1)
    np.testing.assert_array_equal(found.rows[:, 0], np.arange(200))


@pytest.mark.parametrize("name", NAMES)
def test_unknown_options_are_refused(name):
    with pytest.raises(UserError, match="known keys"):
        make(name, vectors(3), no_such_option=1)
