"""SUBMIT: the outbox (specs/vendor.md section 3). Money first, then `sent_at`, then the call, then its outcomes.

A kill at any line leaves rows that say what may have happened; the next run looks before it creates.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from tailfirst.context import Context, micros, set_caps
from tailfirst.errors import LeaseLost
from tailfirst.labeling._guard import guarded
from tailfirst.labeling._lease import holding, renewed
from tailfirst.labeling._prelabels import predictions, shown
from tailfirst.labeling._round import current, idle, order_spec, project, refresh
from tailfirst.labeling.quote import asked_again, ended
from tailfirst.ledger.records import LeaseRow, RoundRow, TaskRow
from tailfirst.port import BatchRef, ItemOutcome, SubmissionKey, TaskSpec

NOT_ORDERED = ("OVER_BUDGET", "DROPPED")
PATIENCE = 3  # sends of the same task in one act; after that the next tick goes on
ASSET_SPARE = timedelta(days=7)  # asset URLs outlive the SLA


@guarded
def submit(ctx: Context) -> str:
    """Send what is approved to the vendor, then open the round for answers.

    Raises:
        OverCap: A cap does not reach; nothing was sent.
        VendorError: The vendor cannot be reached or refuses; what was sent is settled at the next run.
    """
    row = current(ctx)
    nothing = idle(row, "submit", "APPROVED", "SUBMITTING")
    if nothing:
        return nothing
    if ctx.ledger.money.kill_switch(ctx.campaign):
        return f"the kill switch of campaign {ctx.campaign!r} is on: nothing is sent"
    try:
        with holding(ctx, row.round_no) as lease:
            return _submit(ctx, refresh(ctx, row), lease)
    except LeaseLost as error:
        return str(error)


def _submit(ctx: Context, row: RoundRow, lease: LeaseRow) -> str:
    if row.state not in {"APPROVED", "SUBMITTING"}:
        return f"round {row.round_no} is {row.state}: another worker was faster"
    ledger, campaign, no = ctx.ledger, ctx.campaign, row.round_no
    set_caps(ledger, ctx.params)
    if row.state == "APPROVED" and not ledger.tasks.list(campaign, no, ("APPROVED",)):
        return ended(ctx)
    dearer = asked_again(ctx, row) if row.state == "APPROVED" else ""
    if dearer:
        return dearer
    ledger.tasks.to_outbox(campaign, no, micros(ctx.params.money.cap_round), lease, ctx.now())
    if row.state == "APPROVED":
        ledger.rounds.move(campaign, no, "APPROVED", "SUBMITTING", ctx.now(), ctx.worker)
    batch = _open(ctx, row)
    _settle(ctx, row, batch, lease)
    unfinished = _send_all(ctx, row, batch, lease)
    if unfinished:
        return unfinished
    ctx.vendor.finalize(batch)
    sla_at = ctx.now() + timedelta(hours=ctx.params.round.sla_hours)
    ledger.rounds.move(campaign, no, "SUBMITTING", "OPEN", ctx.now(), ctx.worker, opened_at=ctx.now(), sla_at=sla_at)
    return _said(ctx, row, batch)


def _open(ctx: Context, row: RoundRow) -> BatchRef:
    """Find or create the order; the vendor knows it by our batch key, so a repeated call opens no second one."""
    n_tasks = sum(1 for t in ctx.ledger.tasks.list(ctx.campaign, row.round_no) if t.state not in NOT_ORDERED)
    batch = ctx.vendor.open_batch(order_spec(ctx, row, project(ctx), n_tasks))
    ctx.ledger.rounds.annotate(ctx.campaign, row.round_no, vendor=ctx.vendor.name, vendor_batch_id=batch.vendor_id)
    return batch


def _settle(ctx: Context, row: RoundRow, batch: BatchRef, lease: LeaseRow) -> None:
    """Look up every task whose fate is not known: found ones are bought, missing ones may be sent."""
    waiting = ctx.ledger.tasks.list(ctx.campaign, row.round_no, ("OUTBOX", "UNKNOWN"))
    perhaps = [t for t in waiting if t.state == "UNKNOWN" or t.sent_at is not None]
    for chunk in _chunks(perhaps, ctx.vendor.capabilities().max_batch):
        lease = renewed(ctx, lease)
        keys = [SubmissionKey(t.key) for t in chunk]
        found = ctx.vendor.find(batch, keys)
        missing = [key for key in keys if key not in found]
        known = {str(key): ref for key, ref in found.items() if key in keys}
        ctx.ledger.tasks.settle_unknown(known, missing, lease.token, ctx.now(), ctx.worker)


def _send_all(ctx: Context, row: RoundRow, batch: BatchRef, lease: LeaseRow) -> str:
    """Send until nothing waits; otherwise why the rest has to wait for the next run."""
    size, predicted = ctx.vendor.capabilities().max_batch, predictions(row)
    for _ in range(PATIENCE):
        for chunk in _chunks(ctx.ledger.tasks.list(ctx.campaign, row.round_no, ("OUTBOX",)), size):
            if ctx.ledger.money.kill_switch(ctx.campaign):
                return f"the kill switch of campaign {ctx.campaign!r} was turned on: the rest is not sent"
            _send(ctx, row, batch, chunk, renewed(ctx, lease), predicted)
        _settle(ctx, row, batch, lease)
        left = len(ctx.ledger.tasks.list(ctx.campaign, row.round_no, ("OUTBOX", "UNKNOWN")))
        if not left:
            return ""
    return f"{left} items were lost {PATIENCE} times on the way; the next run looks again before it sends"


def _send(
    ctx: Context,
    row: RoundRow,
    batch: BatchRef,
    chunk: Sequence[TaskRow],
    lease: LeaseRow,
    predicted: Mapping[str, str],
) -> None:
    tasks = ctx.ledger.tasks
    tasks.mark_sent([t.key for t in chunk], lease.token, ctx.now())
    report = ctx.vendor.submit(batch, [_spec(ctx, row, t, predicted) for t in chunk])
    tasks.record_outcomes(_exactly_once(chunk, report.outcomes), lease.token, ctx.now(), ctx.worker)


def _exactly_once(chunk: Sequence[TaskRow], outcomes: Sequence[ItemOutcome]) -> list[ItemOutcome]:
    """One outcome per requested key: left out or contradicted means UNKNOWN; what nobody asked for is ignored."""
    said: dict[str, set[ItemOutcome]] = {}
    for outcome in outcomes:
        said.setdefault(outcome.key, set()).add(outcome)
    lost = "not in the vendor's answer"
    return [
        said[t.key].pop() if len(said.get(t.key, ())) == 1 else ItemOutcome(SubmissionKey(t.key), None, lost, "UNKNOWN")
        for t in chunk
    ]


def _spec(ctx: Context, row: RoundRow, task: TaskRow, predicted: Mapping[str, str]) -> TaskSpec:
    due = (row.sla_at or ctx.now() + timedelta(hours=ctx.params.round.sla_hours)) + ASSET_SPARE
    return TaskSpec(
        key=SubmissionKey(task.key),
        item_id=task.item_id,
        item_digest=task.item_digest,
        asset_url=f"item:{task.item_id}",  # adapters that show bytes find them in the workspace by this id
        asset_expires_at=due,
        purpose=task.purpose,
        attempt=task.attempt,
        overlap_slot=task.overlap_slot,
        payload_sha256=task.payload_sha256,
        prelabel=shown(task, predicted),
    )


def _chunks(tasks: Sequence[TaskRow], size: int) -> Iterator[Sequence[TaskRow]]:
    for start in range(0, len(tasks), max(size, 1)):
        yield tasks[start : start + max(size, 1)]


def _said(ctx: Context, row: RoundRow, batch: BatchRef) -> str:
    tasks = ctx.ledger.tasks.list(ctx.campaign, row.round_no)
    states = Counter(t.state for t in tasks)
    sent = len(tasks) - sum(states[state] for state in (*NOT_ORDERED, "REFUSED"))
    why = next((t.reason for t in tasks if t.state == "REFUSED"), "")
    refused = f"; {states['REFUSED']} refused: {why}" if states["REFUSED"] else ""
    return f"{sent} items ordered at {ctx.vendor.name} as {batch.vendor_id}{refused}"
