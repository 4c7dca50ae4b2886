"""An item that is taken down while its round runs: not bought if not sent yet, never a label if it was."""

import pytest

from tailfirst import schemas
from tailfirst.labeling import approve, plan, quote, submit
from tailfirst.rounds import Policy, StepKind, next_step
from tailfirst.takedown.run import take_down
from tailfirst.task import save_task


@pytest.fixture
def batch(world, ctx):
    save_task(ctx.task, world.ws.task)
    chosen = world.pool()[:4]
    world.batch(chosen)
    plan.freeze(ctx)
    return chosen


def states(ctx):
    return {task.item_id: task.state for task in ctx.ledger.tasks.list("tiny", 1)}


@pytest.mark.parametrize("before", [(), (quote.quote,), (quote.quote, approve.auto)])
def test_what_was_not_sent_is_called_off_and_the_round_goes_on_without_it(world, ctx, batch, runner, before):
    for step in before:
        step(ctx)
    report = take_down(ctx, [batch[1]], "asked by the owner")
    assert report.dropped_tasks == 1
    assert report.remains == {}
    assert states(ctx)[batch[1]] == "DROPPED"
    said = runner(ctx)
    assert any("3 items ordered" in sentence for sentence in said)
    assert {row["item_id"] for row in world.labels()} == set(batch) - {batch[1]}
    bought = [task for task in ctx.ledger.tasks.list("tiny", 1) if task.state == "ACCEPTED"]
    assert len(bought) == 3
    assert ctx.ledger.money.status("tiny").accrued == sum(task.price_micros for task in bought)


@pytest.mark.parametrize("before", [(), (quote.quote,), (quote.quote, approve.auto)])
def test_a_round_without_an_item_left_ends(world, ctx, batch, before):
    for step in before:
        step(ctx)
    world.clock.forward(days=60)
    assert take_down(ctx, batch, "asked by the owner").dropped_tasks == len(batch)
    said = quote.quote(ctx)
    assert "round 1 is ABORTED" in said
    assert "every item to be bought was taken down before anything was ordered" in said
    assert ctx.ledger.money.status("tiny").reserved == 0
    world.batch(world.pool()[4:8])
    assert "round 2 planned" in plan.freeze(ctx)


@pytest.mark.parametrize("beyond", [0, 2])
def test_an_approved_round_without_an_item_left_opens_no_order(world, ctx, batch, beyond):
    """Also where the approval did not reach the last items: what nobody approved is not bought in their place."""
    quote.quote(ctx)
    prices = [task.price_micros for task in sorted(ctx.ledger.tasks.list("tiny", 1), key=lambda task: task.rank)]
    approve.approve(ctx, "ann", cap_micros=sum(prices[: len(batch) - beyond]))
    assert take_down(ctx, batch[: len(batch) - beyond], "asked by the owner").dropped_tasks == len(batch) - beyond
    said = submit.submit(ctx)
    assert "round 1 is ABORTED" in said
    assert ctx.ledger.rounds.get("tiny", 1).vendor_batch_id is None
    with ctx.vendor.book.session() as session:
        assert session.db.execute("SELECT COUNT(*) FROM batches").fetchone() == (0,)
    assert ctx.ledger.money.status("tiny").reserved == 0
    world.batch([*batch[len(batch) - beyond :], *world.pool()[4:8]])  # what nobody bought is free again
    assert "round 2 planned" in plan.freeze(ctx)


def test_an_item_beyond_the_approval_is_called_off_too(world, ctx, batch, runner):
    """A later quote would have priced it again."""
    quote.quote(ctx)
    prices = [task.price_micros for task in sorted(ctx.ledger.tasks.list("tiny", 1), key=lambda task: task.rank)]
    approve.approve(ctx, "ann", cap_micros=sum(prices[:2]))
    assert states(ctx)[batch[3]] == "OVER_BUDGET"
    assert take_down(ctx, batch[3:]).dropped_tasks == 1
    world.clock.forward(days=60)
    assert "for 3 items" in quote.quote(ctx)
    runner(ctx)
    assert {row["item_id"] for row in world.labels()} == set(batch[:3])


def test_nobody_is_asked_to_approve_nothing(world, ctx, batch):
    world.money["auto_approve"] = "0"
    quote.quote(ctx)
    take_down(ctx, batch, "asked by the owner")
    limits = Policy(quorum=1, auto_approve_micros=0, max_rounds=9, cap_round_micros=10**9)
    step = next_step(ctx.ledger.rounds.view("tiny", ctx.now()), limits)
    assert (step.kind, step.why.partition(":")[0]) == (StepKind.QUOTE, "every item was taken down")
    assert "round 1 is ABORTED" in quote.quote(ctx)


def test_an_answer_that_still_comes_is_paid_and_sealed_but_never_a_label(world, ctx, batch, runner):
    for step in (quote.quote, approve.auto, submit.submit):
        step(ctx)
    report = take_down(ctx, [batch[2]])
    assert report.dropped_tasks == 0
    assert len(report.stays.at_vendor) == 1
    runner(ctx)
    sealed = schemas.read(world.ws.sealed(1) / "labels.parquet", schemas.LABELS)["item_id"].to_pylist()
    assert set(sealed) == set(batch)
    assert {row["item_id"] for row in world.labels()} == set(batch) - {batch[2]}
    assert take_down(ctx, [batch[2]]).stays.rounds == ("0001",)
