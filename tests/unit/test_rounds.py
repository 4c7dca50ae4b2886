"""`next_step`, row by row of specs/vendor.md 4.2, and its edges."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailfirst.ledger.transitions import ROUND_STATES, TASK_STATES
from tailfirst.rounds import Policy, RoundView, StepKind, money, next_step, progress

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = Policy(quorum=0.9, auto_approve_micros=5_000_000, max_rounds=3, cap_round_micros=8_000_000)


def view(state: str | None, **changes: object) -> RoundView:
    base = RoundView(
        campaign="c",
        round_no=0 if state is None else 2,
        state=state,
        pause_reason=None,
        counts={},
        n_tasks=100,
        quote_micros=4_000_000,
        currency="USD",
        quote_valid_until=NOW + DAY,
        cap_micros=4_000_000,
        sla_at=NOW + 2 * DAY,
        now=NOW,
        sealed_rounds=1,
        left_micros=50_000_000,
        eligible_items=1_000,
        target_reached=False,
        kill_switch=False,
        opened_at=NOW - DAY,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


ROWS = [
    (None, StepKind.PLAN, 1, "choose the batch of round 1 of at most 3"),
    ("DRAFT", StepKind.PLAN, 2, "choose the batch of round 2"),
    ("SELECTED", StepKind.QUOTE, 2, "ask the vendor what 100 tasks cost"),
    ("QUOTED", StepKind.APPROVE, 2, "4.00 USD for 100 tasks is within the automatic limit of 5.00 USD"),
    ("APPROVED", StepKind.SUBMIT, 2, "order 90 approved tasks"),
    ("SUBMITTING", StepKind.SUBMIT, 2, "finish the order: 90 of 100 not settled"),
    ("OPEN", StepKind.COLLECT, 2, "waiting for the vendor: 0 of 0 answers back"),
    ("COLLECTING", StepKind.COLLECT, 2, "waiting for the vendor"),
    ("CLOSING", StepKind.SEAL, 2, "write the sealed round"),
    ("SEALED", StepKind.ADAPT, 2, "train the candidates"),
    ("TRAINED", StepKind.EVALUATE, 2, "measure the candidates"),
    ("EVALUATED", StepKind.DECIDE, 2, "promote the best candidate or keep the old one"),
    ("PROMOTED", StepKind.REPORT, 2, "the model was promoted"),
    ("HELD", StepKind.REPORT, 2, "the model was held"),
    ("REPORTED", StepKind.PLAN, 3, "round 2 is reported; choose the batch of round 3"),
    ("ABORTED", StepKind.PLAN, 3, "round 2 is aborted; choose the batch of round 3"),
]


@pytest.mark.parametrize(("state", "kind", "round_no", "why"), ROWS)
def test_every_row_of_the_table(state: str | None, kind: StepKind, round_no: int, why: str) -> None:
    counts = {"SUBMITTED": 90} if state in {"OPEN", "COLLECTING"} else {"APPROVED": 90}
    step = next_step(view(state, counts=counts), POLICY)
    assert (step.kind, step.round_no) == (kind, round_no)
    assert why.replace("0 of 0", "0 of 90") in step.why


def test_a_quote_beyond_the_months_cap_waits_for_a_person_or_the_next_month() -> None:
    step = next_step(view("QUOTED", month_left_micros=3_000_000), POLICY)
    assert step.kind is StepKind.WAIT
    assert "this month's cap leaves 3.00 USD" in step.why
    assert next_step(view("QUOTED", month_left_micros=4_000_000), POLICY).kind is StepKind.APPROVE


def test_the_table_is_complete() -> None:
    assert {state for state, *_ in ROWS} == {None, *ROUND_STATES}
    with pytest.raises(ValueError, match="state 'NOWHERE', which is none"):
        next_step(view("NOWHERE"), POLICY)


@pytest.mark.parametrize("state", [*ROUND_STATES])
def test_a_pause_reason_waits_anywhere(state: str) -> None:
    step = next_step(view(state, pause_reason="vendor down"), POLICY)
    assert (step.kind, step.round_no) == (StepKind.WAIT, 2)
    assert "paused: vendor down" in step.why


@pytest.mark.parametrize("state", [None, *ROUND_STATES])
def test_the_kill_switch_waits_anywhere(state: str | None) -> None:
    step = next_step(view(state, kill_switch=True), POLICY)
    assert (step.kind, "kill switch" in step.why) == (StepKind.WAIT, True)


@pytest.mark.parametrize(
    ("changes", "policy", "said"),
    [
        ({"quote_micros": 5_000_001}, POLICY, "only up to 5.00 USD is approved by rule"),
        ({"quote_micros": 8_000_001}, POLICY, "above the round's cap of 8.00 USD"),
        ({"left_micros": 3_999_999}, POLICY, "the campaign has 3.999999 USD left"),
        ({}, replace(POLICY, auto_approve_micros=0), "approve with `tailfirst approve`: 100 tasks for 4.00 USD"),
    ],
)
def test_above_a_limit_a_person_approves(changes: dict[str, object], policy: Policy, said: str) -> None:
    step = next_step(view("QUOTED", **changes), policy)
    assert step.kind is StepKind.WAIT
    assert said in step.why
    assert "tailfirst approve" in step.why


def test_at_the_limit_the_rule_approves() -> None:
    at_limit = view("QUOTED", quote_micros=5_000_000, left_micros=5_000_000)
    assert next_step(at_limit, replace(POLICY, cap_round_micros=5_000_000)).kind is StepKind.APPROVE
    free = view("QUOTED", quote_micros=0, left_micros=0)
    assert next_step(free, replace(POLICY, auto_approve_micros=0)).kind is StepKind.APPROVE


@pytest.mark.parametrize("state", ["QUOTED", "APPROVED"])
def test_a_quote_that_ended_is_asked_for_again(state: str) -> None:
    step = next_step(view(state, quote_valid_until=NOW - timedelta(minutes=1)), POLICY)
    assert step.kind is StepKind.QUOTE
    assert "ended on 2025-03-01 at 11:59 UTC" in step.why
    assert next_step(view(state, quote_valid_until=NOW), POLICY).kind is not StepKind.QUOTE


@pytest.mark.parametrize("state", [None, "REPORTED", "ABORTED"])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sealed_rounds": 3}, "all 3 rounds are done"),
        ({"target_reached": True}, "the target is reached after 1 rounds"),
        ({"eligible_items": 0}, "the pool is exhausted"),
        ({"left_micros": 39_999}, "0.039999 USD of the campaign's cap are left and one label costs 0.04 USD"),
    ],
)
def test_the_campaign_ends(state: str | None, changes: dict[str, object], said: str) -> None:
    step = next_step(view(state, **changes), POLICY)
    assert step.kind is StepKind.DONE
    assert said in step.why


def test_the_campaign_goes_on() -> None:
    assert next_step(view("REPORTED", left_micros=40_000), POLICY).kind is StepKind.PLAN
    assert next_step(view("REPORTED", eligible_items=None), POLICY).kind is StepKind.PLAN
    no_price = view(None, quote_micros=None, n_tasks=0, left_micros=0)
    assert next_step(no_price, POLICY).kind is StepKind.PLAN


@pytest.mark.parametrize("state", ["SELECTED", "OPEN", "SEALED", "HELD"])
def test_a_running_round_is_finished_before_the_end(state: str) -> None:
    over = view(state, sealed_rounds=3, target_reached=True, eligible_items=0, left_micros=0)
    assert next_step(over, POLICY).kind not in {StepKind.DONE, StepKind.PLAN}


def test_collecting_says_how_far_it_is() -> None:
    counts = {"SUBMITTED": 60, "IN_PROGRESS": 3, "PARSED": 30, "VALIDATED": 7, "OVER_BUDGET": 9, "REFUSED": 1}
    step = next_step(view("COLLECTING", counts=counts), POLICY)
    assert step.why == "waiting for the vendor: 37 of 100 answers back, SLA in 2 days"


@pytest.mark.parametrize(
    ("back", "after_sla", "close", "said"),
    [
        (100, -1, True, "all 100 answers are back"),
        (99, -1, False, "99 of 100 answers back, SLA in 1 hour"),
        (90, 0, True, "quorum 90% reached"),
        (89, 0, False, "quorum 90% not reached"),
        (89, 71, False, "SLA passed 2 days ago"),
        (0, 72, True, "twice the SLA is over; close the round anyway"),
    ],
)
def test_when_collecting_ends(back: int, after_sla: int, close: bool, said: str) -> None:
    """An SLA of three days: opened 72 hours before it."""
    sla_at = NOW - timedelta(hours=after_sla)
    counts = {"SUBMITTED": 100 - back, "VALIDATED": back}
    state = progress(view("OPEN", counts=counts, sla_at=sla_at, opened_at=sla_at - 3 * DAY), POLICY)
    assert (state.bought, state.back, state.close) == (100, back, close)
    assert said in state.why


def test_without_an_sla_only_the_last_answer_closes() -> None:
    assert not progress(view("OPEN", counts={"SUBMITTED": 1}, sla_at=None), POLICY).close
    assert progress(view("OPEN", counts={}, sla_at=None), POLICY).close


@given(
    st.sampled_from([None, *ROUND_STATES]),
    st.dictionaries(st.sampled_from(TASK_STATES), st.integers(0, 50)),
    st.integers(-10, 10),
    st.booleans(),
    st.integers(0, 5),
    st.one_of(st.none(), st.integers(0, 9)),
)
def test_every_view_has_one_step_and_a_reason(
    state: str | None, counts: dict[str, int], days: int, killed: bool, sealed: int, eligible: int | None
) -> None:
    changes = {"counts": counts, "sla_at": NOW + days * DAY, "kill_switch": killed, "sealed_rounds": sealed}
    seen = view(state, eligible_items=eligible, **changes)
    step = next_step(seen, POLICY)
    assert step == next_step(seen, POLICY)
    assert step.why
    assert not step.why.endswith(".")


def test_money_for_people() -> None:
    assert money(12_500_000, "USD") == "12.50 USD"
    assert money(40_000, "USD") == "0.04 USD"
    assert money(1, "EUR") == "0.000001 EUR"
    assert money(-250_000, None) == "-0.25"
