"""Row 28: a round of the simulated vendor, and the statement it sends."""

import pytest

from tailfirst.errors import UserError
from tailfirst.reconcile.run import of_vendor, reconcile


def compared(ctx):
    return reconcile(ctx.ledger, "tiny", of_vendor(ctx), "USD", ctx.now())


def test_an_honest_statement_is_clean(world, ctx, runner):
    world.batch(world.pool()[:6])
    runner(ctx)
    found, new = compared(ctx)
    assert {f.what for f in found.findings} == {"matched"}
    assert (len(found.findings), new) == (6, 6)
    assert compared(ctx) == (found, 0)


def test_a_wrong_statement_is_disputed_key_by_key(world, runner):
    world.vendor = {"faults": [{"name": "invoice_mismatch", "rate": 1.0}]}
    world.batch(world.pool())
    with world.context() as ctx:
        runner(ctx)
        spent = ctx.ledger.money.status("tiny").accrued
        found, _ = compared(ctx)
        assert {f.what for f in found.findings} == {"different", "twice", "missing there"}
        for one in found.findings:
            factor = {"different": 1.5, "twice": 2, "missing there": 0}[one.what]
            assert one.theirs == one.ours * factor
        assert ctx.ledger.money.status("tiny").accrued == spent


def test_a_vendor_without_a_statement(world):
    class Silent:
        name = "silent"

        def __init__(self, cost):
            self.cost = cost

        def capabilities(self):
            return self

    for cost, why in (("PER_BATCH", "offers no statement"), ("NONE", r"reports no costs \(what is booked is our own")):
        with world.context(vendor=Silent(cost)) as ctx, pytest.raises(UserError, match=f"vendor silent {why}"):
            of_vendor(ctx)
