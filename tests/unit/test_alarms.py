"""When people hear about a round; marks and shares worked out by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tailfirst.alarms import Alarm, alarms, reminder
from tailfirst.ledger.records import MissRate
from tailfirst.rounds import Policy, RoundView

OPENED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
POLICY = Policy(quorum=0.9, auto_approve_micros=0, max_rounds=3, cap_round_micros=5_000_000)
VIEW = RoundView(
    campaign="c",
    round_no=2,
    state="COLLECTING",
    pause_reason=None,
    counts={"SUBMITTED": 6, "VALIDATED": 4},
    n_tasks=10,
    quote_micros=1_000_000,
    currency="USD",
    quote_valid_until=None,
    cap_micros=1_000_000,
    sla_at=OPENED + timedelta(hours=100),
    now=OPENED,
    sealed_rounds=1,
    left_micros=9_000_000,
    eligible_items=None,
    target_reached=False,
    kill_switch=False,
    opened_at=OPENED,
)


def kinds(view: RoundView, misses: MissRate | None = None) -> list[str]:
    return [alarm.kind for alarm in alarms(view, POLICY, misses)]


@pytest.mark.parametrize(
    ("hours", "kind"),
    [
        (0, None),
        (49.9, None),
        (50, "sla-50"),
        (79.9, "sla-50"),
        (80, "sla-80"),
        (99.9, "sla-80"),
        (100, "late"),
        (500, "late"),
    ],
)
def test_the_last_mark_of_the_sla_that_passed(hours, kind):
    view = replace(VIEW, now=OPENED + timedelta(hours=hours))
    assert kinds(view) == ([kind] if kind else [])
    said = reminder(view, POLICY)
    assert (said is None) == (kind is None)
    if said:
        assert "4 of 10 answers back" in said


def test_nothing_is_late_when_all_is_back_or_nothing_was_ordered():
    late = replace(VIEW, now=OPENED + timedelta(hours=200))
    assert kinds(replace(late, counts={"VALIDATED": 10})) == []
    assert kinds(replace(late, state="SEALED")) == []
    assert kinds(replace(late, state=None)) == []
    assert kinds(replace(late, sla_at=None)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"pause_reason": "budget: balance is empty"},
        {"counts": {"OVER_BUDGET": 3, "APPROVED": 7}},
        {"state": "QUOTED", "quote_micros": 5_000_001},
        {"state": "QUOTED", "left_micros": 999_999},
    ],
)
def test_money_that_does_not_reach(change):
    assert kinds(replace(VIEW, **change)) == ["over-budget"]


def test_money_that_reaches_and_other_pauses():
    assert kinds(replace(VIEW, state="QUOTED", quote_micros=5_000_000)) == []
    assert kinds(replace(VIEW, pause_reason="vendor asks back")) == []


@pytest.mark.parametrize(("bad", "good", "told"), [(4, 4, False), (5, 45, False), (5, 44, True), (50, 0, True)])
def test_many_answers_in_quarantine(bad, good, told):
    assert (
        kinds(replace(VIEW, counts={"QUARANTINED": bad, "ACCEPTED": good, "SUBMITTED": 99}))
        == ["quarantine-rate"] * told
    )


@pytest.mark.parametrize(("found", "missed", "told"), [(19, 19, False), (20, 10, False), (20, 11, True), (0, 0, False)])
def test_webhooks_that_do_not_come(found, missed, told):
    assert kinds(VIEW, MissRate(found, missed)) == ["webhook-miss-rate"] * told


def test_sentences_say_round_and_numbers():
    late = replace(VIEW, now=OPENED + timedelta(hours=100))
    assert alarms(late, POLICY) == (
        Alarm("late", "round 2 is late: the SLA of 2026-03-06 13:00 UTC passed, 4 of 10 answers back"),
    )
