"""Rows 7 to 13: events that come twice, late, early, in disorder, or not at all."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from tailfirst.errors import AuthRefused
from tailfirst.labeling._ingest import pull, read
from tailfirst.labeling._round import order_ref
from tests.support.vendors import world as campaign
from tests.support.vendors.wrapped import Wrapped

TEN = range(10)


def test_row_07_duplicate_event(row: Any) -> None:
    """The same event twice is one answer."""
    world = row.world
    world.batch(TEN)
    with world.context(*row.arm(rate=1.0)) as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        stored = Counter((d.vendor_id, d.revision) for d in ctx.ledger.deliveries.raw("kit", 1))
        assert set(stored.values()) == {1}
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 10}


def test_row_08_webhook_lost(row: Any) -> None:
    """No hint ever comes: polling finds everything, later at most."""
    world = row.world
    world.batch(TEN)
    with world.context(*row.arm(rate=1.0)) as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 10}


def test_row_09_webhook_forged(row: Any) -> None:
    """A hint without a valid signature is refused, whatever it says."""
    row.arm(rate=1.0)
    vendor, now = row.kit.vendor(), datetime(2026, 3, 2, tzinfo=UTC)
    for headers, body in (
        ({}, b"{}"),
        ({}, b""),
        ({"x-signature": "sha256=" + "0" * 64, "x-timestamp": now.isoformat()}, b'{"task_ids": ["task-1"]}'),
        ({"authorization": "Bearer guess"}, b"\xff\xfe"),
    ):
        with pytest.raises(AuthRefused):
            vendor.verify_webhook(headers, body, now)


def test_row_10_webhook_early(row: Any) -> None:
    """Answers are there before we wrote down that the tasks exist: they are parked, then read."""
    world = row.world
    world.batch(TEN)
    row.arm(rate=1.0)
    parked: list[int] = []
    with world.context(worker="two:2") as other:

        def early(*_: Any) -> None:
            now = other.ledger.rounds.get("kit", 1)
            order = order_ref(other, now)
            assert order is not None
            other.vendor.finalize(order)
            for _ in range(4):
                pull(other, other.ledger.rounds.get("kit", 1))
            assert read(other, now).parsed == 0
            parked.append(len(other.ledger.deliveries.raw("kit", 1)))

        with world.context(vendor=Wrapped(row.kit.vendor(), after={"submit": early})) as ctx:
            campaign.until(ctx, "OPEN")
    with world.context() as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 10}
    assert len(parked) == 1


def test_row_11_out_of_order(row: Any, ontology: Any) -> None:
    """Two revisions, the newer one first: both are kept, and the vendor's own order decides."""
    world = row.world
    world.batch(TEN)
    changed = ({"name": "label_changed", "rate": 1.0},) if "label_changed" in row.kit.faults else ()
    with world.context(*row.arm(rate=1.0), *changed) as ctx:
        campaign.finish(ctx)
        campaign.finish_next(world, ctx)
        campaign.check_books(world, ctx)
        check_newest(world, ctx, ontology)


def check_newest(world: Any, ctx: Any, ontology: Any) -> None:
    """The label of every item is the vendor's newest answer, also where it changed after the seal."""
    labels = world.labels()
    for task in ctx.ledger.tasks.list("kit", 1):
        mine = [d for d in ctx.ledger.deliveries.raw("kit", 1) if d.key == task.key]
        parsed = [ctx.vendor.parse(campaign.as_raw(d), ontology) for d in mine]
        newest = max(parsed, key=lambda p: (p.vendor_updated_at, p.revision))
        assert labels[task.item_id]["class_id"] == newest.annotations[0].class_ids[0]


def test_row_12_cursor_skip(row: Any) -> None:
    """The change list leaves answers out for good: the full sweep when closing finds them."""
    world = row.world
    world.batch(TEN)
    with world.context(*row.arm(rate=0.5)) as ctx:
        campaign.finish(ctx, hours=6)
        campaign.check_books(world, ctx)
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 10}


def test_row_13_export_truncated(row: Any) -> None:
    """An export that is cut is never done: what did not come is asked for again, in smaller parts."""
    world = row.world
    world.batch(TEN)
    with world.context(vendor=Wrapped(row.kit.vendor(*row.arm(at_call=1)))) as ctx:
        campaign.finish(ctx, hours=6)
        campaign.check_books(world, ctx)
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 10}


def test_cut_exports_are_asked_again_in_parts(row_world: Any) -> None:
    """Whatever the adapter: a fetch that gives only its first two results loses nothing and closes nothing early."""
    world = row_world
    world.batch(TEN)
    inner = world.kit.vendor()
    cut = Wrapped(inner, instead={"fetch": lambda refs: list(inner.fetch(refs))[:2] if len(refs) > 2 else []})
    with world.context(vendor=cut) as ctx:
        campaign.until(ctx, "COLLECTING", "CLOSING")
        before = ctx.ledger.rounds.get("kit", 1)
        assert 0 < len(ctx.ledger.deliveries.raw("kit", 1)) < 10
        assert before.state != "CLOSING"
    with world.context() as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 10}
