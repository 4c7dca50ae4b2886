"""One tick at a time: the campaign's hold, and what a tick reads before it decides."""

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from tailfirst import advance
from tailfirst.context import NoGates, open_context
from tailfirst.rounds import Step, StepKind
from tests.support import tiny_workspace

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
NAME = "tick:tiny"


@pytest.fixture
def ctx(tmp_path):
    tiny_workspace.make(tmp_path)
    with open_context(tmp_path, now=lambda: NOW, gates=NoGates()) as opened:
        yield opened


def test_a_fresh_campaign_wants_a_plan(ctx):
    seen = advance.view(ctx)
    assert (seen.round_no, seen.state, seen.n_tasks, seen.sealed_rounds) == (0, None, 0, 0)
    assert seen.left_micros == 100_000_000
    assert seen.now == NOW
    assert advance.upcoming(ctx).kind is StepKind.PLAN


def test_params_decide_the_policy(ctx):
    found = advance.policy(ctx)
    assert (found.auto_approve_micros, found.cap_round_micros, found.max_rounds) == (50_000_000, 50_000_000, 2)


def test_the_hold_keeps_others_out_and_is_given_back(ctx):
    with advance.holding(ctx) as renew:
        assert ctx.ledger.leases.acquire(NAME, "elsewhere:1", 60, NOW) is None
        renew()
    assert ctx.ledger.leases.acquire(NAME, "elsewhere:1", 60, NOW) is not None


def test_the_hold_is_given_back_after_an_error(ctx):
    with pytest.raises(ZeroDivisionError), advance.holding(ctx):
        raise ZeroDivisionError
    assert ctx.ledger.leases.acquire(NAME, "elsewhere:1", 60, NOW) is not None


@pytest.mark.parametrize("holder", ["elsewhere:4711", f"{socket.gethostname()}:{os.getppid()}"])
def test_a_living_holder_is_named(ctx, holder):
    ctx.ledger.leases.acquire(NAME, holder, 60, NOW)
    with pytest.raises(advance.CampaignBusy, match=holder), advance.holding(ctx):
        pass


def test_a_dead_process_of_this_machine_loses_its_hold(ctx):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    ctx.ledger.leases.acquire(NAME, f"{socket.gethostname()}:{gone.pid}", 900, NOW)
    with advance.holding(ctx) as renew:
        renew()


def test_a_hold_that_ran_out_is_taken_over(tmp_path):
    tiny_workspace.make(tmp_path)
    clock = [NOW]
    with open_context(tmp_path, now=lambda: clock[0], gates=NoGates()) as ctx:
        ctx.ledger.leases.acquire(NAME, "elsewhere:1", 60, NOW)
        clock[0] += timedelta(seconds=61)
        with advance.holding(ctx):
            assert ctx.ledger.leases.acquire(NAME, "elsewhere:1", 60, clock[0]) is None


def test_the_same_step_again_is_a_repeat():
    one = Step(StepKind.COLLECT, "3 of 8 back", 1)
    assert advance.repeats(Step(StepKind.COLLECT, "4 of 8 back", 1), one)
    assert not advance.repeats(Step(StepKind.COLLECT, "0 of 8 back", 2), one)
    assert not advance.repeats(Step(StepKind.SEAL, "", 1), one)
