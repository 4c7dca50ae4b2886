"""TCM: where the typical picks end and the margin begins (scikit-activeml 1.0 has no TCM)."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.views import noise, select


def view(labels, pending=0.0):
    v = noise(n=60, classes=2)
    return replace(v, n_labeled=np.array([labels, 0.0]), n_pending=np.array([pending, 0.0]))


@pytest.mark.parametrize(
    ("labels", "pending", "typical"), [(0, 0, 8), (1, 0, 8), (4, 0, 6), (4, 3.5, 3), (9, 0, 1), (10, 0, 0), (99, 0, 0)]
)
def test_a_batch_is_split_where_the_number_of_labels_is_reached(labels, pending, typical):
    """Two classes, five labels each: 10 labels in all, batches of 8."""
    s = select("tcm", view(labels, pending), 8, labels_per_class=5)
    assert [why.split(":")[0] for why in s.reasons] == ["typical"] * typical + ["margin"] * (8 - typical)
    assert len(set(s.rows.tolist())) == 8


def test_each_part_is_that_of_its_strategy():
    start = view(0)
    assert select("tcm", start, 5, labels_per_class=5).rows.tolist() == select("typiclust", start, 5).rows.tolist()
    late = view(99)
    assert select("tcm", late, 5).rows.tolist() == select("margin", late, 5).rows.tolist()
    middle = select("tcm", view(6), 8, labels_per_class=5)
    assert middle.rows[:4].tolist() == select("typiclust", view(6), 4).rows.tolist()
    between = [row for row in select("margin", view(6), 60).rows.tolist() if row not in middle.rows[:4]]
    assert middle.rows[4:].tolist() == between[:4]


def test_without_a_model_all_is_typical():
    blind = replace(view(99), probs=None, head=None)
    assert {why.split(":")[0] for why in select("tcm", blind, 5).reasons} == {"typical"}
