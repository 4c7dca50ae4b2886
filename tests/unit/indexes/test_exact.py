import numpy as np
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
