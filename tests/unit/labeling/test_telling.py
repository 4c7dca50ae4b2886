"""Each alarm is told once, and again where the teller died before it was noted."""

import pytest

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
