from typing import Any

import pytest

from tailfirst.context import set_caps
from tailfirst.errors import ConfigError, UserError
from tailfirst.labeling import approve, plan, quote


def quoted(world: Any, ctx: Any) -> Any:
    world.batch(world.pool()[:4])
    plan.freeze(ctx)
    quote.quote(ctx)
    return ctx.ledger.rounds.current("tiny")


def test_quote_prices_every_purpose_apart(world: Any, ctx: Any) -> None:
    row = quoted(world, ctx)
    assert (row.state, row.quote_micros, row.currency) == ("QUOTED", 80_000 + 3 * 40_000, "USD")
    assert [t.price_micros for t in ctx.ledger.tasks.list("tiny", 1)] == [80_000, 40_000, 40_000, 40_000]
    assert "has a quote until" in quote.quote(ctx)


def test_quote_in_another_currency_is_refused(world: Any) -> None:
    world.vendor["currency"] = "EUR"
    with world.context() as ctx, pytest.raises(ConfigError, match=r"prices in EUR, money\.currency says USD"):
        quoted(world, ctx)


def test_more_answers_than_people(world: Any) -> None:
    world.round["overlap"] = 6
    with world.context() as ctx, pytest.raises(ConfigError, match=r"round\.overlap is 6; .* at most 5"):
        quoted(world, ctx)


def test_approval_by_a_person(world: Any, ctx: Any) -> None:
    quoted(world, ctx)
    assert approve.approve(ctx, "Ada") == "Ada approved up to 0.20 USD for 4 items"
    row = ctx.ledger.rounds.current("tiny")
    assert (row.state, row.approved_by, row.cap_micros) == ("APPROVED", "Ada", 200_000)
    assert "nothing to approve" in approve.approve(ctx, "Ada")


def test_lower_cap_buys_the_best_ranked(world: Any, ctx: Any, runner: Any) -> None:
    quoted(world, ctx)
    assert "2 items; 2 items lie beyond the cap" in approve.approve(ctx, "Ada", 125_000)
    runner(ctx)
    assert {r["item_id"] for r in world.labels()} == set(world.pool()[:2])
    assert ctx.ledger.rounds.counts("tiny", 1) == {"ACCEPTED": 2, "OVER_BUDGET": 2}
    world.batch(world.pool()[2:4])
    assert "round 2 planned" in plan.freeze(ctx)
    assert {t.attempt for t in ctx.ledger.tasks.list("tiny", 2) if t.purpose == "TRAIN"} == {2}


@pytest.mark.parametrize("cap", [0, -5, 100_000_001])
def test_caps_outside_the_rounds_cap_are_refused(world: Any, ctx: Any, cap: int) -> None:
    quoted(world, ctx)
    with pytest.raises(UserError, match="must be above 0 and at most"):
        approve.approve(ctx, "Ada", cap)


def test_approval_needs_a_name_and_a_quote_that_holds(world: Any, ctx: Any) -> None:
    quoted(world, ctx)
    with pytest.raises(UserError, match="needs a name"):
        approve.approve(ctx, " ")
    world.clock.forward(days=60)
    with pytest.raises(UserError, match=r"ended on .* run `tailfirst quote` again"):
        approve.auto(ctx)
    assert "USD for 4 items" in quote.quote(ctx)
    assert approve.approve(ctx, "Ada").startswith("Ada approved")


def test_rule_approves_small_amounts_only(world: Any) -> None:
    world.money["auto_approve"] = "0.19"
    with world.context() as ctx:
        quoted(world, ctx)
        assert "waits for a person: 0.20 USD is above the automatic limit of 0.19 USD" in approve.auto(ctx)
        assert ctx.ledger.rounds.current("tiny").state == "QUOTED"
    world.money["auto_approve"] = "0.20"
    with world.context() as ctx:
        assert "rule:auto_approve<=0.20 approved" in approve.auto(ctx)


def test_the_months_cap_waits_for_the_next_month(world: Any) -> None:
    world.money |= {"cap_month": "0.15"}
    with world.context() as ctx:
        quoted(world, ctx)
        set_caps(ctx.ledger, ctx.params)
        assert "waits: 0.20 USD is more than the 0.15 USD that this month's cap leaves" in approve.auto(ctx)
        assert "2 items; 2 items lie beyond the cap" in approve.approve(ctx, "Ada")
        assert "left of the cap of 2026-03 150000" in ctx.ledger.tasks.list("tiny", 1, ["OVER_BUDGET"])[0].reason


def test_acts_before_any_round(ctx: Any) -> None:
    with pytest.raises(UserError, match="has no round yet"):
        quote.quote(ctx)
