"""What a round needs next: a pure function of one read of the ledger (specs/vendor.md section 4.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class StepKind(StrEnum):
    """The acts of a round; the flow does one and ends."""

    PLAN = "PLAN"
    QUOTE = "QUOTE"
    APPROVE = "APPROVE"
    SUBMIT = "SUBMIT"
    COLLECT = "COLLECT"
    SEAL = "SEAL"
    ADAPT = "ADAPT"
    EVALUATE = "EVALUATE"
    DECIDE = "DECIDE"
    REPORT = "REPORT"
    WAIT = "WAIT"
    DONE = "DONE"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next, why (a sentence for people), and for which round."""

    kind: StepKind
    why: str
    round_no: int
    until: datetime | None = None  # WAIT: the schedule goes on by itself from then on


@dataclass(frozen=True, slots=True)
class RoundView:
    """One read of the ledger; `state` None and round 0 = no round yet. Amounts in micros, times aware UTC."""

    campaign: str
    round_no: int
    state: str | None
    pause_reason: str | None
    counts: Mapping[str, int]  # tasks of this round by state
    n_tasks: int
    quote_micros: int | None
    currency: str | None
    quote_valid_until: datetime | None
    cap_micros: int | None
    sla_at: datetime | None
    now: datetime
    sealed_rounds: int  # rounds at or past SEALED
    left_micros: int  # of the campaign's cap
    eligible_items: int | None  # None = not counted
    target_reached: bool
    kill_switch: bool
    opened_at: datetime | None = None  # when the order was complete; the SLA's start
    month_left_micros: int | None = None  # of the cap of this calendar month (UTC); None = no such cap
    not_before: datetime | None = None  # the pause ends by itself then: the vendor is asked again


@dataclass(frozen=True, slots=True)
class Policy:
    """What params.yaml says about rounds and money; amounts in micros."""

    quorum: float  # share of the bought tasks that must be back to close at the SLA, 0 < quorum <= 1
    auto_approve_micros: int
    max_rounds: int
    cap_round_micros: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of an order is back."""

    bought: int  # tasks the vendor was asked for
    back: int  # answered, or final without an answer
    close: bool  # whether collecting should end now
    why: str


# Never asked of the vendor, or not accepted by it.
_NOT_BOUGHT = ("PLANNED", "PRICED", "APPROVED", "OVER_BUDGET", "DROPPED", "REFUSED", "CANCELED")
_OUTSTANDING = ("OUTBOX", "UNKNOWN", "SUBMITTED", "IN_PROGRESS", "CANCEL_REQUESTED", "TOO_LATE")


def next_step(view: RoundView, policy: Policy) -> Step:
    """The next act for a campaign; the same view gives the same step.

    Args:
        view: One read of the ledger, its time included.
        policy: The limits of params.yaml.

    Returns:
        The step. WAIT and DONE are nothing to do, for now or for good.

    Raises:
        ValueError: A state that no ledger writes.
    """
    if view.kill_switch:
        return _step(view, StepKind.WAIT, "the kill switch is on; turn it off with `tailfirst resume`")
    if view.pause_reason is not None and view.not_before is not None:
        if view.now < view.not_before:
            why = f"{view.pause_reason}; asked again {_when(view.not_before)}"
            return Step(StepKind.WAIT, why, view.round_no, view.not_before)
    elif view.pause_reason is not None:
        return _step(view, StepKind.WAIT, f"paused: {view.pause_reason}; go on with `tailfirst resume`")
    match view.state:
        case None | "DRAFT" | "REPORTED" | "ABORTED":
            return _plan_or_end(view, policy)
        case "SELECTED":
            return _step(view, StepKind.QUOTE, f"ask the vendor what {view.n_tasks} tasks cost")
        case "QUOTED" if view.counts.get("DROPPED", 0) == view.n_tasks > 0:
            return _step(view, StepKind.QUOTE, "every item was taken down: there is nothing to approve, end the round")
        case "QUOTED":
            return _approve(view, policy)
        case "APPROVED" if _ended(view):
            return _step(view, StepKind.QUOTE, f"the approved quote ended {_when(view.quote_valid_until)}; ask again")
        case "APPROVED":
            return _step(view, StepKind.SUBMIT, f"order {view.counts.get('APPROVED', 0)} approved tasks")
        case "SUBMITTING":
            return _step(
                view, StepKind.SUBMIT, f"finish the order: {_waiting_to_go(view)} of {view.n_tasks} not settled"
            )
        case "OPEN" | "COLLECTING":
            return _step(view, StepKind.COLLECT, progress(view, policy).why)
        case "CLOSING":
            return _step(view, StepKind.SEAL, "last sweep, agree on labels, write the sealed round")
        case "SEALED":
            return _step(view, StepKind.ADAPT, f"train the candidates on the labels of {view.sealed_rounds} rounds")
        case "TRAINED":
            return _step(view, StepKind.EVALUATE, "measure the candidates on the holdout")
        case "EVALUATED":
            return _step(view, StepKind.DECIDE, "promote the best candidate or keep the old one")
        case "PROMOTED" | "HELD":
            return _step(view, StepKind.REPORT, f"report the round (the model was {view.state.lower()})")
        case unknown:
            raise ValueError(f"round {view.round_no} of {view.campaign!r} is in state {unknown!r}, which is none")


def progress(view: RoundView, policy: Policy) -> Progress:
    """How much is back, and whether to close: when all is, at the SLA with the quorum, at twice the SLA anyway."""
    bought = sum(number for state, number in view.counts.items() if state not in _NOT_BOUGHT)
    outstanding = sum(view.counts.get(state, 0) for state in _OUTSTANDING)
    back = bought - outstanding
    if outstanding == 0:
        return Progress(bought, back, close=True, why=f"all {bought} answers are back; close the round")
    said = f"{back} of {bought} answers back"
    if view.sla_at is None or view.now < view.sla_at:
        sla = "no SLA" if view.sla_at is None else f"SLA in {_span(view.sla_at - view.now)}"
        return Progress(bought, back, close=False, why=f"waiting for the vendor: {said}, {sla}")
    share = back / bought
    late = f"SLA passed {_span(view.now - view.sla_at)} ago"
    if share >= policy.quorum:
        why = f"{said}, {late}, quorum {policy.quorum:.0%} reached; close the round (hard items tend to come last)"
        return Progress(bought, back, close=True, why=why)
    if view.opened_at is not None and view.now - view.sla_at >= view.sla_at - view.opened_at:
        why = f"{said}, below the quorum of {policy.quorum:.0%}, but twice the SLA is over; close the round anyway"
        return Progress(bought, back, close=True, why=why)
    why = f"waiting for the vendor: {said}, {late}, quorum {policy.quorum:.0%} not reached"
    return Progress(bought, back, close=False, why=why)


def _plan_or_end(view: RoundView, policy: Policy) -> Step:
    number = view.round_no if view.state == "DRAFT" else view.round_no + 1
    ended = _end(view, policy)
    if ended is not None:
        return Step(StepKind.DONE, ended, view.round_no)
    before = f"round {view.round_no} is {view.state.lower()}; " if view.state in {"REPORTED", "ABORTED"} else ""
    return Step(StepKind.PLAN, f"{before}choose the batch of round {number} of at most {policy.max_rounds}", number)


def _end(view: RoundView, policy: Policy) -> str | None:
    """Why the campaign is over; None = it goes on."""
    if view.target_reached:
        return f"the target is reached after {view.sealed_rounds} rounds"
    if view.sealed_rounds >= policy.max_rounds:
        return f"all {policy.max_rounds} rounds are done (stopping.max_rounds)"
    if view.eligible_items == 0:
        return "the pool is exhausted: every item is labeled, in flight or ignored"
    price = _price(view)
    if price is not None and view.left_micros < price:
        left = money(view.left_micros, view.currency)
        return f"{left} of the campaign's cap are left and one label costs {money(price, view.currency)}"
    return None


def _approve(view: RoundView, policy: Policy) -> Step:
    assert view.quote_micros is not None, "a QUOTED round has a quote"
    total = money(view.quote_micros, view.currency)
    if _ended(view):
        return _step(view, StepKind.QUOTE, f"the quote of {total} ended {_when(view.quote_valid_until)}; ask again")
    by_hand = f"approve with `tailfirst approve`: {view.n_tasks} tasks for {total}"
    if view.quote_micros > policy.cap_round_micros:
        cap = money(policy.cap_round_micros, view.currency)
        return _step(
            view, StepKind.WAIT, f"{by_hand}; that is above the round's cap of {cap}, so part of it stays unbought"
        )
    if view.quote_micros > view.left_micros:
        left = money(view.left_micros, view.currency)
        return _step(view, StepKind.WAIT, f"{by_hand}; the campaign has {left} left, so part of it stays unbought")
    if view.month_left_micros is not None and view.quote_micros > view.month_left_micros:
        left = money(view.month_left_micros, view.currency)
        part = "so part of it stays unbought; or wait for the next month (UTC)"
        return _step(view, StepKind.WAIT, f"{by_hand}; this month's cap leaves {left}, {part}")
    if view.quote_micros > policy.auto_approve_micros:
        limit = money(policy.auto_approve_micros, view.currency)
        return _step(view, StepKind.WAIT, f"{by_hand} (only up to {limit} is approved by rule)")
    limit = money(policy.auto_approve_micros, view.currency)
    return _step(view, StepKind.APPROVE, f"{total} for {view.n_tasks} tasks is within the automatic limit of {limit}")


def _ended(view: RoundView) -> bool:
    return view.quote_valid_until is not None and view.now > view.quote_valid_until


def _price(view: RoundView) -> int | None:
    """Micros of one label by the last quote, rounded up."""
    if view.quote_micros is None or view.n_tasks == 0:
        return None
    return -(-view.quote_micros // view.n_tasks)


def _waiting_to_go(view: RoundView) -> int:
    return sum(view.counts.get(state, 0) for state in ("APPROVED", "OUTBOX", "UNKNOWN"))


def _step(view: RoundView, kind: StepKind, why: str) -> Step:
    return Step(kind, why, view.round_no)


def money(micros: int, currency: str | None) -> str:
    """Micros for people: 12.50 USD; more digits only where a price needs them."""
    whole, part = divmod(abs(micros), 1_000_000)
    digits = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}{whole}.{digits} {currency or ''}".strip()


def _span(span: timedelta) -> str:
    """A time span for people, in its largest unit."""
    seconds = max(int(span.total_seconds()), 0)
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            number = seconds // size
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return "less than a minute"


def _when(moment: datetime | None) -> str:
    return "" if moment is None else f"on {moment:%Y-%m-%d at %H:%M} UTC"
