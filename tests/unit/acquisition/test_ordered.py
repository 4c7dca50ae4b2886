"""The view by item id, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from tailfirst.acquisition import _ordered
from tailfirst.errors import PoolExhausted, UserError
from tests.support.views import angles, make, noise, select


def test_rows_by_id_and_back():
    v = replace(make(angles(0, 10, 20)), item_ids=np.array(["c", "a", "b"]))
    inner, order = _ordered.ordered(v, 3)
    assert order.tolist() == [1, 2, 0]
    assert inner.item_ids.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(inner.vectors, v.vectors[[1, 2, 0]])
    s = _ordered.selection(order, [0, 2], np.array([2.0, 1.0]), ["x:1", "fill"])
    assert s.rows.tolist() == [1, 0]
    assert s.stages == ("score", "fill")
    straight = make(angles(0, 10))
    assert _ordered.ordered(straight, 1)[0] is straight  # nothing is copied


@pytest.mark.parametrize("name", ["typiclust", "probcover", "maxherding", "dropquery", "bald", "alfa_mix", "tcm"])
def test_a_vector_that_is_not_finite_names_the_item(name):
    v = noise(n=20)
    vectors = v.vectors.copy()
    vectors[13, 2] = np.nan
    with pytest.raises(UserError, match="00013"):
        select(name, replace(v, vectors=vectors), 3)


def test_fill_is_random_among_the_others():
    drawn = _ordered.filled(np.array([1, 3]), 6, 4, np.random.default_rng(0))
    assert len(drawn) == 2
    assert not set(drawn.tolist()) & {1, 3}
    assert len(_ordered.filled(np.arange(4), 6, 4, np.random.default_rng(0))) == 0
    with pytest.raises(PoolExhausted):
        _ordered.ordered(make(angles(0)), 2)
