"""The audit estimate: by hand, unbiased in simulation, blind to every other purpose."""

import numpy as np
import pyarrow as pa
import pytest

from tailfirst import schemas
from tailfirst.errors import Unavailable, UserError
from tailfirst.evaluation.estimators import audit_accuracy


def labels(rows):
    blank = dict.fromkeys(schemas.LABELS.names)
    return pa.Table.from_pylist(
        [{**blank, "item_id": i, "class_id": c, "round_no": 1, "purpose": p} for i, c, p in rows], schema=schemas.LABELS
    )


def test_by_hand_and_only_audit_counts():
    table = labels([("a", "x", "AUDIT"), ("b", "x", "AUDIT"), ("c", "y", "AUDIT"), ("d", "y", "TRAIN")])
    found = audit_accuracy(table, np.array(["d", "c", "b", "a"]), np.array(["x", "y", "y", "x"]))
    assert found.labels == 3
    assert found.accuracy.value == pytest.approx(2 / 3)
    assert found.accuracy.low < 2 / 3 < found.accuracy.high


def test_without_audit_labels_it_says_where_they_come_from():
    with pytest.raises(Unavailable, match="audit_min"):
        audit_accuracy(labels([("d", "y", "TRAIN")]), np.array(["d"]), np.array(["y"]))


def test_an_audit_item_without_a_prediction_is_an_error():
    with pytest.raises(UserError, match=r"1 audit item.*: z"):
        audit_accuracy(labels([("z", "y", "AUDIT")]), np.array(["d"]), np.array(["y"]))


def test_unbiased_where_the_actively_chosen_labels_are_not():
    """2,000 audits of 20 from a pool whose uncertain half is wrong more often: the mean is the pool's accuracy."""
    rng = np.random.default_rng(0)
    right = rng.random(400) < np.where(np.arange(400) < 200, 0.95, 0.4)
    ids = np.array([f"{i:03d}" for i in range(400)])
    predicted = np.where(right, "x", "y")
    found = []
    for _ in range(2000):
        audit = rng.choice(400, 20, replace=False)
        found.append(audit_accuracy(labels([(ids[i], "x", "AUDIT") for i in audit]), ids, predicted).accuracy.value)
    error = np.std(found) / np.sqrt(2000)
    assert abs(np.mean(found) - right.mean()) < 3 * error
    assert right[200:].mean() < right.mean() - 0.2  # what a score-driven sample would have said
