"""Two workers on one round: one wins, the other says so, and the vendor is paid once."""

import os
from datetime import timedelta
from typing import Any

import pytest

from tailfirst.errors import LeaseLost
from tailfirst.labeling import approve, plan, quote, submit
from tailfirst.labeling._lease import TTL_S, holding, lease_name


def ready(world: Any, ctx: Any, n: int = 4) -> None:
    world.batch(world.pool()[:n])
    plan.freeze(ctx)
    quote.quote(ctx)
    approve.auto(ctx)


class Meanwhile:
    """A vendor during whose answer to submit something else happens."""

    def __init__(self, vendor: Any, act: Any) -> None:
        self._vendor, self._act = vendor, act
        self.name, self.parser_version, self.simulated_clock = vendor.name, vendor.parser_version, True

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._vendor, name)
        if name != "submit":
            return method

        def call(*args: Any) -> Any:
            answer = method(*args)
            self._act()
            return answer

        return call


def test_second_worker_stays_out(world: Any, ctx: Any) -> None:
    ready(world, ctx)
    said = []
    with world.context(worker="elsewhere:1") as other:
        vendor = Meanwhile(ctx.vendor, lambda: said.append(submit.submit(other)))
        with world.context(vendor=vendor) as first:
            done = submit.submit(first)
    assert "4 items ordered" in done
    assert "is held by" in said[0]
    assert len(world.book.charges()) == 0  # nothing is charged before answers come
    assert ctx.ledger.rounds.counts("tiny", 1) == {"SUBMITTED": 4}


def test_zombie_is_fenced_off(world: Any, ctx: Any, runner: Any) -> None:
    """A worker whose lease ran out while the vendor answered must not write; the newer one finishes (row 6)."""
    ready(world, ctx)
    said = []

    def takeover() -> None:
        world.clock.forward(seconds=TTL_S + 1)
        with world.context(worker="newer:1") as other:
            said.append(submit.submit(other))

    with world.context(vendor=Meanwhile(ctx.vendor, takeover), worker="older:1") as older:
        assert "another worker" in submit.submit(older)
    assert "4 items ordered" in said[0]
    runner(ctx)
    charges = world.book.charges()
    assert sorted(c.key for c in charges) == sorted(t.key for t in ctx.ledger.tasks.list("tiny", 1))
    assert sum(c.amount_micros for c in charges) == ctx.ledger.money.status("tiny").accrued


def test_dead_process_loses_its_lease_at_once(world: Any) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    with world.context() as ctx:
        host = ctx.worker.rpartition(":")[0]
        taken = ctx.ledger.leases.acquire(lease_name("tiny", 1), f"{host}:{pid}", TTL_S, ctx.now())
        with holding(ctx, 1) as lease:
            assert lease.token > taken.token
        ctx.ledger.leases.acquire(lease_name("tiny", 1), "far-away:7", TTL_S, ctx.now())
        with pytest.raises(LeaseLost, match=r"held by far-away:7"), holding(ctx, 1):
            pass
        world.clock.at += timedelta(seconds=TTL_S + 1)
        with holding(ctx, 1):
            pass


def test_kill_switch_stops_the_rest(world: Any, ctx: Any) -> None:
    world.vendor["max_batch"] = 2
    with world.context() as small:
        ready(world, small)
        stop = lambda: small.ledger.money.set_kill_switch("tiny", on=True, by="me", at=small.now())  # noqa: E731
        with world.context(vendor=Meanwhile(small.vendor, stop)) as first:
            assert "kill switch" in submit.submit(first)
        assert small.ledger.rounds.counts("tiny", 1) == {"OUTBOX": 2, "SUBMITTED": 2}
        assert "kill switch" in submit.submit(small)
        small.ledger.money.set_kill_switch("tiny", on=False, by="me", at=small.now())
        assert "4 items ordered" in submit.submit(small)
