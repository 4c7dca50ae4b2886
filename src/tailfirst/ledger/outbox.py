"""The outbox of specs/vendor.md section 3: money first, then `sent_at`, then the call, then its outcomes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from tailfirst.errors import Conflict, IllegalTransition, LeaseLost, LedgerError, OverCap
from tailfirst.ledger import months
from tailfirst.ledger.journal import Act, Shift, among, lock_campaign, lock_tasks, move_tasks
from tailfirst.ledger.leases import hold_lease
from tailfirst.ledger.quotes import ranked
from tailfirst.ledger.records import LeaseRow
from tailfirst.ledger.tables import Budget, Delivery, Round, Task
from tailfirst.port import ItemOutcome, TaskRef

NEXT_STATE = {
    "CREATED": "SUBMITTED",
    "EXISTED": "SUBMITTED",
    "REJECTED": "REFUSED",
    "UNKNOWN": "UNKNOWN",
    "CANCELED": "CANCELED",
    "NOT_FOUND": "CANCELED",
    "TOO_LATE": "TOO_LATE",
}
SENDING = ("APPROVED", "SUBMITTING")
GIVES_BACK = ("REFUSED", "CANCELED")
BEYOND_SUBMITTED = ("IN_PROGRESS", "RETURNED", "PARSED", "VALIDATED", "ACCEPTED", "QUARANTINED", "SUPERSEDED")


def fill(connection: Connection, row: Row[Any], budget: Row[Any], cap: int, lease: LeaseRow, act: Act) -> int:
    """Reserve and move APPROVED to OUTBOX; the round and its unsent tasks are guarded by the lease."""
    tasks = lock_tasks(connection, [task.key for task in ranked(connection, row.campaign, row.round_no)])
    approved = [task for task in tasks if task.state == "APPROVED"]
    if approved:
        _may_buy(row, budget, act.at)
        reserve(connection, row, sum(task.price_micros for task in approved), cap, act.at)
    connection.execute(
        update(Round)
        .where(Round.campaign == row.campaign, Round.round_no == row.round_no)
        .values(lease_name=lease.name, updated_at=act.at)
    )
    shifts = [Shift(t, "OUTBOX", values={"reserved": t.price_micros}) for t in approved]
    move_tasks(connection, shifts, act)
    guarded = Task.state.in_(("OUTBOX", "UNKNOWN", "CANCEL_REQUESTED"))
    connection.execute(
        update(Task)
        .where(Task.campaign == row.campaign, Task.round_no == row.round_no, guarded)
        .values(fencing_token=lease.token)
    )
    return len(approved)


def _may_buy(row: Row[Any], budget: Row[Any], at: datetime) -> None:
    if budget.kill_switch:
        raise LedgerError(f"the kill switch of {row.campaign!r} is on: nothing is bought until it is turned off")
    if row.state not in SENDING:
        raise IllegalTransition(
            f"round {row.round_no} of {row.campaign!r} is {row.state}: an order is filled while {' or '.join(SENDING)}"
        )
    if row.state == "APPROVED" and row.quote_valid_until is not None and at > row.quote_valid_until:
        raise LedgerError(
            f"the approved quote of round {row.round_no} of {row.campaign!r} ended at "
            f"{row.quote_valid_until:%Y-%m-%d %H:%M} UTC and nothing was ordered yet; a new quote needs a new approval"
        )


def reserve(connection: Connection, row: Row[Any], amount: int, cap: int, at: datetime) -> None:
    """One conditional UPDATE per cap decides; a sum that was read before could be old (trap L5).

    Raises:
        OverCap: The campaign's, the month's or the round's cap does not reach; nothing was reserved.
    """
    of_campaign = connection.execute(
        update(Budget)
        .where(Budget.campaign == row.campaign, Budget.reserved + Budget.accrued + amount <= Budget.cap)
        .where(Budget.kill_switch.is_(False))
        .values(reserved=Budget.reserved + amount)
    )
    if of_campaign.rowcount == 0:
        raise OverCap(_too_little(connection, row, amount))
    cap_month = connection.scalar(select(Budget.cap_month).where(Budget.campaign == row.campaign))
    month = months.reserve(connection, row, amount, cap_month, at)
    committed = Round.reserved + Round.accrued + amount
    of_round = connection.execute(
        update(Round)
        .where(Round.campaign == row.campaign, Round.round_no == row.round_no)
        .where(committed <= Round.cap_micros, committed <= cap)
        .values(reserved=Round.reserved + amount, month=month)
    )
    if of_round.rowcount == 0:
        raise OverCap(
            f"round {row.round_no} of {row.campaign!r} asks for {amount} micros; reserved {row.reserved}, accrued "
            f"{row.accrued}, approved {row.cap_micros}, round cap {cap}: approve more or raise money.cap_round"
        )


def _too_little(connection: Connection, row: Row[Any], amount: int) -> str:
    budget = connection.execute(select(*Budget.__table__.c).where(Budget.campaign == row.campaign)).one()
    return (
        f"round {row.round_no} of {row.campaign!r} asks for {amount} micros; the campaign has "
        f"{budget.cap - budget.reserved - budget.accrued} left (cap {budget.cap}, reserved {budget.reserved}, "
        f"accrued {budget.accrued}); raise money.cap_campaign or approve fewer tasks"
    )


def mark_sent(connection: Connection, keys: Sequence[str], token: int, at: datetime) -> None:
    """`sent_at` of tasks that wait in the outbox."""
    waiting = [task for task in fenced(connection, keys, token) if task.state == "OUTBOX" and task.sent_at is None]
    _set(connection, [{"of_key": task.key, "sent_at": at} for task in waiting], "sent_at")


def record_outcomes(connection: Connection, outcomes: Sequence[ItemOutcome], token: int, act: Act) -> None:
    """One answer of the vendor per task."""
    answers = {outcome.key: outcome for outcome in outcomes if outcome.outcome in NEXT_STATE}
    tasks = fenced(connection, list(answers), token)
    shifts = []
    for task in tasks:
        answer = answers[task.key]
        to_state = NEXT_STATE[answer.outcome]
        values = _submitted(task, answer.ref) if to_state == "SUBMITTED" else {}
        if task.state == to_state or (to_state == "SUBMITTED" and task.state in BEYOND_SUBMITTED):
            continue
        shifts.append(
            Shift(task, to_state, answer.reason, values | ({"reason": answer.reason} if answer.reason else {}))
        )
    _give_back(connection, [shift.task for shift in shifts if shift.to_state in GIVES_BACK])
    move_tasks(connection, shifts, act)
    _adopt(connection, [shift for shift in shifts if shift.to_state == "SUBMITTED"])


def settle_unknown(
    connection: Connection, found: Mapping[str, TaskRef], missing: Sequence[str], token: int, act: Act
) -> None:
    """What `find` said about tasks whose fate was not known."""
    tasks = fenced(connection, [*found, *missing], token)
    perhaps = [task for task in tasks if task.state == "OUTBOX" and task.sent_at is not None]
    move_tasks(connection, [Shift(task, "UNKNOWN", "sent, and nobody saw the answer") for task in perhaps], act)
    shifts = []
    for task in lock_tasks(connection, [*found, *missing]):
        if task.key in found and task.state in {"UNKNOWN", "OUTBOX"}:
            shifts.append(Shift(task, "SUBMITTED", "found", _submitted(task, found[task.key])))
        elif task.key not in found and task.state == "UNKNOWN":
            shifts.append(Shift(task, "OUTBOX", "not found: never arrived", {"sent_at": None}))
    move_tasks(connection, shifts, act)
    _adopt(connection, [shift for shift in shifts if shift.to_state == "SUBMITTED"])


def fenced(connection: Connection, keys: Sequence[str], token: int) -> list[Row[Any]]:
    """The tasks of these keys, if `token` is the newest of the lease that guards their round.

    Raises:
        LeaseLost: It is not.
        LedgerError: A key is unknown.
    """
    for name, campaign in sorted(_guards(connection, keys), key=str):
        hold_lease(connection, name, token)
        lock_campaign(connection, campaign)
    tasks = lock_tasks(connection, keys)
    unknown = sorted(set(keys) - {task.key for task in tasks})
    if unknown:
        raise LedgerError(f"{len(unknown)} keys are not in the ledger, e.g. {unknown[0]!r}; nothing was written")
    stale = [task for task in tasks if task.fencing_token is not None and task.fencing_token > token]
    if stale:
        raise LeaseLost(f"{len(stale)} tasks are guarded by token {stale[0].fencing_token}, ours is {token}: stop")
    return tasks


def _guards(connection: Connection, keys: Sequence[str]) -> set[tuple[str | None, str]]:
    guards = select(Round.lease_name, Round.campaign).join(
        Task, (Task.campaign == Round.campaign) & (Task.round_no == Round.round_no)
    )
    return {(row[0], row[1]) for row in among(connection, guards.distinct(), Task.key, keys)}


def _submitted(task: Row[Any], ref: TaskRef | None) -> dict[str, Any]:
    if ref is None:
        return {}
    if ref.payload_sha256 is not None and ref.payload_sha256 != task.payload_sha256:
        raise Conflict(
            f"the vendor has {task.key} with payload {ref.payload_sha256[:12]}, ours is {task.payload_sha256[:12]}; "
            "nothing was overwritten: compare both, and buy a new attempt if ours is right"
        )
    return {"vendor_task_id": ref.vendor_id, "reason": ""}


def _give_back(connection: Connection, tasks: Sequence[Row[Any]]) -> None:
    """Release what is reserved for these tasks."""
    for task in tasks:
        release(connection, task)


def release(connection: Connection, task: Row[Any]) -> None:
    """Give back what is reserved for a task; nothing if that has happened or it is charged."""
    taken = connection.execute(
        update(Task).where(Task.key == task.key, Task.reserved == task.reserved, Task.reserved > 0).values(reserved=0)
    )
    if taken.rowcount == 0:
        return
    connection.execute(
        update(Round)
        .where(Round.campaign == task.campaign, Round.round_no == task.round_no)
        .values(reserved=Round.reserved - task.reserved)
    )
    connection.execute(
        update(Budget).where(Budget.campaign == task.campaign).values(reserved=Budget.reserved - task.reserved)
    )
    months.give_back(connection, task.campaign, task.round_no, task.reserved)


def _set(connection: Connection, rows: Sequence[dict[str, Any]], column: str) -> None:
    if rows:
        connection.execute(
            update(Task).where(Task.key == bindparam("of_key")).values({column: bindparam(column)}), rows
        )


def _adopt(connection: Connection, shifts: Sequence[Shift]) -> None:
    """Deliveries that came before we knew the vendor's id find their task (failure `webhook_early`)."""
    tasks = {shift.values["vendor_task_id"]: shift.task for shift in shifts if "vendor_task_id" in shift.values}
    if not tasks:
        return
    first = next(iter(tasks.values()))
    nobodys = select(Delivery.id, Delivery.vendor_id).where(
        Delivery.campaign == first.campaign, Delivery.round_no == first.round_no, Delivery.key.is_(None)
    )
    for delivery in connection.execute(nobodys).all():
        if delivery.vendor_id in tasks:
            ours = {"key": tasks[delivery.vendor_id].key, "quarantine_reason": None}
            connection.execute(update(Delivery).where(Delivery.id == delivery.id).values(**ours))
