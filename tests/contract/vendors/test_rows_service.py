"""Rows 22 to 25: the vendor is down, slow, refuses us, or wants money."""

from typing import Any

import pytest

from tailfirst.errors import AuthRefused, QuotaExceeded, Retryable, Throttled
from tailfirst.labeling._guard import FIRST_S
from tests.support.vendors import world as campaign
from tests.support.vendors.wrapped import Wrapped, raises

SIX = range(6)
STEPS = ("SELECTED", "APPROVED", "OPEN", "CLOSING")  # before QUOTE, SUBMIT, COLLECT, SEAL: each calls the vendor
CALLS = ("ensure_project", "quote", "open_batch", "submit", "finalize", "find", "changes", "fetch", "cancel", "costs")


def broken(row: Any, error: Exception, **how: Any) -> Any:
    """The vendor with the row's fault armed; where it cannot have it, one whose calls all end with the error."""
    armed = row.arm(**how)
    return row.kit.vendor(*armed) if armed else Wrapped(row.kit.vendor(), instead=dict.fromkeys(CALLS, raises(error)))


def go_on(row: Any) -> None:
    with row.world.context() as ctx:
        campaign.finish(ctx)
        campaign.check_books(row.world, ctx)
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 6}


def test_row_22_vendor_down(row: Any) -> None:
    """No answer: the tick ends green, the schedule tries again by itself later and later, the SLA is moved."""
    world = row.world
    world.batch(SIX)
    for state in STEPS:
        with world.context() as ctx:
            campaign.until(ctx, state)
        with world.context(vendor=broken(row, Retryable("503"), rate=1.0)) as ctx:
            assert "vendor down since" in campaign.act(ctx)
            step = campaign.upcoming(ctx)
            assert step.kind.value == "WAIT"
            assert "vendor down since" in step.why
            assert 0.7 * FIRST_S < (step.until - ctx.now()).total_seconds() < 1.3 * FIRST_S
            assert campaign.act(ctx).startswith("WAIT: ")
            before = ctx.ledger.rounds.get("kit", 1)
            assert before.state == state
            ctx.now.at = step.until
            campaign.act(ctx)
            assert (campaign.upcoming(ctx).until - ctx.now()).total_seconds() > 1.4 * FIRST_S
            ctx.now.forward(hours=2)
        with world.context() as ctx:
            said = campaign.act(ctx)
            assert "answers again after" in said
            after = ctx.ledger.rounds.get("kit", 1)
            assert after.pause_reason is None
            if state == "OPEN":
                assert (after.sla_at - before.sla_at).total_seconds() > 2 * 3600
    go_on(row)


def test_row_23_rate_limited(row: Any) -> None:
    """A short wait is waited; a long one is left to the schedule, and nobody sleeps an hour in a worker."""
    world = row.world
    world.batch(SIX)
    with world.context(vendor=broken(row, Throttled("429", 3600), rate=1.0)) as ctx:
        campaign.until(ctx, "SELECTED")
        campaign.act(ctx)
        step = campaign.upcoming(ctx)
        assert step.kind.value == "WAIT"
        assert step.until > ctx.now()
        assert sum(world.clock.waited) < 60
        world.clock.at = step.until
    inner, tries = row.kit.vendor(), []

    def busy_once(batch: Any) -> Any:
        tries.append(batch)
        if len(tries) == 1:
            raise Throttled("429", 3)
        return inner.quote(batch)

    with world.context(vendor=Wrapped(inner, instead={"quote": busy_once})) as ctx:
        assert "items:" in campaign.act(ctx)
        assert world.clock.waited[-1] == 3
    go_on(row)


def test_row_24_auth_revoked(row: Any) -> None:
    """A refused key fails at once and is not tried again until a person has looked."""
    world = row.world
    world.batch(SIX)
    with world.context() as ctx:
        campaign.until(ctx, "APPROVED")
    vendor = Wrapped(broken(row, AuthRefused("401"), rate=1.0))
    with world.context(vendor=vendor) as ctx:
        with pytest.raises(AuthRefused):
            campaign.act(ctx)
        calls = len(vendor.calls)
        assert campaign.upcoming(ctx).kind.value == "WAIT"
        assert ctx.ledger.rounds.get("kit", 1).pause_reason.startswith("auth: ")
        campaign.act(ctx)
        assert len(vendor.calls) == calls
        assert world.clock.waited == []
        ctx.ledger.rounds.pause("kit", 1, None, ctx.now(), "owner")
    go_on(row)


def test_row_25_balance_empty(row: Any) -> None:
    """No balance: the round pauses for money, sends nothing, and goes on when it is resumed."""
    world = row.world
    world.batch(SIX)
    with world.context() as ctx:
        campaign.until(ctx, "APPROVED")
    with world.context(vendor=broken(row, QuotaExceeded("402"), rate=1.0)) as ctx:
        assert "is paused: budget: " in campaign.act(ctx)
        assert campaign.upcoming(ctx).kind.value == "WAIT"
        ctx.ledger.rounds.pause("kit", 1, None, ctx.now(), "owner")
    go_on(row)
