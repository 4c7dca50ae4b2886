"""Rows 14 to 16, 33 and 36: what comes late, changes, is deleted, or is dated by another clock."""

from datetime import UTC, timedelta
from typing import Any

from tailfirst.artifacts import sha256_tree
from tailfirst.errors import Gone
from tailfirst.labeling import late
from tailfirst.labeling._round import order_ref
from tests.support.vendors import world as campaign
from tests.support.vendors.kit import spec
from tests.support.vendors.wrapped import Wrapped, raises

TEN = range(10)


def test_row_14_sla_partial(row: Any) -> None:
    """At the SLA a part is back: the round closes at its quorum and says which classes are missing."""
    world = row.world
    world.sections["round"] = {"sla_hours": 3}
    missing = [spec(n).item_id for n in (0, 3, 6)]  # all of one class
    world.batch(TEN)
    with world.context(*row.arm(items=missing)) as ctx:
        campaign.finish(ctx, hours=2)
        campaign.check_books(world, ctx)
        record = campaign.sealed_record(world, 1)
        assert record["coverage"]["all"]["bought"] == 10
        if row.armable:
            assert 5 <= record["coverage"]["all"]["back"] <= 7  # with slow polls one more may be missing
            cats = record["coverage"]["by_predicted"]["cat"]
            assert cats["bought"] == 4
            assert cats["back"] <= 1
            assert "not at random" in record["coverage"]["note"]


def test_row_15_late_label(row: Any) -> None:
    """An answer after the seal goes into the next export with its flag, and its cost line with it."""
    world, item = row.world, spec(1).item_id
    world.sections["round"] = {"sla_hours": 3}
    world.batch(range(6))
    with world.context(*row.arm(items=[item])) as ctx:
        campaign.finish(ctx, hours=2)
        sealed = sha256_tree(world.ws.sealed(1))
        assert (item in world.labels()) == (not row.armable)
        said = late.collect_late_labels(ctx)
        for _ in range(80):
            if not row.armable or "round 2" in said:
                break
            said = late.collect_late_labels(ctx)
        if row.armable:
            campaign.until(ctx, "REPORTED")
            assert world.labels()[item]["late_for_round"] == 1
            assert world.labels()[item]["round_no"] == 2
        campaign.check_books(world, ctx)
        assert sha256_tree(world.ws.sealed(1)) == sealed == ctx.ledger.rounds.get("kit", 1).sealed_sha256
        assert ctx.ledger.money.status("kit").reserved == 0


def test_row_16_label_changed(row: Any, ontology: Any) -> None:
    """An edit after we ingested is a new revision; after the seal it goes into the next export."""
    world = row.world
    world.batch(range(6))
    with world.context(*row.arm(rate=1.0)) as ctx:
        campaign.finish(ctx, hours=0.1)
        campaign.finish_next(world, ctx)
        campaign.check_books(world, ctx)
        labels = world.labels()
        stored = [d.key for d in ctx.ledger.deliveries.raw("kit", 1)]
        assert (len(stored) > len(set(stored))) == row.armable
        for task in ctx.ledger.tasks.list("kit", 1):
            mine = [d for d in ctx.ledger.deliveries.raw("kit", 1) if d.key == task.key]
            parsed = [ctx.vendor.parse(campaign.as_raw(d), ontology) for d in mine]
            newest = max(parsed, key=lambda p: (p.vendor_updated_at, p.revision))
            assert labels[task.item_id]["class_id"] == newest.annotations[0].class_ids[0]


def test_row_33_vendor_retention(row: Any) -> None:
    """The vendor deletes everything: what we have is ours, the next round goes on."""
    world = row.world
    world.batch(range(6))
    armed = row.arm(rate=1.0)
    with world.context() as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        labels = world.labels()
    gone = raises(Gone("deleted after its retention"))
    vendor = row.kit.vendor(*armed) if armed else row.kit.vendor()
    if not armed:
        first = campaign.order_of(world, 1)
        real = vendor

        def changes(batch: Any, cursor: Any) -> Any:
            return gone() if batch == first else real.changes(batch, cursor)

        vendor = Wrapped(real, instead={"changes": changes})
    with world.context(vendor=vendor) as ctx:
        for _ in range(14):  # the simulated company deletes at the tenth poll
            assert "nothing" in late.collect_late_labels(ctx)
        assert world.labels() == labels
        if armed:
            assert left_at(vendor, first_order(ctx), ctx.ledger.tasks.list("kit", 1)) == []


def first_order(ctx: Any) -> Any:
    return order_ref(ctx, ctx.ledger.rounds.get("kit", 1))


def left_at(vendor: Any, order: Any, tasks: Any) -> list[Any]:
    """The results that the vendor still has."""
    try:
        return list(vendor.fetch(list(vendor.find(order, [t.key for t in tasks]).values())))
    except Gone:
        return []


def test_row_36_clock_skew(row: Any) -> None:
    """The vendor's clock is off: its times order its own answers, ours decide the SLA, all of them in UTC."""
    world = row.world
    world.batch(TEN)
    with world.context(*row.arm(rate=1.0)) as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        done = ctx.ledger.rounds.get("kit", 1)
        assert done.sla_at - done.opened_at == timedelta(hours=24)
        for d in ctx.ledger.deliveries.raw("kit", 1):
            assert d.fetched_at.tzinfo == UTC
            assert campaign.START <= d.fetched_at <= ctx.now()
        for one in ctx.ledger.deliveries.annotations("kit", 1):
            assert one.submitted_at.tzinfo == UTC
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 10}
