"""What may train: planted leaks are refused, take-downs fall away, the rest is exactly the labels."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from tailfirst import schemas
from tailfirst.adaptation._train import training_set
from tailfirst.errors import TaskFolderError
from tailfirst.labels import class_rows, training_labels


@dataclass
class Features:
    item_ids = np.array(["p1", "p2", "p3", "h1"])
    is_pool = np.array([True, True, True, False])
    items = np.arange(8, dtype=np.float32).reshape(4, 2)
    open = np.array([[9, 9]], np.float32)
    open_classes = np.array(["b"])
    prototypes = None
    logit_scale = 30.0
    encoder = "e"


def labels(*rows):
    table = [
        {**dict.fromkeys(schemas.LABELS.names), "item_id": i, "class_id": c, "round_no": 1, "purpose": p}
        for i, c, p in rows
    ]
    return pa.Table.from_pylist(table, schema=schemas.LABELS)


def test_labels_then_retrieved_rows():
    found = training_set(Features(), labels(("p2", "b", "TRAIN"), ("p1", "a", "SEED")), ("a", "b"))
    np.testing.assert_array_equal(found.vectors, [[0, 1], [2, 3], [9, 9]])
    assert found.classes.tolist() == [0, 1, 1]
    assert found.retrieved.tolist() == [False, False, True]
    assert (found.logit_scale, found.encoder, found.prototypes) == (30.0, "e", None)


def test_audit_labels_stay_out():
    found = training_set(Features(), labels(("p1", "a", "TRAIN"), ("p2", "b", "AUDIT")), ("a", "b"))
    assert found.classes.tolist() == [0, 1]
    assert found.retrieved.tolist() == [False, True]


def test_a_planted_audit_leak_is_refused():
    with pytest.raises(TaskFolderError, match=r"1 audit item\(s\).*p2"):
        training_set(Features(), labels(("p2", "a", "TRAIN"), ("p2", "b", "AUDIT")), ("a", "b"))


def test_a_planted_holdout_leak_is_refused():
    with pytest.raises(TaskFolderError, match=r"1 holdout item\(s\).*h1"):
        training_set(Features(), labels(("h1", "a", "TRAIN")), ("a", "b"))


def test_two_labels_for_one_item_are_refused():
    with pytest.raises(TaskFolderError, match=r"more than one label.*p1"):
        training_labels(labels(("p1", "a", "TRAIN"), ("p1", "b", "SEED")), np.array(["h1"]))


def test_an_unknown_purpose_is_refused():
    with pytest.raises(TaskFolderError, match="GOLD; known: TRAIN, SEED, AUDIT"):
        training_labels(labels(("p1", "a", "GOLD")), np.array(["h1"]))


def test_an_unknown_class_is_refused_with_the_known_ones():
    with pytest.raises(TaskFolderError, match="zebra are not in the task; it has 2: a, b"):
        training_set(Features(), labels(("p1", "zebra", "TRAIN")), ("a", "b"))
    assert class_rows(["b", "a"], ("a", "b"), "x").tolist() == [1, 0]


def test_labels_of_items_that_were_taken_down_fall_away():
    found = training_set(Features(), labels(("gone", "a", "TRAIN"), ("p3", "b", "TRAIN")), ("a", "b"))
    assert found.retrieved.tolist() == [False, True]


def test_no_labels_at_all():
    assert training_set(Features(), schemas.LABELS.empty_table(), ("a", "b")).classes.tolist() == [1]
