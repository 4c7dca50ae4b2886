"""Rows 26 to 28: prices that move, cancels that come too late, invoices that do not match."""

from dataclasses import replace
from typing import Any

import pytest

from tailfirst.errors import UserError
from tailfirst.port import CostLine, Money, SubmissionKey
from tailfirst.reconcile.run import of_vendor, reconcile
from tests.support.vendors import world as campaign
from tests.support.vendors.kit import spec
from tests.support.vendors.wrapped import Wrapped

SIX = range(6)


def twice(quote: Any) -> Any:
    def each(amount: Money) -> Money:
        return Money(2 * amount.micros, amount.currency)

    return replace(quote, total=each(quote.total), per_task=each(quote.per_task))


def test_row_26_price_changed(row: Any) -> None:
    """The price moved after the approval: nothing is sent at the new one until somebody approves it."""
    world = row.world
    world.batch(SIX)
    with world.context() as ctx:
        campaign.until(ctx, "APPROVED")
        cap = ctx.ledger.rounds.get("kit", 1).cap_micros
    armed = row.arm(rate=1.0)
    inner = row.kit.vendor(*armed)
    dearer = Wrapped(inner) if armed else Wrapped(inner, instead={"quote": lambda batch: twice(inner.quote(batch))})
    world.sections["money"] = {"auto_approve": "0"}
    with world.context(vendor=dearer) as ctx:
        assert "the price changed" in campaign.act(ctx)
        held = ctx.ledger.rounds.get("kit", 1)
        assert (held.state, held.cap_micros) == ("QUOTED", None)
        assert held.quote_micros > cap
        assert dearer.sent() == []
        assert campaign.upcoming(ctx).kind.value == "WAIT"
    world.sections["money"] = {}
    with world.context(vendor=dearer) as ctx:
        campaign.finish(ctx)
        campaign.check_prices(ctx)
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 6}


def test_row_27_cancel_too_late(row: Any) -> None:
    """What cannot be taken back any more is accepted when it comes, and paid."""
    world = row.world
    world.sections["round"] = {"sla_hours": 3}
    world.batch(SIX)
    items = [spec(1).item_id]
    late = ({"name": "late_label", "items": items},) if "late_label" in row.kit.faults else ()
    with world.context(*row.arm(items=items), *late) as ctx:
        campaign.finish(ctx, hours=2)
        state = ctx.ledger.tasks.by_item("kit", items[0])[0].state
        if row.armable and late:
            assert state == "TOO_LATE"
        for _ in range(10):
            if ctx.ledger.tasks.by_item("kit", items[0])[0].state == "ACCEPTED":
                break
            campaign.finish_next(world, ctx)
        campaign.check_books(world, ctx)
        if row.armable:
            assert ctx.ledger.tasks.by_item("kit", items[0])[0].state == "ACCEPTED"
            assert items[0] in world.labels()


def test_row_28_invoice_mismatch(row: Any) -> None:
    """A charge that contradicts the ledger is named for the dispute list, and moves no money."""
    world = row.world
    world.batch(SIX)
    armed = row.arm(rate=1.0)
    inner = row.kit.vendor(*armed)

    def costs(batch: Any) -> list[CostLine]:
        lines = list(inner.costs(batch))
        strange = CostLine(
            "strange-1", SubmissionKey("tf-kit-" + "0" * 32), batch.key, Money(5, "USD"), world.clock(), "ACCRUED"
        )
        return [*lines, strange]

    free = inner.capabilities().cost == "NONE"
    with world.context(vendor=inner if free else Wrapped(inner, instead={"costs": costs})) as ctx:
        said = campaign.finish(ctx)
        assert free or any("costs in dispute" in sentence and "strange-1" in sentence for sentence in said)
        campaign.check_books(world, ctx, vendor=row.kit.vendor())
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 6}
    reconciled(world, armed, free=free)


def reconciled(world: Any, armed: Any, *, free: bool) -> None:
    """`tailfirst reconcile --from-vendor`: the invoice key by key, or a sentence that there is none."""
    with world.context(*armed) as ctx:
        spent = ctx.ledger.money.status("kit").accrued
        if free:
            with pytest.raises(UserError, match=rf"vendor {ctx.vendor.name} reports no costs .* reconcile STATEMENT"):
                of_vendor(ctx)
            return
        found, new = reconcile(ctx.ledger, "kit", of_vendor(ctx), "USD", ctx.now())
        assert new > 0
        factor = {"different": 1.5, "twice": 2, "missing there": 0}
        assert {f.key for f in found.findings} == {t.key for t in ctx.ledger.tasks.list("kit", 1)}
        assert {f.what for f in found.findings} <= factor.keys()
        assert found.disputes == tuple(f for f in found.findings if f.what != "missing there") != ()
        assert all(one.theirs == one.ours * factor[one.what] for one in found.findings)
        assert reconcile(ctx.ledger, "kit", of_vendor(ctx), "USD", ctx.now()) == (found, 0)
        assert ctx.ledger.money.status("kit").accrued == spent
