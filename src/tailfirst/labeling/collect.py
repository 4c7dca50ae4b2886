"""COLLECT: one poll. Store what is new, parse it, book its costs, and close the round when it is time."""

from tailfirst.context import Context, micros
from tailfirst.errors import QuotaExceeded
from tailfirst.labeling._costs import account
from tailfirst.labeling._ingest import pull, read
from tailfirst.labeling._round import current, idle, refresh
from tailfirst.ledger.records import RoundRow
from tailfirst.rounds import Policy, Progress, progress

COLLECTABLE = ("OPEN", "COLLECTING")
SEALED = ("SEALED", "TRAINED", "EVALUATED", "PROMOTED", "HELD", "REPORTED")
MAY_COME_LATE = ("SUBMITTED", "IN_PROGRESS", "CANCEL_REQUESTED", "TOO_LATE", "EXPIRED", "CLOSED_UNLABELED")


def collect(ctx: Context) -> str:
    """Poll the vendor once; nothing new is fine.

    Raises:
        VendorError: The vendor cannot be reached or refuses; what was stored stays.
    """
    row = current(ctx)
    hints = ctx.ledger.inbox.waiting(ctx.campaign)
    nothing = idle(row, "collect", *COLLECTABLE)
    if nothing:
        return nothing
    try:
        late = collect_late(ctx, row.round_no)
        new = pull(ctx, row)
    except QuotaExceeded as error:
        ctx.ledger.rounds.pause(ctx.campaign, row.round_no, f"budget: {error}", ctx.now(), ctx.worker)
        return f"round {row.round_no} is paused: {error}; top up at the vendor, then resume"
    done = read(ctx, row)
    dispute = account(ctx, row)
    state = _progress(ctx)
    _move(ctx, refresh(ctx, row), state)
    ctx.ledger.inbox.take(hints, ctx.now())
    parts = [
        f"{new} new deliveries, {done.parsed} read",
        f"{done.quarantined} quarantined" if done.quarantined else "",
        f"{late} late for an earlier round" if late else "",
        dispute,
        state.why,
    ]
    return "; ".join(part for part in parts if part)


def collect_late(ctx: Context, before: int) -> int:
    """Poll orders of sealed rounds that may still bring something: the newest, and those with open tasks."""
    new = 0
    for row in ctx.ledger.rounds.all(ctx.campaign):
        if row.round_no < before and row.state in SEALED and (row.round_no == before - 1 or _may_come_late(ctx, row)):
            new += pull(ctx, row)
            read(ctx, row, gated=False)
            account(ctx, row)
    return new


def _may_come_late(ctx: Context, row: RoundRow) -> bool:
    waiting = {t.key for t in ctx.ledger.tasks.list(ctx.campaign, row.round_no, MAY_COME_LATE) if t.vendor_task_id}
    return bool(waiting - {d.key for d in ctx.ledger.deliveries.raw(ctx.campaign, row.round_no)})


def _progress(ctx: Context) -> Progress:
    policy = Policy(
        quorum=ctx.params.round.quorum,
        auto_approve_micros=micros(ctx.params.money.auto_approve),
        max_rounds=ctx.params.stopping.max_rounds,
        cap_round_micros=micros(ctx.params.money.cap_round),
    )
    return progress(ctx.ledger.rounds.view(ctx.campaign, ctx.now()), policy)


def _move(ctx: Context, row: RoundRow, state: Progress) -> None:
    """OPEN > COLLECTING > CLOSING, always by that path, so that a late and a prompt poll leave the same history."""
    move = ctx.ledger.rounds.move
    if row.state == "OPEN" and (state.back or state.close):
        move(ctx.campaign, row.round_no, "OPEN", "COLLECTING", ctx.now(), ctx.worker)
    if state.close:
        move(ctx.campaign, row.round_no, "COLLECTING", "CLOSING", ctx.now(), ctx.worker)
