"""Where a campaign stands: one read of the ledger and of the last results."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from tailfirst import advance, tracking
from tailfirst.alarms import reminder
from tailfirst.context import Context, micros
from tailfirst.contracts import Interval
from tailfirst.labeling._versions import ASKED, version_of
from tailfirst.labeling.fold import sealed_folders
from tailfirst.ledger.outages import CallCount
from tailfirst.ledger.records import ApprovalRow, InboxStatus, MissRate, MoneyStatus, RoundRow
from tailfirst.report import quality
from tailfirst.report.history import State, history
from tailfirst.report.measures import NAMES
from tailfirst.rounds import Step, StepKind
from tailfirst.telling import misses


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
    sla_reminder: str | None  # from half of the SLA on
    inbox: InboxStatus
    misses: MissRate | None  # what webhooks announced in 24 hours; None = the vendor sends none
    to_do: str = ""  # what somebody must do by hand at the vendor, and where
    calls: tuple[CallCount, ...] = ()  # how calls of the vendor went, by operation and outcome
    exhausted: tuple[str, ...] = ()  # classes that the next batch does not search for until the pool grows
    classes: str = ""  # where the open round asks in other classes than task.yaml has by now
    doubts: tuple[str, ...] = ()  # about the answers of the newest sealed round, a sentence each

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
        money=money_status(ctx),
        month_left=seen.month_left_micros,
        approval=next(reversed(ctx.ledger.rounds.approvals(ctx.campaign, seen.round_no)), None),
        n_labels=last.n_labels,
        chosen=last.chosen,
        values=last.best.values if last.best else {},
        measured_after=_measured_after(last, row),
        doubts=_doubts(ctx),
        exhausted=tuple(tracking.read_json(ctx.ws.acquisition).get("exhausted") or ()),
        sla_reminder=reminder(seen, advance.policy(ctx)),
        inbox=ctx.ledger.inbox.status(ctx.campaign),
        misses=misses(ctx),
        to_do=_to_do(ctx, row),
        classes=_classes(ctx, row),
        calls=tuple(ctx.ledger.outages.calls(ctx.campaign)),
    )


def _to_do(ctx: Context, row: RoundRow | None) -> str:
    """While answers are awaited, and only of a vendor that works by hand: its own words."""
    waits = row is not None and row.state in {"OPEN", "COLLECTING"} and row.pause_reason is None
    return ctx.vendor.health().detail if waits and getattr(ctx.vendor, "by_hand", False) else ""


def _classes(ctx: Context, row: RoundRow | None) -> str:
    """An open round keeps the ontology version that it was planned under."""
    version, now = version_of(ctx, row) if row else "", ctx.task.ontology_version
    if row is None or row.state not in ASKED or version == now:
        return ""
    return f"round {row.round_no} stays on ontology version {version}; task.yaml is at {now}"


def _doubts(ctx: Context) -> tuple[str, ...]:
    """What the newest sealed round says against its answers, and what to do about it."""
    folders = sealed_folders(ctx.ws)
    found = quality.read(folders[-1]) if folders else None
    if found is None:
        return ()
    gone = sorted(name for name, person in found.people.items() if person.dropped)
    experts = f"waiting for an expert (`tailfirst gold ANSWERS.csv --expert NAME`): {found.experts} items"
    said = [
        f"answers of {', '.join(gone)} are not counted since their last right answer to gold" if gone else "",
        f"to be asked again first in the next round: {found.again} items" if found.again else "",
        experts if found.experts else "",
        *(f"people cannot keep {a} and {b} apart: mend the guideline" for a, b in found.ambiguous),
        found.warning,
    ]
    return tuple(filter(None, said))


def money_status(ctx: Context) -> MoneyStatus:
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
        "to_do": found.to_do or None,
        "classes": found.classes or None,
        "pause_reason": found.pause_reason,
        "kill_switch": found.kill_switch,
        "tasks": dict(found.counts),
        "sla_at": found.sla_at.isoformat() if found.sla_at else None,
        "sla_reminder": found.sla_reminder,
        "webhooks": {
            "waiting": found.inbox.waiting,
            "parked": found.inbox.parked,
            "repeats": found.inbox.repeats,
            "miss_rate": found.misses.rate if found.misses else None,
        },
        "vendor_calls": [asdict(one) | {"last_at": one.last_at.isoformat()} for one in found.calls],
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
        "doubts": list(found.doubts),
        "exhausted": list(found.exhausted),
        "metrics": {
            name: {"value": v.value, "low": v.low, "high": v.high}
            for name in NAMES
            if (v := found.values.get(name)) is not None
        },
    }
