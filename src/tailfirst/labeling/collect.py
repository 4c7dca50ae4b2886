"""COLLECT: one poll. Store what is new, parse it, book its costs, and close the round when it is time."""

from tailfirst.context import Context, micros
from tailfirst.labeling._costs import account
from tailfirst.labeling._guard import guarded
from tailfirst.labeling._ingest import pull, read
from tailfirst.labeling._resubmit import warning
from tailfirst.labeling._round import current, idle, project, refresh
from tailfirst.labeling._swapped import stop_if_swapped
from tailfirst.ledger.records import RoundRow
from tailfirst.ledger.transitions import SEALED_STATES
from tailfirst.rounds import Policy, Progress, progress

COLLECTABLE = ("OPEN", "COLLECTING")
MAY_COME_LATE = ("SUBMITTED", "IN_PROGRESS", "CANCEL_REQUESTED", "TOO_LATE", "EXPIRED", "CLOSED_UNLABELED")


@guarded
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
    late = collect_late(ctx, row.round_no)
    project(ctx)  # the vendor's classes are read back: another ontology in mid-round holds the round
    new = pull(ctx, row)
    done = read(ctx, row)
    stopped = stop_if_swapped(ctx, row)
    if stopped:
        return stopped
    dispute = account(ctx, row)
    state = _progress(ctx)
    _move(ctx, refresh(ctx, row), state)
    ctx.ledger.inbox.take(hints, ctx.now())
    parts = [
        f"{new} new deliveries, {done.parsed} read",
        f"{done.quarantined} quarantined" if done.quarantined else "",
        f"{late} late for an earlier round" if late else "",
        dispute,
        warning(ctx.ledger.tasks.list(ctx.campaign, row.round_no)),
        state.why,
    ]
    return "; ".join(part for part in parts if part)


def collect_late(ctx: Context, before: int) -> int:
    """Poll the orders of sealed rounds below `before` that may still bring something; how much is new."""
    return sum(poll_late(ctx, row, sweep=False) for row, _ in late_orders(ctx, before))


def late_orders(ctx: Context, before: int, *, every: bool = False) -> list[tuple[RoundRow, bool]]:
    """Sealed rounds that may still bring something: the newest, and those that are waited for, or every one as such."""
    rounds, awaited = ctx.ledger.rounds, ctx.ledger.deliveries.awaited(ctx.campaign, MAY_COME_LATE)
    found = rounds.all(ctx.campaign) if every else rounds.some(ctx.campaign, {*awaited, before - 1})
    late = [row for row in found if row.round_no < before and row.state in SEALED_STATES]
    return [(row, every or row.round_no in awaited) for row in late]


def poll_late(ctx: Context, row: RoundRow, *, sweep: bool) -> int:
    """Poll the order of a sealed round; how much is new.

    With `sweep` it is read from its start: no sweep at CLOSING comes for it any more, and what a cursor has skipped
    would be paid and never read (failure `cursor_skip`).
    """
    new = pull(ctx, row, sweep=sweep)
    read(ctx, row, gated=False)
    account(ctx, row)
    return new


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
