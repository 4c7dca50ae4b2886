"""Faults of the simulated vendor in whole rounds: charges = accrued, no item paid twice, no answer lost."""

from dataclasses import replace
from typing import Any

import pytest

from tailfirst.errors import AuthRefused, UserError
from tailfirst.labeling import abort, collect, seal, submit
from tailfirst.labeling._lease import holding
from tailfirst.labeling.keys import batch_key
from tailfirst.port import BatchRef
from tests.support.vendors.wrapped import Killed, Wrapped, raises

HARMLESS: dict[str, dict[str, Any]] = {
    "create_timeout_before": {"name": "create_timeout", "at_call": 1},
    "create_timeout_after": {"name": "create_timeout", "at_call": 1, "after_commit": True},
    "conflict_409": {"name": "conflict_409", "rate": 0.5},
    "batch_partial": {"name": "batch_partial", "keep": 310, "of": 1310, "at_call": 1},
    "duplicate_event": {"name": "duplicate_event", "rate": 1.0},
    "out_of_order": {"name": "out_of_order", "rate": 1.0},
    "cursor_skip": {"name": "cursor_skip", "rate": 0.6},
    "label_changed": {"name": "label_changed", "rate": 0.5},
}
EXPERTS = [{"id": "e1", "skill": 1.0}, {"id": "e2", "skill": 1.0}, {"id": "e3", "skill": 1.0}]


def books_agree(world: Any, ctx: Any) -> None:
    charged = sorted((c.key, c.amount_micros) for c in world.book.charges())
    assert charged == sorted((c.key, c.amount_micros) for c in ctx.ledger.money.lines("tiny"))
    assert len({key for key, _ in charged}) == len(charged)
    assert ctx.ledger.money.status("tiny").accrued == sum(amount for _, amount in charged)


@pytest.mark.parametrize("idempotency", ["NATIVE", "EMULATED", "NONE"])
@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_fault_that_costs_nothing(world: Any, runner: Any, name: str, idempotency: str) -> None:
    world.vendor.update(annotators=EXPERTS, faults=[HARMLESS[name]], idempotency=idempotency, max_batch=5)
    world.batch(world.pool()[:8])
    world.round["sla_hours"] = 1
    with world.context() as ctx:
        runner(ctx, hours=1)
        books_agree(world, ctx)
        assert ctx.ledger.rounds.counts("tiny", 1) == {"ACCEPTED": 8}
    truth = world.truth()
    assert {r["item_id"]: r["class_id"] for r in world.labels()} == {i: truth[i] for i in world.pool()[:8]}


def test_unknown_class_is_quarantined_and_paid(world: Any, runner: Any) -> None:
    world.batch(world.pool()[:6])
    bad = world.pool()[2]
    world.vendor.update(annotators=EXPERTS, faults=[{"name": "label_unknown_class", "items": [bad]}])
    with world.context() as ctx:
        runner(ctx)
        books_agree(world, ctx)
        assert ctx.ledger.rounds.counts("tiny", 1) == {"ACCEPTED": 5, "CLOSED_UNLABELED": 1}
        (held,) = [d for d in ctx.ledger.deliveries.raw("tiny", 1) if d.quarantine_reason]
        assert "not in ontology 1: " in held.quarantine_reason
        assert "(retired)" in held.quarantine_reason
        assert bad not in {t.item_id for t in ctx.ledger.tasks.in_flight("tiny")}
    assert bad not in {r["item_id"] for r in world.labels()}


@pytest.mark.parametrize(
    ("fault", "reason"), [("payload_malformed", "unreadable"), ("answers_swapped", "answers swapped?")]
)
def test_unusable_bytes_are_kept_and_quarantined(world: Any, runner: Any, fault: str, reason: str) -> None:
    world.batch(world.pool()[:6])
    world.vendor.update(annotators=EXPERTS, faults=[{"name": fault, "rate": 0.5}])
    world.round["max_swapped"] = 1
    with world.context() as ctx:
        runner(ctx)
        books_agree(world, ctx)
        raw = ctx.ledger.deliveries.raw("tiny", 1)
        held = [d for d in raw if d.quarantine_reason]
        assert len(raw) == 6
        assert 0 < len(held) < 6
        assert all(reason in (d.quarantine_reason or "") for d in held)
    assert len(world.labels()) == 6 - len(held)


def test_unreachable_asset_is_skipped_and_may_be_tried_again(world: Any, runner: Any) -> None:
    world.batch(world.pool()[:4])
    bad = world.pool()[3]
    world.vendor.update(faults=[{"name": "asset_unreachable", "items": [bad]}])
    with world.context() as ctx:
        runner(ctx)
        books_agree(world, ctx)
        assert ctx.ledger.tasks.ignored("tiny") == set()
        assert bad not in {t.item_id for t in ctx.ledger.tasks.in_flight("tiny")}
        (task,) = ctx.ledger.tasks.by_item("tiny", bad)
        assert (task.state, task.reason) == ("RESUBMIT", "skipped: asset not reachable")


def test_machine_answers_never_become_audit_labels(world: Any, runner: Any) -> None:
    world.batch(world.pool()[:4], n_audit=2)
    world.vendor.update(faults=[{"name": "machine_labeled", "rate": 1.0}])
    with world.context() as ctx:
        runner(ctx)
        assert {a.provenance for a in ctx.ledger.deliveries.annotations("tiny", 1)} == {"MACHINE"}
    assert {r["purpose"] for r in world.labels()} == {"TRAIN"}


def late_round(world: Any, ctx: Any, runner: Any) -> str:
    """A round that closes at its SLA with one answer missing; the item."""
    late = world.pool()[1]
    world.batch(world.pool()[:4])
    runner(ctx, hours=1)
    assert late not in {r["item_id"] for r in world.labels()}
    return str(late)


@pytest.mark.parametrize("cancel", ["ANY", "NONE"])
def test_late_label_goes_into_the_next_export(world: Any, runner: Any, cancel: str) -> None:
    late = world.pool()[1]
    world.round.update(sla_hours=3, quorum=0.7)
    world.vendor.update(annotators=EXPERTS, faults=[{"name": "late_label", "items": [late]}], cancel=cancel)
    world.vendor["hours_per_poll"] = 50
    with world.context() as ctx:
        assert late_round(world, ctx, runner) == late
        first = sorted(p.read_bytes() for p in world.ws.sealed(1).iterdir())
        state = ctx.ledger.tasks.by_item("tiny", late)[0].state
        assert state == ("TOO_LATE" if cancel == "ANY" else "CLOSED_UNLABELED")
        assert (late in {t.item_id for t in ctx.ledger.tasks.in_flight("tiny")}) == (cancel == "ANY")
        for start in (4, 8):
            world.batch(world.pool()[start : start + 4])
            runner(ctx)
        (row,) = [r for r in world.labels() if r["item_id"] == late]
        assert row["late_for_round"] == 1
        assert row["round_no"] in {2, 3}
        assert row["class_id"] == world.truth()[late]
        assert ctx.ledger.tasks.by_item("tiny", late)[0].state == "ACCEPTED"
        assert sorted(p.read_bytes() for p in world.ws.sealed(1).iterdir()) == first
        books_agree(world, ctx)
        assert ctx.ledger.money.status("tiny").reserved == 0


def test_what_did_not_come_is_taken_back_and_may_be_bought_again(world: Any, runner: Any) -> None:
    world.round.update(sla_hours=1, quorum=0.2)
    world.vendor.update(annotators=EXPERTS, hours_per_poll=0.5, latency={"median_s": 3600, "p95_s": 40000})
    world.batch(world.pool()[:8])
    with world.context() as ctx:
        runner(ctx, hours=1)
        states = ctx.ledger.rounds.counts("tiny", 1)
        assert states.get("CANCELED", 0) > 0
        assert ctx.ledger.money.status("tiny").reserved == 0
        missing = sorted(set(world.pool()[:8]) - {r["item_id"] for r in world.labels()})
        world.batch(missing)
        world.round["sla_hours"] = 72
    world.vendor["hours_per_poll"] = 24
    with world.context() as ctx:
        runner(ctx)
        assert {t.attempt for t in ctx.ledger.tasks.list("tiny", 2) if t.purpose == "TRAIN"} <= {1, 2}
        books_agree(world, ctx)
    assert len(world.labels()) == 8


def test_service_faults_leave_the_round_where_it_was(world: Any, runner: Any) -> None:
    world.batch(world.pool()[:4])
    world.vendor["faults"] = [{"name": "vendor_down", "at_call": 4}, {"name": "rate_limited", "at_call": 9}]
    waited: list[float] = []
    with world.context() as ctx:
        runner(replace(ctx, sleep=waited.append), hours=1)
        books_agree(world, ctx)
    assert 0 < waited[0] < 3
    assert len(world.labels()) == 4


def test_refused_key_ends_at_once(world: Any, runner: Any) -> None:
    world.batch(world.pool()[:4])
    world.vendor["faults"] = [{"name": "auth_revoked", "at_call": 4}]
    with world.context() as ctx, pytest.raises(AuthRefused):
        runner(ctx)


def test_empty_balance_pauses_and_resumes(world: Any, runner: Any, stepper: Any) -> None:
    world.batch(world.pool()[:4])
    world.vendor["faults"] = [{"name": "balance_empty", "at_call": 4}]
    with world.context() as ctx:
        for _ in range(3):
            stepper(ctx)
        assert "is paused" in submit.submit(ctx)
        assert "is paused" in submit.submit(ctx)
        row = ctx.ledger.rounds.current("tiny")
        assert row.pause_reason.startswith("budget: ")
        ctx.ledger.rounds.pause("tiny", 1, None, ctx.now(), "me")
        runner(ctx)
        books_agree(world, ctx)


def test_other_ontology_at_the_vendor_orders_nothing(world: Any, runner: Any, stepper: Any) -> None:
    world.batch(world.pool()[:4])
    world.vendor["faults"] = [{"name": "ontology_drift", "at_call": 2}]
    with world.context() as ctx:
        for _ in range(3):
            stepper(ctx)
        assert "holds other classes" in stepper(ctx)
        assert ctx.ledger.rounds.get("tiny", 1).pause_reason.startswith("held: ")
        assert ctx.ledger.rounds.counts("tiny", 1) == {"APPROVED": 4}
        ctx.ledger.rounds.pause("tiny", 1, None, ctx.now(), "me")
        runner(ctx)
        books_agree(world, ctx)


def test_a_poll_without_news_is_fine(world: Any, ctx: Any, stepper: Any) -> None:
    world.vendor["hours_per_poll"] = 0.001
    with world.context() as slow:
        world.batch(world.pool()[:4])
        for _ in range(4):
            stepper(slow)
        assert "0 new deliveries" in collect.collect(slow)
        assert slow.ledger.rounds.current("tiny").state == "OPEN"


def test_an_answer_between_two_tries_to_take_its_task_back(world: Any, runner: Any, stepper: Any) -> None:
    """A seal dies after it asked for a task, and the answer comes before the next one: it becomes a label."""
    world.round.update(sla_hours=3, quorum=0.5)
    world.vendor.update(annotators=EXPERTS, hours_per_poll=1, latency={"median_s": 3600, "p95_s": 7200})
    late = world.pool()[1]
    world.vendor["faults"] = [{"name": "cancel_too_late", "items": [late]}]
    world.batch(world.pool()[:4])
    with world.context() as ctx:
        while (row := ctx.ledger.rounds.current("tiny")) is None or row.state != "CLOSING":
            stepper(ctx)
            world.clock.forward(hours=1)
        dying = replace(ctx, vendor=Wrapped(ctx.vendor, before={"cancel": raises(Killed())}))
        with pytest.raises(Killed):
            seal.seal(dying)
        assert ctx.ledger.tasks.by_item("tiny", late)[0].state == "CANCEL_REQUESTED"
        order = BatchRef(batch_key("tiny", 1, "TRAIN"), ctx.ledger.rounds.get("tiny", 1).vendor_batch_id)
        for _ in range(120):  # five days at the vendor
            ctx.vendor.changes(order, None)
        world.clock.forward(hours=1)
        runner(ctx)
        assert ctx.ledger.tasks.by_item("tiny", late)[0].state == "ACCEPTED"
        assert late in {row["item_id"] for row in world.labels()}
        assert ctx.ledger.tasks.in_flight("tiny") == []


def too_late_and_three_rounds_more(world: Any, ctx: Any, runner: Any, late: str) -> None:
    world.batch(world.pool()[:4])
    runner(ctx, hours=1)
    assert ctx.ledger.tasks.by_item("tiny", late)[0].state == "TOO_LATE"
    for start in (4, 8, 12):
        world.batch(world.pool()[start : start + 4])
        runner(ctx, hours=1)


def test_a_late_answer_that_cannot_be_used_ends_too(world: Any, runner: Any) -> None:
    """It is exported with the next round; the task must not stay QUARANTINED for ever."""
    late = world.pool()[1]
    bad = [{"name": name, "items": [late]} for name in ("late_label", "payload_malformed")]
    world.vendor.update(annotators=EXPERTS, faults=bad, hours_per_poll=50)
    world.round.update(sla_hours=3, quorum=0.7)
    with world.context() as ctx:
        too_late_and_three_rounds_more(world, ctx, runner, late)
        assert ctx.ledger.tasks.by_item("tiny", late)[0].state == "CLOSED_UNLABELED"
        assert late not in {row["item_id"] for row in world.labels()}
        books_agree(world, ctx)


def test_an_answer_that_was_deleted_before_we_had_it_is_asked_for_once(world: Any, stepper: Any) -> None:
    """The change list names it, and says further on that it is gone: the cursor moves on."""
    gone = world.pool()[1]
    deleted = {"name": "label_changed", "items": [gone], "deleted": True}
    world.vendor.update(annotators=EXPERTS, faults=[deleted], page_size=1, hours_per_poll=100)
    world.round.update(sla_hours=100)
    world.batch(world.pool()[:4])
    with world.context() as ctx:
        while (row := ctx.ledger.rounds.current("tiny")) is None or row.state != "OPEN":
            stepper(ctx)
        watched = replace(ctx, vendor=Wrapped(ctx.vendor))
        for _ in range(3):
            collect.collect(watched)
        asked = [ref.vendor_id for name, args in watched.vendor.calls if name == "fetch" for ref in args[0]]
        (task,) = ctx.ledger.tasks.by_item("tiny", gone)
        assert asked.count(task.vendor_task_id) <= 4  # revision 1 and 2, each once more in a smaller part
        changes = [args for name, args in watched.vendor.calls if name == "changes"]
        assert len({str(cursor) for _, cursor in changes[-2:]}) == 1  # at the end of the list, and nothing new


def test_killed_after_the_money_was_reserved(world: Any, runner: Any, stepper: Any) -> None:
    """Its tasks wait in the outbox, the round is still APPROVED: it is not one of which nothing is left to order."""
    world.batch(world.pool()[:4])
    with world.context() as ctx:
        while (row := ctx.ledger.rounds.current("tiny")) is None or row.state != "APPROVED":
            stepper(ctx)
        with holding(ctx, row.round_no) as lease:
            ctx.ledger.tasks.to_outbox("tiny", 1, 10**9, lease, ctx.now())
        with pytest.raises(UserError, match="being submitted"):
            abort.abort(ctx, "somebody", "too late for that")
        runner(ctx)
        assert ctx.ledger.rounds.counts("tiny", 1) == {"ACCEPTED": 4}
        assert ctx.ledger.money.status("tiny").reserved == 0
        books_agree(world, ctx)


def test_a_late_answer_that_was_deleted_before_we_had_it_ends_its_task(world: Any, runner: Any) -> None:
    """Otherwise its item is in flight for ever, and its order is asked for ever."""
    late = world.pool()[1]
    faults = [{"name": "label_changed", "items": [late], "deleted": True}, {"name": "late_label", "items": [late]}]
    world.vendor.update(annotators=EXPERTS, faults=faults, hours_per_poll=50)
    world.round.update(sla_hours=3, quorum=0.7)
    with world.context() as ctx:
        too_late_and_three_rounds_more(world, ctx, runner, late)
        (task,) = ctx.ledger.tasks.by_item("tiny", late)
        assert task.state == "CLOSED_UNLABELED"
        (delivery,) = [d for d in ctx.ledger.deliveries.raw("tiny", 1) if d.key == task.key]
        assert "deleted the answer before it was read" in (delivery.quarantine_reason or "")
        assert ctx.ledger.tasks.in_flight("tiny") == []
        assert ctx.ledger.deliveries.awaited("tiny", collect.MAY_COME_LATE) == set()
        books_agree(world, ctx)
