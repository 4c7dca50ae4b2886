"""Edits and deletions after the seal: the next export replaces or takes back, and names who learned from the old."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tailfirst.errors import Retryable
from tailfirst.labeling import late
from tailfirst.labeling._guard import TRIES
from tailfirst.labeling._round import order_ref
from tests.support.vendors.wrapped import Wrapped, raises

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


def two_rounds(world: Any, ctx: Any, runner: Any) -> None:
    for start in (0, 4):
        world.batch(world.pool()[start : start + 4])
        runner(ctx)


def test_an_order_that_cannot_be_read_holds_back_no_other(world: Any, runner: Any, stepper: Any) -> None:
    fault = {"name": "label_changed", "items": [world.pool()[5]]}
    world.vendor.update(annotators=EXPERTS, faults=[fault], hours_per_poll=0.5, latency={"median_s": 1, "p95_s": 1})
    with world.context() as ctx:
        two_rounds(world, ctx, runner)
        first = order_ref(ctx, ctx.ledger.rounds.get("tiny", 1))

        def changes(order: Any, *more: Any) -> Any:
            if order == first:
                raise Retryable("not now")
            return ctx.vendor.changes(order, *more)

        broken = replace(ctx, vendor=Wrapped(ctx.vendor, instead={"changes": changes}), sleep=lambda _: None)
        said = late.collect_late_labels(broken)
        assert said.startswith("1 tasks of sealed rounds have late answers: round 3")
        assert said.endswith("1 of 2 orders could not be read, e.g. that of round 1: not now; ask again")
        while ctx.ledger.rounds.current("tiny").state != "REPORTED":
            stepper(ctx)
        with pytest.raises(Retryable, match=r"e\.g\. that of round 1: not now"):  # it cannot say that nothing came
            late.collect_late_labels(broken)


def test_a_vendor_that_is_down_is_not_asked_about_every_order(world: Any, runner: Any) -> None:
    with world.context() as ctx:
        two_rounds(world, ctx, runner)
        dead = Wrapped(ctx.vendor, instead={"changes": raises(Retryable("no answer"))})
        orders = [(ctx.ledger.rounds.get("tiny", 1), True)] * 20
        with pytest.raises(Retryable, match="no answer"):
            late._poll_each(replace(ctx, vendor=dead, sleep=lambda _: None), orders)
        assert len([name for name, _ in dead.calls if name == "changes"]) == late.DOWN_AFTER * TRIES


def test_nothing_late_opens_no_round(world: Any, runner: Any) -> None:
    world.vendor.update(annotators=EXPERTS)
    world.batch(world.pool()[:4])
    with world.context() as ctx:
        runner(ctx)
        assert "nothing came late" in late.collect_late_labels(ctx)
        assert ctx.ledger.rounds.current("tiny").round_no == 1
