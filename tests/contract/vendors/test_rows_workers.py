"""Rows 5 and 6: two workers, and one that should be dead. The vendor does nothing wrong; we do."""

from typing import Any

from tailfirst.labeling import submit
from tailfirst.labeling._lease import TTL_S
from tests.support.vendors import world as campaign
from tests.support.vendors.wrapped import Wrapped

SIX = range(6)


def test_row_05_double_worker(row: Any) -> None:
    """While one worker talks to the vendor, the other one stays out."""
    world, said = row.world, []
    world.batch(SIX)
    with world.context(worker="two:2") as other:
        vendor = Wrapped(row.kit.vendor(), after={"submit": lambda *_: said.append(submit.submit(other))})
        with world.context(vendor=vendor) as ctx:
            campaign.until(ctx, "OPEN")
            assert "is held by one:1" in said[0]
            assert len(vendor.sent()) == 6
    with world.context() as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 6}


def test_row_06_zombie_worker(row: Any) -> None:
    """A worker outlived its lease: its writes are refused, and the new one looks before it sends."""
    world, said, sent = row.world, [], []
    world.batch(SIX)

    def takeover(*_: Any) -> None:
        world.clock.forward(seconds=TTL_S + 1)
        with world.context(vendor=Wrapped(row.kit.vendor()), worker="two:2") as newer:
            said.append(submit.submit(newer))
            sent.extend(newer.vendor.sent())

    with world.context() as ctx:
        campaign.until(ctx, "APPROVED")
    with world.context(vendor=Wrapped(row.kit.vendor(), after={"submit": takeover})) as zombie:
        assert "another worker took over" in submit.submit(zombie)
    assert "6 items ordered" in said[0]
    assert sent == []
    with world.context() as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 6}
