import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailfirst.indexes import exact


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 20), st.integers(1, 7), st.integers(0, 99))
def test_chunks_change_nothing_and_ties_go_by_row(count, k, rows, queries, seed):
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-2, 3, (count, 3)).astype(np.float32)  # many equal scores
    asked = rng.integers(-2, 3, (9, 3)).astype(np.float32)
    found = exact.build(vectors, exact.Params(rows=rows, queries=queries)).search(asked, k)
    truth = np.argsort(-(asked @ vectors.T), axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(found.rows[:, : truth.shape[1]], truth)
    assert (found.rows[:, truth.shape[1] :] == -1).all()


def test_by_hand_with_equal_scores_and_signed_zeros():
    vectors = np.array([[0, 1], [1, 0], [2, 0], [1, 0], [-1, 0], [0, -1]], np.float32)
    found = exact.build(vectors, exact.Params(rows=2)).search(np.array([[1, 0], [-1, 0]], np.float32), 4)
    np.testing.assert_array_equal(found.rows, [[2, 1, 3, 0], [4, 0, 5, 1]])
    np.testing.assert_array_equal(found.scores, [[2, 1, 1, 0], [1, 0, 0, -1]])


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_vectors_of_other_float_types(kind):
    vectors = np.array([[0, 1], [1, 0], [0.5, 0.5]], kind)
    found = exact.build(vectors, exact.Params()).search(np.array([[1, 0.25]], kind), 2)
    np.testing.assert_array_equal(found.rows, [[1, 2]])
    assert found.scores.dtype == np.float32


def test_descending_numbers_sort_like_the_values():
    values = np.array([-np.inf, -1e30, -1.5, -1e-40, -0.0, 0.0, 1e-40, 1.5, 1e30, np.inf], np.float32)
    numbers = exact._descending(values)
    assert numbers[4] == numbers[5]
    assert (np.diff(np.delete(numbers, 4).astype(np.int64)) < 0).all()
