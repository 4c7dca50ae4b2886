"""Where a campaign stands: one read of the ledger and of the last results."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from tailfirst import advance
from tailfirst.context import Context, micros
from tailfirst.contracts import Interval
from tailfirst.ledger.records import ApprovalRow, MoneyStatus, RoundRow
from tailfirst.report.history import State, history
from tailfirst.report.measures import NAMES
from tailfirst.rounds import Step, StepKind


@dataclass(frozen=True, slots=True)
class Standing:
    """The answer to `tailfirst status`."""

    campaign: str
    round_no: int  # 0: none yet
    state: str | None
    step: Step  # what comes next, and why
    pause_reason: str | None
    kill_switch: bool
    counts: Mapping[str, int]  # labeling tasks of this round by state
    sla_at: datetime | None
    sealed_rounds: int
    money: MoneyStatus
    month_left: int | None  # micros that the cap of this calendar month (UTC) leaves; None = no such cap
    approval: ApprovalRow | None  # the newest of this round
    n_labels: int  # that may train
    chosen: str | None
    values: Mapping[str, Interval]  # last measures of the chosen candidate
    measured_after: int  # rounds behind those measures

    @property
    def waits(self) -> bool:
        """Whether somebody else must act first."""
        return self.step.kind is StepKind.WAIT


def standing(ctx: Context) -> Standing:
    """Where the campaign stands; reads only."""
    row = ctx.ledger.rounds.current(ctx.campaign)
    seen = advance.view(ctx)
    last = history(ctx.ws, ctx.params).states[-1]
    return Standing(
        campaign=ctx.campaign,
        round_no=seen.round_no,
        state=seen.state,
        step=advance.upcoming(ctx),
        pause_reason=seen.pause_reason,
        kill_switch=seen.kill_switch,
        counts={state: n for state, n in sorted(seen.counts.items()) if n},
        sla_at=seen.sla_at,
        sealed_rounds=seen.sealed_rounds,
        money=_money(ctx),
        month_left=seen.month_left_micros,
        approval=next(reversed(ctx.ledger.rounds.approvals(ctx.campaign, seen.round_no)), None),
        n_labels=last.n_labels,
        chosen=last.chosen,
        values=last.best.values if last.best else {},
        measured_after=_measured_after(last, row),
    )


def _money(ctx: Context) -> MoneyStatus:
    """The ledger's money; before the first purchase the cap of params.yaml."""
    found = ctx.ledger.money.status(ctx.campaign)
    if found.cap or found.reserved or found.accrued:
        return found
    cap = micros(ctx.params.money.cap_campaign)
    return MoneyStatus(cap, 0, 0, cap, ctx.params.money.currency, found.cap_month)


def _measured_after(last: State, row: RoundRow | None) -> int:
    """A sealed round whose candidates are not measured yet leaves the measures of the round before."""
    fresh = row is None or row.state not in {"SEALED", "TRAINED"}
    return last.round_no if fresh else last.round_no - 1


def approval_data(row: ApprovalRow) -> dict[str, Any]:
    """An approval for JSON."""
    times = {name: getattr(row, name).isoformat() for name in ("approved_at", "quote_valid_until")}
    return asdict(row) | times


def as_data(found: Standing) -> dict[str, Any]:
    """For JSON."""
    return {
        "campaign": found.campaign,
        "round_no": found.round_no,
        "state": found.state,
        "next": {"step": found.step.kind.value, "why": found.step.why, "round_no": found.step.round_no},
        "waits": found.waits,
        "pause_reason": found.pause_reason,
        "kill_switch": found.kill_switch,
        "tasks": dict(found.counts),
        "sla_at": found.sla_at.isoformat() if found.sla_at else None,
        "sealed_rounds": found.sealed_rounds,
        "money": {
            "currency": found.money.currency,
            "cap_micros": found.money.cap,
            "spent_micros": found.money.accrued,
            "reserved_micros": found.money.reserved,
            "left_micros": found.money.left,
            "cap_month_micros": found.money.cap_month,
            "left_month_micros": found.month_left,
        },
        "approval": approval_data(found.approval) if found.approval else None,
        "n_labels": found.n_labels,
        "chosen": found.chosen,
        "measured_after": found.measured_after,
        "metrics": {
            name: {"value": v.value, "low": v.low, "high": v.high}
            for name in NAMES
            if (v := found.values.get(name)) is not None
        },
    }
