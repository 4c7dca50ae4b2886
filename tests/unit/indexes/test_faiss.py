from types import SimpleNamespace

import numpy as np
import pytest

from tailfirst.errors import Unavailable
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


def test_equal_scores_go_by_row():
    rows = np.repeat(np.eye(3, 16, dtype=np.float32), 5, axis=0)
    found = faiss.build(rows, faiss.Params(device="cpu")).search(rows[[0, 14]], 8)
    np.testing.assert_array_equal(found.rows[:, :5], [[0, 1, 2, 3, 4], [10, 11, 12, 13, 14]])
    assert (np.diff(found.rows[:, 5:]) > 0).all()


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_the_same_again(kind):
    rows, queries = clustered(20_000, 1), clustered(20, 2)  # more rows than the lists are learned from
    options = faiss.Params(kind=kind, lists=16, probes=4)
    first, second = (faiss.build(rows, options).search(queries, 10) for _ in range(2))
    np.testing.assert_array_equal(first.rows, second.rows)
    np.testing.assert_array_equal(first.scores, second.scores)


def test_rows_are_handed_over_in_parts(monkeypatch):
    rows = clustered(100, 1)
    whole = faiss.build(rows, faiss.Params()).search(rows, 5)
    monkeypatch.setattr(faiss, "ADD", 7)
    np.testing.assert_array_equal(faiss.build(rows, faiss.Params()).search(rows, 5).rows, whole.rows)


PLAIN = SimpleNamespace()
IDLE = SimpleNamespace(StandardGpuResources=object, get_num_gpus=lambda: 0)
READY = SimpleNamespace(StandardGpuResources=object, get_num_gpus=lambda: 1)


@pytest.mark.parametrize(
    ("module", "device", "gpu"),
    [(PLAIN, "auto", False), (IDLE, "auto", False), (READY, "auto", True), (READY, "cpu", False), (READY, "gpu", True)],
)
def test_a_gpu_is_used_where_there_is_one(module, device, gpu):
    assert faiss.use_gpu(module, device) is gpu


@pytest.mark.parametrize(("module", "said"), [(PLAIN, "has no GPU support"), (IDLE, "finds no GPU")])
def test_a_gpu_that_is_asked_for_and_missing_is_said(module, said):
    with pytest.raises(Unavailable, match=said):
        faiss.use_gpu(module, "gpu")


def test_a_gpu_index_says_how_many_neighbors_it_gives():
    with pytest.raises(Unavailable, match="at most 2048"):
        faiss.Faiss(None, on_gpu=True).search(clustered(1, 1), 3000)
