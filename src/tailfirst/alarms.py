"""What people should hear about a round, from one read of the ledger. Pure; the flow tells each alarm once."""

from dataclasses import dataclass

from tailfirst.ledger.records import MissRate
from tailfirst.rounds import Policy, RoundView, money, progress

SLA_MARKS = (50, 80, 100)  # per cent of the time that the vendor has
QUARANTINE_SHARE = 0.1  # of the answers
QUARANTINE_LEAST = 5  # quarantined answers; below, a share says nothing
MISSES_SHARE = 0.5  # of the results
MISSES_LEAST = 20  # results; below, a share says nothing
WITH_ANSWER = ("RETURNED", "PARSED", "VALIDATED", "ACCEPTED", "REJECTED", "QUARANTINED", "SKIPPED_BY_ANNOTATOR")


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing to tell, by its kind: sla-50, sla-80, late, over-budget, quarantine-rate or webhook-miss-rate."""

    kind: str
    sentence: str


def alarms(view: RoundView, policy: Policy, misses: MissRate | None = None) -> tuple[Alarm, ...]:
    """What is to be told about the round as it stands.

    Args:
        view: One read of the ledger, its time included.
        policy: The limits of params.yaml.
        misses: What webhooks announced lately; None = the vendor sends none.
    """
    if view.state is None:
        return ()
    found = [_sla(view, policy), _budget(view, policy), _quarantine(view), _misses(misses)]
    return tuple(alarm for alarm in found if alarm is not None)


def reminder(view: RoundView, policy: Policy) -> str | None:
    """The line of the status about the SLA; None before half of its time is over."""
    alarm = _sla(view, policy)
    return None if alarm is None else alarm.sentence


def _sla(view: RoundView, policy: Policy) -> Alarm | None:
    """The last mark that was passed while answers are out."""
    if view.state not in {"OPEN", "COLLECTING"} or view.opened_at is None or view.sla_at is None:
        return None
    state = progress(view, policy)
    span = (view.sla_at - view.opened_at).total_seconds()
    over = 100 * (view.now - view.opened_at).total_seconds() / span if span > 0 else 100.0
    passed = [mark for mark in SLA_MARKS if over >= mark]
    if not passed or state.back >= state.bought:
        return None
    back = f"{state.back} of {state.bought} answers back"
    if passed[-1] == 100:
        return Alarm(
            "late", f"round {view.round_no} is late: the SLA of {view.sla_at:%Y-%m-%d %H:%M} UTC passed, {back}"
        )
    return Alarm(
        f"sla-{passed[-1]}",
        f"round {view.round_no}: {passed[-1]} % of the time until {view.sla_at:%Y-%m-%d %H:%M} UTC is over, {back}",
    )


def _budget(view: RoundView, policy: Policy) -> Alarm | None:
    """Money that does not reach: the vendor's or ours."""
    if view.pause_reason is not None and view.pause_reason.startswith("budget"):
        return Alarm("over-budget", f"round {view.round_no} is paused: {view.pause_reason}")
    left_out = view.counts.get("OVER_BUDGET", 0)
    if left_out:
        return Alarm("over-budget", f"round {view.round_no}: {left_out} of {view.n_tasks} tasks are beyond the cap")
    limit = min(policy.cap_round_micros, view.left_micros)
    if view.state == "QUOTED" and view.quote_micros is not None and view.quote_micros > limit:
        quote, cap = money(view.quote_micros, view.currency), money(limit, view.currency)
        return Alarm("over-budget", f"round {view.round_no}: the quote of {quote} is above the {cap} that may be spent")
    return None


def _quarantine(view: RoundView) -> Alarm | None:
    bad = view.counts.get("QUARANTINED", 0)
    answers = sum(view.counts.get(state, 0) for state in WITH_ANSWER)
    if bad < QUARANTINE_LEAST or bad <= QUARANTINE_SHARE * answers:
        return None
    return Alarm("quarantine-rate", f"round {view.round_no}: {bad} of {answers} answers are in quarantine")


def _misses(misses: MissRate | None) -> Alarm | None:
    if misses is None or misses.found < MISSES_LEAST or (misses.rate or 0) <= MISSES_SHARE:
        return None
    return Alarm(
        "webhook-miss-rate", f"{misses.missed} of {misses.found} results came without a webhook before the poll"
    )
