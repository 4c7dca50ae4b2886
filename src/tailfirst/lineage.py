"""From a number back to the bytes: item, round, purchase or run -> report, run, data version, raw bytes, money.

Whatever has a recorded hash is hashed again: `matches` says whether the bytes are still those.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tailfirst import lineage_files as files
from tailfirst.context import Context
from tailfirst.errors import LedgerError, UserError
from tailfirst.ledger.records import TaskRow
from tailfirst.lineage_files import Fact
from tailfirst.report.history import sealed_rounds
from tailfirst.trackers import _lookup

ROUND = re.compile(r"(?:round[- ]?)?(\d{1,4})$", re.IGNORECASE)
PREFIX = 6  # digits of an item id that are enough where they are unique


@dataclass(frozen=True, slots=True)
class Found:
    """What a reference names."""

    kind: str  # round | item | purchase | run
    round_no: int = 0
    name: str = ""


def trace(ctx: Context, reference: str) -> Fact:
    """Everything known about a round (3, round-0003), an item id, a submission key or a run id, as a tree.

    Raises:
        UserError: Nothing of that name; says what there is.
    """
    found = resolve(ctx, reference.strip())
    match found.kind:
        case "round":
            return round_facts(ctx, found.round_no)
        case "item":
            return item_facts(ctx, found.name)
        case "purchase":
            task = ctx.ledger.tasks.get(found.name)
            return Fact("purchase", task.key, below=(_purchase(ctx, task), item_facts(ctx, task.item_id)))
        case _:
            return Fact("run", found.name, below=(round_facts(ctx, found.round_no),))


def resolve(ctx: Context, reference: str) -> Found:
    """What a reference names.

    Raises:
        UserError: Nothing, or several items begin like that.
    """
    rounds = known_rounds(ctx)
    if number := ROUND.match(reference):
        if int(number[1]) in rounds:
            return Found("round", int(number[1]))
        raise UserError(f"there is no round {int(number[1])}; rounds: {', '.join(map(str, rounds)) or 'none yet'}")
    items = files.items_like(ctx.ws, reference) if len(reference) >= PREFIX else ()
    if len(items) > 1:
        raise UserError(f"{len(items)} items begin with {reference!r}, for example {items[0]} and {items[1]}; say more")
    if items:
        return Found("item", name=items[0])
    if _is_key(ctx, reference):
        return Found("purchase", name=reference)
    run = _lookup.run_of(ctx.ws, ctx.settings, ctx.campaign, reference)
    if run is not None:
        return Found("run", run.round_no, f"{run.run_id}: {run.kind} {run.candidate}".strip())
    raise UserError(
        f"nothing here is called {reference!r}: it is no round ({', '.join(map(str, rounds)) or 'there is none yet'}), "
        f"no item id (for example {files.an_item(ctx.ws)}), no submission key and no run id"
    )


def known_rounds(ctx: Context) -> tuple[int, ...]:
    """Rounds of the ledger and sealed folders (a fresh clone has no ledger)."""
    in_ledger = {row.round_no for row in ctx.ledger.rounds.all(ctx.campaign)}
    return tuple(sorted(in_ledger | set(sealed_rounds(ctx.ws))))


def round_facts(ctx: Context, round_no: int) -> Fact:
    """A round: its report, runs, tag, data version, files and money."""
    row = next((r for r in ctx.ledger.rounds.all(ctx.campaign) if r.round_no == round_no), None)
    below = [files.report(ctx.ws, round_no), _runs(ctx, round_no), *files.versions(ctx.ws, round_no)]
    if round_no in sealed_rounds(ctx.ws):
        recorded = row.sealed_sha256 if row else None
        below += [files.sealed_folder(ctx.ws, round_no, recorded), files.deliveries(ctx.ws, round_no)]
        below += [files.labels(ctx.ws, round_no), files.money(ctx.ws, round_no)]
    if row is not None:
        below.append(_ledger(ctx, round_no))
    state = row.state if row else "sealed; this ledger does not know it"
    return Fact("round", f"{round_no} of {ctx.campaign}: {state}", below=tuple(below))


def item_facts(ctx: Context, item_id: str) -> Fact:
    """An item: its bytes, and every round that bought it."""
    bought = [files.bought(ctx.ws, number, item_id) for number in sealed_rounds(ctx.ws)]
    tasks = [_purchase(ctx, task) for task in ctx.ledger.tasks.by_item(ctx.campaign, item_id)]
    below = (*files.item(ctx.ws, item_id), *(fact for fact in bought if fact), *tasks)
    if not tasks and not any(bought):
        below = (*below, Fact("bought", "never"))
    return Fact("item", item_id, below=below)


def _purchase(ctx: Context, task: TaskRow) -> Fact:
    """One submission key in the ledger."""
    lines = [line for line in ctx.ledger.money.lines(ctx.campaign, task.round_no) if line.key == task.key]
    raw = [d for d in ctx.ledger.deliveries.raw(ctx.campaign, task.round_no) if d.key == task.key]
    below = [
        Fact("round", f"{task.round_no}, rank {task.rank + 1}, {task.purpose}"),
        Fact("why", f"{task.why} ({task.strategy})"),
        Fact("vendor's id", task.vendor_task_id or "none: not ordered"),
        *(files.raw(d.vendor_id, d.revision, d.sha256, d.body) for d in raw),
        *(
            Fact("cost line", f"{line.line_id}: {line.kind} {_money(line.amount_micros, line.currency)}")
            for line in lines
        ),
    ]
    return Fact("ledger", f"{task.key}: {task.state}", below=tuple(below))


def _ledger(ctx: Context, round_no: int) -> Fact:
    row = ctx.ledger.rounds.get(ctx.campaign, round_no)
    lines = ctx.ledger.money.lines(ctx.campaign, round_no)
    counts = ", ".join(
        f"{n} {state}" for state, n in sorted(ctx.ledger.rounds.counts(ctx.campaign, round_no).items()) if n
    )
    below = [
        Fact("tasks", counts or "none"),
        Fact("batch sha256", row.batch_sha256, files.same_batch(ctx.ws, round_no, row.batch_sha256)),
    ]
    if row.quote_micros is not None:
        below.append(Fact("quote", f"{_money(row.quote_micros, row.currency)}: {row.quote_basis}"))
    if row.cap_micros is not None:
        below.append(Fact("approved", f"up to {_money(row.cap_micros, row.currency)} by {row.approved_by}"))
    below.append(Fact("order at the vendor", row.vendor_batch_id or "none"))
    below.append(Fact("cost lines", f"{len(lines)}: {files.by_kind([_line(line) for line in lines])}"))
    return Fact("ledger", f"round {round_no}", below=tuple(below))


def _line(line: Any) -> Mapping[str, Any]:
    return {"kind": line.kind, "amount_micros": line.amount_micros, "currency": line.currency}


def _runs(ctx: Context, round_no: int) -> Fact:
    runs = _lookup.runs_of_round(ctx.ws, ctx.settings, ctx.campaign, round_no)
    if not runs:
        return Fact("runs", f"none in {ctx.settings.tracker}: the round is not logged here")
    below = tuple(
        Fact(f"{run.kind} run", f"{run.run_id} {run.candidate}, data md5 {run.dvc_md5}, git {run.git_sha or 'none'}")
        for run in runs
    )
    return Fact("runs", f"{ctx.settings.tracker}, experiment {ctx.campaign}", below=below)


def _is_key(ctx: Context, reference: str) -> bool:
    try:
        ctx.ledger.tasks.get(reference)
    except LedgerError:
        return False
    return True


def _money(micros: int, currency: str | None) -> str:
    return files.written(micros, currency or "")


def as_data(fact: Fact) -> dict[str, Any]:
    """The tree for JSON; `matches` is left out where there was nothing to compare."""
    data: dict[str, Any] = {"what": fact.what, "value": fact.value}
    if fact.matches is not None:
        data["matches"] = fact.matches
    if fact.below:
        data["below"] = [as_data(one) for one in fact.below]
    return data
