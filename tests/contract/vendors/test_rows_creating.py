"""Rows 1 to 4: what became of a create, and is it paid once (specs/vendor.md section 5)."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.vendors import world as campaign
from tests.support.vendors.wrapped import Killed, Wrapped, raises

TEN = range(10)


def test_row_01_create_timeout(row: Any) -> None:
    """The vendor created, the answer was lost: `find` shows it, and nothing is sent again."""
    world = row.world
    items = world.batch(TEN)
    with world.context(vendor=Wrapped(row.kit.vendor(*row.arm(at_call=1, after_commit=True)))) as ctx:
        campaign.until(ctx, "OPEN")
        told = [name for name, _ in ctx.vendor.calls]
        if row.armable:
            assert told.index("find") > told.index("submit")
        assert sorted(ctx.vendor.sent()) == sorted(t.key for t in ctx.ledger.tasks.list("kit", 1))
    with world.context() as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": len(items)}


def test_row_02_conflict_409(row: Any) -> None:
    """A key that is used: the same payload EXISTED, another one is refused and never overwritten."""
    world, vendor = row.world, row.kit.vendor(*row.arm(rate=1.0))
    world.batch(TEN)
    with world.context(vendor=vendor) as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 10}
    order = row.kit.order(vendor)
    mine = [i for i in [replace_payload(n) for n in TEN] if i.key in vendor.find(order, [i.key])]
    assert len(mine) == 10
    for outcome in vendor.submit(order, mine).outcomes:
        assert outcome.outcome == "REJECTED"
        assert outcome.reason
    assert all(ref.payload_sha256 != "f" * 64 for ref in vendor.find(order, [i.key for i in mine]).values())


def replace_payload(n: int) -> Any:
    from tests.support.vendors.kit import spec

    return replace(spec(n), payload_sha256="f" * 64)


def test_row_03_token_expired(row: Any) -> None:
    """A worker died in the call, a day passed, the vendor's token protects nothing any more: look before any retry."""
    world = row.world
    world.batch(TEN)
    with world.context(vendor=Wrapped(row.kit.vendor(), after={"submit": raises(Killed())})) as ctx:
        campaign.until(ctx, "APPROVED")
        with pytest.raises(Killed):
            campaign.act(ctx)
        assert ctx.ledger.rounds.counts("kit", 1) == {"OUTBOX": 10}
    world.clock.forward(hours=25)
    armed = row.arm(rate=1.0)
    with world.context(vendor=Wrapped(row.kit.vendor(*armed)), worker="two:2") as ctx:
        campaign.until(ctx, "OPEN")
        assert ctx.vendor.sent() == []
        assert "find" in [name for name, _ in ctx.vendor.calls]
    with world.context() as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 10}


def test_row_04_batch_partial(row: Any) -> None:
    """3 of 10 created, nothing said of the rest: each item gets its own outcome, and the order becomes whole."""
    world = row.world
    world.batch(TEN)
    with world.context(vendor=Wrapped(row.kit.vendor(*row.arm(keep=3, of=10, at_call=1)))) as ctx:
        campaign.until(ctx, "OPEN")
        if row.armable:
            assert len(ctx.vendor.sent()) == 17
            doubts = [e for e in ctx.ledger.rounds.events("kit", 1) if e.to_state == "UNKNOWN"]
            assert len(doubts) == 7
    with world.context() as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 10}
