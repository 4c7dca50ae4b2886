"""What an act does when the vendor cannot be reached, or refuses (specs/vendor.md section 5, rows 18 and 22 to 25).

The tick stays green: it waits if the wait is short, and otherwise leaves a pause with a time at which the schedule
tries again by itself. Only what a person must do (keys, balance, another ontology at the vendor) pauses for good.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from hashlib import sha256
from typing import TypeVar

from tailfirst.context import Context
from tailfirst.errors import AuthRefused, QuotaExceeded, Retryable, Throttled, VendorConflict
from tailfirst.labeling._versions import frozen
from tailfirst.ledger.outages import OutageRow
from tailfirst.ledger.records import RoundRow

T = TypeVar("T")
Act = Callable[[Context], str]

TRIES = 3  # of one act, before the breaker opens
SHORT_S = 10.0  # waits up to this are slept in the worker, longer ones are left to the schedule
FIRST_S, LONGEST_S = 60.0, 3600.0  # between two tries while the vendor is down, doubling


def guarded(act: Act) -> Act:
    """The act, for a vendor that may be down, slow, out of money or out of step; every act may be repeated.

    It sees the ontology version that the round is frozen on, whatever task.yaml says by now.

    Raises:
        OntologyError: task.yaml was changed by hand under that version.
        AuthRefused: Keys are refused: never retried; the round is paused and the owner must know.
    """

    @wraps(act)
    def careful(ctx: Context) -> str:
        row = ctx.ledger.rounds.current(ctx.campaign)
        if row is None:
            return act(ctx)
        ctx = frozen(ctx, row)
        outage = _try_again(ctx, row)
        if row.pause_reason and outage is None:
            return act(ctx)
        try:
            said = patiently(ctx, lambda: act(ctx))
        except Throttled as error:
            return _later(ctx, row, outage, error)
        except Retryable as error:
            return _down(ctx, row, outage, error)
        except QuotaExceeded as error:
            return _pause(ctx, row, f"budget: {error}", "top up at the vendor, then `tailfirst resume`")
        except VendorConflict as error:
            return _pause(ctx, row, f"held: {error}", "bring the vendor in line, then `tailfirst resume`")
        except AuthRefused as error:
            _pause(ctx, row, f"auth: {error}", "")
            raise
        return said if outage is None else f"{said}; {_up(ctx, row, outage)}"

    return careful


def wait_s(failures: int, who: str) -> float:
    """Seconds until the next try after so many failures: doubling, capped, and up to a quarter off for each campaign.

    The jitter is a function of who asks and how often: two campaigns never knock together, and a rerun waits the same.
    """
    whole = min(FIRST_S * 2.0 ** max(failures - 1, 0), LONGEST_S)
    draw = int(sha256(f"{who}|{failures}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return float(whole * (0.75 + 0.5 * draw))


def patiently(ctx: Context, act: Callable[[], T]) -> T:
    """The act, tried again after short waits.

    Raises:
        Retryable: Still no answer, or the vendor asks for a long wait.
    """
    for tried in range(1, TRIES):
        try:
            return act()
        except Throttled as error:
            if error.retry_after_s > SHORT_S:
                raise
            ctx.sleep(error.retry_after_s)
        except Retryable:
            ctx.sleep(wait_s(tried, ctx.worker) / FIRST_S)
    return act()


def _try_again(ctx: Context, row: RoundRow) -> OutageRow | None:
    """The outage whose time is over: its pause is taken back for a try. None = there is none, or it is not over."""
    outage = ctx.ledger.outages.get(ctx.campaign, row.round_no)
    if outage is None or row.pause_reason not in {None, outage.reason} or ctx.now() < outage.not_before:
        return None if row.pause_reason else outage
    ctx.ledger.outages.probe(outage)
    return outage


def _later(ctx: Context, row: RoundRow, outage: OutageRow | None, error: Throttled) -> str:
    at = ctx.now()
    until = at + timedelta(seconds=error.retry_after_s)
    reason = f"{ctx.vendor.name} asks to wait until {_clock(until)}: {error}"
    kept = OutageRow(
        ctx.campaign, row.round_no, reason, outage.since if outage else at, until, outage.failures if outage else 0
    )
    ctx.ledger.outages.down(kept, at, ctx.worker)
    return f"round {row.round_no} waits: {reason}"


def _down(ctx: Context, row: RoundRow, outage: OutageRow | None, error: Retryable) -> str:
    at, failures = ctx.now(), 1 + (outage.failures if outage else 0)
    since = outage.since if outage and outage.failures else at
    reason = outage.reason if outage and outage.failures else f"vendor down since {_clock(since)}: {error}"
    until = at + timedelta(seconds=wait_s(failures, f"{ctx.campaign}|{row.round_no}"))
    ctx.ledger.outages.down(OutageRow(ctx.campaign, row.round_no, reason, since, until, failures), at, ctx.worker)
    return f"round {row.round_no} waits: {reason}; next try at {_clock(until)}"


def _up(ctx: Context, row: RoundRow, outage: OutageRow) -> str:
    """Forget the outage; the time that the vendor was down is not counted against its SLA."""
    at = ctx.now()
    fresh = ctx.ledger.rounds.get(ctx.campaign, row.round_no)
    lost = at - outage.since
    extended = row.sla_at + lost if outage.failures and row.sla_at and fresh.sla_at == row.sla_at else None
    note = f"the vendor answers again after {_span(lost)}"
    note += f"; SLA moved to {_clock(extended)}" if extended else ""
    ctx.ledger.outages.up(outage, at, ctx.worker, note, extended)
    return note


def _pause(ctx: Context, row: RoundRow, reason: str, then: str) -> str:
    ctx.ledger.rounds.pause(ctx.campaign, row.round_no, reason, ctx.now(), ctx.worker)
    return f"round {row.round_no} is paused: {reason}; {then}"


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _span(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
