"""Rows 17 to 21: answers that cannot be used as they came."""

from typing import Any

from tailfirst.labeling import replay
from tests.support.vendors import world as campaign
from tests.support.vendors.kit import spec

TEN = range(10)


def held(ctx: Any) -> dict[str, str]:
    """Quarantined deliveries of round 1: item id -> reason."""
    tasks = {t.key: t.item_id for t in ctx.ledger.tasks.list("kit", 1)}
    raw = ctx.ledger.deliveries.raw("kit", 1)
    return {tasks[d.key]: d.quarantine_reason for d in raw if d.quarantine_reason}


def test_row_17_label_unknown_class(row: Any) -> None:
    """A label outside the ontology is quarantined under its name, paid, and never guessed."""
    world, bad = row.world, spec(4).item_id
    world.batch(TEN)
    with world.context(*row.arm(items=[bad])) as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        assert (bad in world.labels()) == (not row.armable)
        assert len(world.labels()) >= 9
        if row.armable:
            assert "not in ontology 1: " in held(ctx)[bad]


def test_row_18_ontology_drift(row: Any) -> None:
    """The vendor's classes are no longer ours: the round is held on its version, and goes on when they are again."""
    world = row.world
    world.batch(TEN)
    armed = row.arm(rate=1.0)
    with world.context() as ctx:
        campaign.until(ctx, "OPEN")
    if armed:
        with world.context(*armed) as ctx:
            said = campaign.act(ctx)
            assert "is paused: held: " in said
            assert "the round stays on its version" in said
            assert campaign.upcoming(ctx).kind.value == "WAIT"
    with world.context() as ctx:
        ctx.ledger.rounds.pause("kit", 1, None, ctx.now(), "owner")
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 10}
        assert {r["ontology_version"] for r in world.labels().values()} == {"1"}


def test_row_19_payload_malformed(row: Any) -> None:
    """Bytes that nobody can read are kept and named; a fixed parser could read them again without buying anything."""
    world, bad = row.world, spec(2).item_id
    world.batch(TEN)
    with world.context(*row.arm(items=[bad])) as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        assert (bad in world.labels()) == (not row.armable)
        assert len(ctx.ledger.deliveries.raw("kit", 1)) == 10
        if row.armable:
            assert "unreadable" in held(ctx)[bad]
        paid = ctx.ledger.money.lines("kit")
        assert "read again" in replay.replay(ctx, 1)
        assert ctx.ledger.money.lines("kit") == paid


def test_row_20_answers_swapped(row: Any) -> None:
    """Most answers echo other items: the batch is stopped, everything quarantined, nothing sealed."""
    world = row.world
    world.batch(TEN)
    swapped = [spec(n).item_id for n in range(6)]
    armed = row.arm(items=swapped)
    with world.context(*armed) as ctx:
        if not armed:
            campaign.finish(ctx)
            campaign.check_books(world, ctx)
            return
        campaign.until(ctx, "OPEN")
        for _ in range(20):
            said = campaign.act(ctx)
            if "is paused" in said:
                break
            ctx.now.forward(hours=1)
        assert "answers swapped: " in said
        assert campaign.upcoming(ctx).kind.value == "WAIT"
        assert len(held(ctx)) == len(ctx.ledger.deliveries.raw("kit", 1))
        assert not world.ws.sealed(1).exists()
    world.sections["round"] = {"max_swapped": 1.0}
    with world.context(*armed) as ctx:
        replay.replay(ctx, 1)
        ctx.ledger.rounds.pause("kit", 1, None, ctx.now(), "owner")
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        assert set(world.labels()) == {spec(n).item_id for n in range(6, 10)}


def test_row_21_asset_unreachable(row: Any) -> None:
    """The annotator could not see the item: a new attempt under a new key, with a link to the old one, and an end."""
    world, bad = row.world, spec(3).item_id
    armed = row.arm(items=[bad])
    for round_no in (1, 2, 3):
        world.batch([3, *range(10 * round_no, 10 * round_no + 3)] if armed else range(10 * round_no, 10 * round_no + 4))
        with world.context(*armed) as ctx:
            campaign.finish(ctx)
    with world.context() as ctx:
        campaign.check_books(world, ctx)
        if not armed:
            return
        tries = ctx.ledger.tasks.by_item("kit", bad)
        assert [t.attempt for t in tries] == [1, 2, 3]
        assert [t.parent_key for t in tries] == [None, tries[0].key, tries[1].key]
        assert [t.state for t in tries] == ["RESUBMIT", "RESUBMIT", "DROPPED"]
        assert ctx.ledger.tasks.ignored("kit") == {bad}
        assert bad not in world.labels()
