"""Each alarm is told once, and again where the teller died before it was noted."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from tailfirst.config import Settings
from tailfirst.ledger import MissRate
from tailfirst.ledger.records import NewHint
from tailfirst.telling import misses, tell


def test_the_marks_of_the_sla_are_told_one_after_the_other(world, ctx, stepper):
    world.vendor = {"hours_per_poll": 0.001}
    world.batch(world.pool()[:4])
    heard = []

    def listen(round_no, alarm):
        heard.append((round_no, alarm.kind))

    assert tell(ctx, listen) == []
    while ctx.ledger.rounds.current("tiny") is None or ctx.ledger.rounds.current("tiny").state != "OPEN":
        stepper(ctx)
    for hours in (0, 36, 1, 21, 14, 1, 1):  # of 72
        ctx.now.forward(hours=hours)
        tell(ctx, listen)
    assert heard == [(1, "sla-50"), (1, "sla-80"), (1, "late")]


def test_who_dies_while_telling_tells_again(world, ctx, stepper):
    world.batch(world.pool()[:4])
    while ctx.ledger.rounds.current("tiny") is None or ctx.ledger.rounds.current("tiny").state != "OPEN":
        stepper(ctx)
    ctx.now.forward(hours=40)

    def die(_round_no, _alarm):
        raise ConnectionError("the listener is gone")

    with pytest.raises(ConnectionError):
        tell(ctx, die)
    heard = []
    tell(ctx, lambda _, alarm: heard.append(alarm.kind))
    assert heard == ["sla-50"]


def test_a_vendor_without_webhooks_misses_none(ctx):
    assert misses(ctx) is None


def test_webhooks_that_nobody_set_up_are_not_missed(ctx):
    pushing = SimpleNamespace(capabilities=lambda: SimpleNamespace(push="UNSIGNED"))
    ctx = replace(ctx, vendor=pushing)
    assert misses(ctx) is None
    with_secret = Settings(webhook_secrets="a long random word", _env_file=None)
    assert misses(replace(ctx, settings=with_secret)) == MissRate(0, 0)
    now = ctx.now()
    ctx.ledger.inbox.store(NewHint("tiny", "v", "d-1", "sha", ("x",), now, now))
    assert misses(ctx) == MissRate(0, 0)


def test_the_status_shows_the_sla_and_the_inbox(capsys):
    from tailfirst.commands.status import show
    from tailfirst.contracts import Interval
    from tailfirst.ledger import InboxStatus
    from tailfirst.ledger.outages import CallCount
    from tailfirst.ledger.records import MoneyStatus
    from tailfirst.rounds import Step, StepKind
    from tailfirst.status import Standing, as_data

    step = Step(StepKind.COLLECT, "waiting", 1)
    cash = MoneyStatus(1, 0, 0, 1, "USD")
    found = Standing(
        campaign="tiny", round_no=1, state="OPEN", step=step, pause_reason=None, kill_switch=False, counts={},
        sla_at=None, sealed_rounds=0, money=cash, n_labels=0, chosen=None, values=dict[str, Interval](),
        measured_after=0, sla_reminder="round 1: 50 % of the time is over", inbox=InboxStatus(3, 2, 1),
        misses=MissRate(8, 2), month_left=None, approval=None,
    )  # fmt: skip
    assert as_data(found)["webhooks"] == {"waiting": 3, "parked": 2, "repeats": 1, "miss_rate": 0.25}
    assert as_data(replace(found, misses=None))["webhooks"]["miss_rate"] is None
    throttled = replace(
        found, calls=(CallCount("rest", "fetch", "THROTTLED", 7, 0.5, datetime(2026, 3, 1, tzinfo=UTC)),)
    )
    assert as_data(throttled)["vendor_calls"][0]["n"] == 7
    show(throttled)
    assert "fetch throttled" in capsys.readouterr().out
    show(found)
    shown = capsys.readouterr().out
    assert "50 % of the time is over" in shown
    assert "25% of 8" in shown
