"""Edits and deletions after the seal: the next export replaces or takes back, and names who learned from the old."""

import json
from typing import Any

import pytest

from tailfirst.labeling import late

EXPERTS = [{"id": "e1", "skill": 1.0}]


@pytest.mark.parametrize("deleted", [False, True])
def test_a_label_that_changes_after_its_seal(world: Any, runner: Any, stepper: Any, deleted: bool) -> None:
    item = world.pool()[1]
    fault = {"name": "label_changed", "items": [item], "deleted": deleted}
    # Answers are in at the first poll, the second revision an hour of the vendor's later.
    world.vendor.update(annotators=EXPERTS, faults=[fault], hours_per_poll=0.5, latency={"median_s": 1, "p95_s": 1})
    world.batch(world.pool()[:4])
    with world.context() as ctx:
        runner(ctx)
        before = {row["item_id"]: row["class_id"] for row in world.labels()}
        assert item in before
        for _ in range(6):
            if "round 2" in late.collect_late_labels(ctx):
                break
        while ctx.ledger.rounds.current("tiny").state != "REPORTED":
            stepper(ctx)
        (task,) = ctx.ledger.tasks.by_item("tiny", item)
        assert task.state == ("SUPERSEDED" if deleted else "ACCEPTED")
        in_flight = {t.item_id for t in ctx.ledger.tasks.in_flight("tiny")}
    after = {row["item_id"]: row["class_id"] for row in world.labels()}
    record = json.loads((world.ws.sealed(2) / "round.json").read_text(encoding="utf-8"))
    (changed,) = record["changed"]
    assert changed == {
        "item_id": item,
        "from": before[item],
        "to": None if deleted else world.truth()[item],
        "trained": ["probe@round-0001"],
    }
    if deleted:
        assert record["retracted"] == [{"item_id": item, "round_no": 1}]
        assert after == {key: value for key, value in before.items() if key != item}
        assert item not in in_flight
    else:
        assert record["retracted"] == []
        assert after == before | {item: world.truth()[item]}


def test_nothing_late_opens_no_round(world: Any, runner: Any) -> None:
    world.vendor.update(annotators=EXPERTS)
    world.batch(world.pool()[:4])
    with world.context() as ctx:
        runner(ctx)
        assert "nothing came late" in late.collect_late_labels(ctx)
        assert ctx.ledger.rounds.current("tiny").round_no == 1
