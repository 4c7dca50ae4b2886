"""Read the ledger, decide the next step, do it: without any orchestrator."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tailfirst import steps, tracking
from tailfirst.context import Context, micros, worker_name
from tailfirst.errors import LedgerError, VendorError
from tailfirst.holders import take, who
from tailfirst.labeling.late import collect_late_labels
from tailfirst.ledger.transitions import FINAL_ROUND_STATES
from tailfirst.rounds import Policy, RoundView, Step, StepKind, next_step

LEASE_S = 900.0
IDLE = (StepKind.WAIT, StepKind.DONE)


class CampaignBusy(LedgerError):
    """Another tick holds the campaign."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tick did: the steps with a sentence for each act, and why it ended."""

    done: tuple[str, ...]
    last: Step


def policy(ctx: Context) -> Policy:
    """The parts of params.yaml that decide steps."""
    params = ctx.params
    return Policy(
        quorum=params.round.quorum,
        auto_approve_micros=micros(params.money.auto_approve),
        max_rounds=params.stopping.max_rounds,
        cap_round_micros=micros(params.money.cap_round),
    )


def view(ctx: Context) -> RoundView:
    """One read of everything that decides the next step."""
    eligible, reached = tracking.eligible_items(ctx), tracking.target_reached(ctx)
    return ctx.ledger.rounds.view(ctx.campaign, ctx.now(), eligible_items=eligible, target_reached=reached)


def upcoming(ctx: Context) -> Step:
    """The next step; no side effect."""
    return next_step(view(ctx), policy(ctx))


@contextmanager
def holding(ctx: Context) -> Iterator[Callable[[], None]]:
    """Hold the campaign: one tick at a time. Yields a function that renews the hold; a dead process loses it at once.

    Raises:
        CampaignBusy: Another living process holds it; says which and until when.
    """
    leases, name = ctx.ledger.leases, f"tick:{ctx.params.campaign.name}"
    lease = take(leases, name, worker_name(), LEASE_S, ctx.now())
    if lease is None:
        busy = f"another tick holds campaign {ctx.campaign}: {who(leases, name)}"
        raise CampaignBusy(f"{busy}; this one does nothing")
    current = lease

    def renew() -> None:
        nonlocal current
        current = leases.renew(current, ctx.now())

    try:
        yield renew
    finally:
        leases.release(current)


def advance(ctx: Context, *, until_idle: bool = False, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Do the next step, or every step until the round waits for somebody.

    Raises:
        CampaignBusy: Another tick is at it.
    """
    done: list[str] = []
    last: Step | None = None
    with holding(ctx) as renew:
        while True:
            step = upcoming(ctx)
            if step.kind is StepKind.DONE and last is None and (sentence := late_answers(ctx)):
                done.append(sentence)
                say(sentence)
                step = upcoming(ctx)
            if step.kind in IDLE or (last is not None and (not until_idle or repeats(step, last))):
                return Outcome(tuple(done), step)
            for act in steps.acts(ctx, step):
                sentence = f"round {step.round_no} {step.kind.value.lower()}: {steps.perform(ctx, act)}"
                done.append(sentence)
                say(sentence)
                renew()
            last = step


def late_answers(ctx: Context) -> str:
    """What came late for a campaign that is over, in words; "" = nothing new.

    A supplement round takes it in. A vendor that cannot be reached is asked again by the next tick.
    """
    row = ctx.ledger.rounds.current(ctx.campaign)
    if row is None or row.state not in FINAL_ROUND_STATES:
        return ""
    try:
        said = collect_late_labels(ctx, every=False)
    except VendorError as error:
        return f"late answers could not be asked for: {error}"
    newest = ctx.ledger.rounds.current(ctx.campaign)
    return "" if newest is None or newest.round_no == row.round_no else said


def repeats(step: Step, last: Step) -> bool:
    """Whether the same step came up again: a poll that brought nothing new must not spin."""
    return (step.kind, step.round_no) == (last.kind, last.round_no)
