import numpy as np

from tailfirst.indexes import exact, faiss
from tailfirst.vectors import unit


def clustered(count, seed):
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(0).normal(size=(20, 16))
    return unit(centers[rng.integers(0, 20, count)] + 0.2 * rng.normal(size=(count, 16)))


def test_inverted_lists_find_nearly_all_of_the_nearest():
    rows, queries = clustered(3000, 1), clustered(50, 2)
    truth = exact.build(rows, exact.Params()).search(queries, 20)
    found = faiss.build(rows, faiss.Params(kind="ivf", lists=50, probes=10)).search(queries, 20)
    shared = [len(set(a) & set(b)) for a, b in zip(truth.rows.tolist(), found.rows.tolist(), strict=True)]
    assert np.mean(shared) > 19


def test_searching_all_lists_is_exact():
    rows, queries = clustered(400, 1), clustered(10, 2)
    truth = exact.build(rows, exact.Params()).search(queries, 5)
    found = faiss.build(rows, faiss.Params(kind="ivf", lists=8, probes=8)).search(queries, 5)
    np.testing.assert_array_equal(found.rows, truth.rows)


def test_a_handful_of_rows_needs_no_lists_of_its_own():
    rows = clustered(3, 1)
    found = faiss.build(rows, faiss.Params(kind="ivf")).search(rows, 2)
    np.testing.assert_array_equal(found.rows[:, 0], [0, 1, 2])
