"""The promotion gate: the same holdout or nothing, no loss in the interval, neither tail nor head sacrificed."""

import numpy as np
import pyarrow as pa
import pytest

from tailfirst import artifacts, schemas
from tailfirst.config import Choice, Evaluation
from tailfirst.errors import UserError
from tailfirst.evaluation.gate import decide_files

CLASSES = ("ant", "bee", "cow")


def table(right, n=300, tail=("cow",), ids=None, truth=None):
    """`right(class_no, rank within class)` says which items are answered right."""
    truth = np.arange(n) % 3 if truth is None else truth
    rows = []
    for i in range(n):
        good = right(int(truth[i]), i // 3)
        said = truth[i] if good else (truth[i] + 1) % 3
        name = ids[i] if ids is not None else f"{i:05d}"
        rows.append({"item_id": name, "class_id": CLASSES[truth[i]], "predicted": CLASSES[said], "probability": 0.7})
    meta = {"tail_classes": '["' + '","'.join(tail) + '"]'}
    return pa.Table.from_pylist(rows, schema=schemas.HOLDOUT_PREDICTIONS).replace_schema_metadata(meta)


def share(ant, bee, cow):
    return lambda c, rank: rank % 100 < (ant, bee, cow)[c]


@pytest.fixture
def ask(tmp_path):
    def decide(champion, challenger, **choice):
        paths = []
        for name, found in (("old", champion), ("new", challenger)):
            paths.append(None if found is None else tmp_path / f"{name}.parquet")
            if found is not None:
                artifacts.write_parquet(paths[-1], found)
        return decide_files(*paths, evaluation=Evaluation(bootstrap=300), choice=Choice(**choice), seed=7)

    return decide


def test_the_first_model_is_promoted(ask):
    found = ask(None, table(share(60, 60, 60)))
    assert found.promote
    assert "no champion" in found.why


def test_a_clearly_better_model_is_promoted(ask):
    found = ask(table(share(60, 60, 40)), table(share(70, 70, 60)))
    assert found.promote
    gap = found.differences["balanced_accuracy"]
    assert gap.value == pytest.approx((10 + 10 + 20) / 300)
    assert 0 <= gap.low <= gap.value <= gap.high
    assert found.differences["tail_accuracy"].value == pytest.approx(0.2)


def test_the_same_model_is_not(ask):
    found = ask(table(share(60, 60, 60)), table(share(60, 60, 60)))
    assert not found.promote
    assert found.differences["accuracy"].value == 0


def test_a_doubtful_gain_is_not(ask):
    # +4 points where the champion was wrong, -3 where it was right: the interval reaches below zero
    champion, challenger = table(share(60, 60, 60)), table(lambda c, rank: 3 <= rank % 100 < 64)
    found = ask(champion, challenger)
    assert not found.promote
    assert "does not exclude a loss" in found.why


def test_a_gain_that_costs_the_tail_is_not(ask):
    found = ask(table(share(50, 50, 60)), table(share(90, 90, 50)), metric="accuracy")
    assert found.differences["accuracy"].low > 0
    assert not found.promote
    assert "tail_accuracy falls by 0.100 (allowed: 0.01)" in found.why
    assert ask(table(share(50, 50, 60)), table(share(90, 90, 50)), metric="accuracy", max_loss=0.2).promote


def test_a_gain_that_costs_the_head_is_not(ask):
    found = ask(table(share(60, 60, 20)), table(share(55, 55, 90)))
    assert not found.promote
    assert "head_accuracy falls" in found.why


def test_another_order_of_items_changes_nothing(ask):
    one, two = table(share(60, 60, 40)), table(share(70, 70, 60))
    mixed = two.take(np.random.default_rng(0).permutation(300))
    assert ask(one, two).differences == ask(one, mixed).differences


def test_other_items_are_refused(ask):
    with pytest.raises(UserError, match="different holdouts: 300 and 300 items, 0 of them in both"):
        ask(table(share(60, 60, 60)), table(share(70, 70, 70), ids=[f"x{i}" for i in range(300)]))
    with pytest.raises(UserError, match="different holdouts: 297 and 300"):
        ask(table(share(60, 60, 60)), table(share(70, 70, 70), n=297))


def test_other_truths_are_refused(ask):
    truth = np.arange(300) % 3
    truth[0] = 2
    with pytest.raises(UserError, match="labels changed for 1 item"):
        ask(table(share(60, 60, 60)), table(share(60, 60, 60), truth=truth))


def test_an_empty_holdout_is_refused(ask):
    with pytest.raises(UserError, match="empty"):
        ask(table(share(60, 60, 60), n=0), table(share(60, 60, 60), n=0))
