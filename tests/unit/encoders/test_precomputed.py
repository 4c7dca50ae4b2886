import subprocess
import sys

import numpy as np
import pytest

from tailfirst.config import Settings
from tailfirst.contracts import Media
from tailfirst.encoders import precomputed
from tailfirst.errors import TaskFolderError
from tailfirst.paths import Workspace


def workspace(tmp_path, vectors, prototypes=None):
    ws = Workspace(tmp_path)
    ws.data.mkdir(exist_ok=True)
    np.save(ws.vectors, np.asarray(vectors))
    if prototypes is not None:
        np.save(ws.prototypes, np.asarray(prototypes))
    return ws


def load(ws):
    return precomputed.load(precomputed.Params(), ws, Settings())


def test_rows_are_read_by_number_and_normalised(tmp_path):
    encoder = load(workspace(tmp_path, np.array([[3, 4], [0, 2]], np.float16)))
    np.testing.assert_allclose(
        encoder.items([Media("b", vector_row=1), Media("a", vector_row=0)]), [[0, 1], [0.6, 0.8]]
    )
    assert encoder.prototypes([["x"]]) is None


@pytest.mark.parametrize("row", [None, -1, 2])
def test_a_row_that_is_not_there_names_the_item(tmp_path, row):
    encoder = load(workspace(tmp_path, np.eye(2)))
    with pytest.raises(TaskFolderError, match="item odd"):
        encoder.items([Media("odd", vector_row=row)])


@pytest.mark.parametrize("bad", [[0.0, 0.0], [np.nan, 1.0]])
def test_a_vector_without_direction_names_the_item(tmp_path, bad):
    encoder = load(workspace(tmp_path, [[1.0, 0.0], bad]))
    with pytest.raises(TaskFolderError, match="item odd"):
        encoder.items([Media("fine", vector_row=0), Media("odd", vector_row=1)])


@pytest.mark.parametrize("value", [np.arange(4), np.eye(3, dtype=np.int64), np.empty((0, 3))])
def test_matrices_of_another_shape_are_refused(tmp_path, value):
    with pytest.raises(TaskFolderError, match="rows, columns"):
        load(workspace(tmp_path, value))


def test_pickles_are_refused(tmp_path):
    with pytest.raises(TaskFolderError, match="not a readable"):
        load(workspace(tmp_path, np.array([{"a": 1}], dtype=object)))


def test_prototypes_need_one_row_per_class_and_the_same_width(tmp_path):
    encoder = load(workspace(tmp_path, np.eye(3), np.eye(3)[:2]))
    assert encoder.prototypes([["a"], ["b"]]).shape == (2, 3)
    with pytest.raises(TaskFolderError, match="2 rows, the task has 3"):
        encoder.prototypes([["a"], ["b"], ["c"]])
    with pytest.raises(TaskFolderError, match="columns"):
        load(workspace(tmp_path, np.eye(3), np.eye(2)))


def test_the_fingerprint_follows_the_bytes(tmp_path):
    first = load(workspace(tmp_path, np.eye(3))).fingerprint
    assert load(Workspace(tmp_path)).fingerprint == first
    assert load(workspace(tmp_path, np.eye(3) * 2)).fingerprint != first


def test_a_missing_matrix_is_said(tmp_path):
    with pytest.raises(TaskFolderError, match=r"vectors\.npy"):
        load(Workspace(tmp_path))


def test_it_needs_no_torch():
    code = "import sys; from tailfirst.encoders import precomputed; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
