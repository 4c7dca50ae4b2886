from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tailfirst.encoders import _batches


def test_texts_are_grouped_by_padded_length():
    groups = dict(_batches.by_length(np.array([3, 8, 9, 40, 8, 77]), 8, 77))
    assert {length: rows.tolist() for length, rows in groups.items()} == {8: [0, 1, 4], 16: [2], 40: [3], 77: [5]}


def test_a_short_chunk_is_filled_with_its_first_row():
    np.testing.assert_array_equal(_batches.padded(np.array([[1, 2], [3, 4]]), 3), [[1, 2], [3, 4], [1, 2]])


def test_work_done_ahead_keeps_its_order():
    with ThreadPoolExecutor(3) as pool:
        found = list(_batches.ahead(pool, lambda n: n * n, [[1, 2], [3], [4, 5], [6]]))
    assert found == [[1, 4], [9], [16, 25], [36]]


def test_an_error_in_work_done_ahead_comes_through():
    def refuse(number):
        if number == 3:
            raise ValueError("three")
        return number

    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="three"):
        list(_batches.ahead(pool, refuse, [[1], [2], [3], [4]]))


def test_prototypes_are_means_of_unit_vectors():
    vectors = {"a": [1.0, 0.0], "b": [0.0, 1.0], "c": [0.6, 0.8]}
    found = _batches.prototypes(
        lambda texts: np.array([vectors[t] for t in texts], np.float32), [["a", "b"], ["c", "c"]]
    )
    np.testing.assert_allclose(found, [[np.sqrt(0.5), np.sqrt(0.5)], [0.6, 0.8]], atol=1e-6)
