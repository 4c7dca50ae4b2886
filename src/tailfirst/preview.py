"""What the next round would buy, and for how much: the stages run where they are stale, the ledger is only read."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tailfirst import advance, schemas, steps, tracking
from tailfirst.context import Context, micros
from tailfirst.errors import Unavailable, UserError, VendorError
from tailfirst.intake.validate import ensure_valid
from tailfirst.labeling._round import ORDER_PURPOSE, project, slots
from tailfirst.labeling.keys import batch_key
from tailfirst.labeling.plan import PURPOSES
from tailfirst.ledger.records import RoundRow
from tailfirst.port import BatchSpec, Money, ProjectRef, Purpose
from tailfirst.rounds import Step, StepKind

FINISHED = (None, "DRAFT", "REPORTED", "ABORTED")
LEDGER_ACTS = frozenset({"check_items", "check_batch", "freeze"})  # what PLAN does there: not for a look ahead


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """One item in buying order."""

    rank: int
    item_id: str
    purpose: str
    stage: str
    reason: str
    score: float | None
    predicted: str | None
    probability: float | None
    price_micros: int | None  # with all answers; None = the vendor gave no price


@dataclass(frozen=True, slots=True)
class Preview:
    """The answer to `tailfirst plan`."""

    campaign: str
    round_no: int
    frozen: str | None  # state of the round that already holds this batch; None = nothing is frozen yet
    strategy: str
    items: tuple[PlannedItem, ...]
    currency: str
    objection: str | None  # why the vendor would not take the order as things are
    cap_round_micros: int
    left_micros: int  # of the campaign's cap
    starved: tuple[str, ...]  # classes without a candidate
    exhausted: tuple[str, ...]  # classes that are not searched for until the pool grows
    ended: str | None  # why the campaign would not buy this

    @property
    def total_micros(self) -> int | None:
        """What all items cost."""
        prices = [item.price_micros for item in self.items]
        return None if None in prices else sum(p for p in prices if p is not None)

    def count(self, what: str) -> int:
        """Items of a purpose (AUDIT) or a stage (control)."""
        return sum(what in {item.purpose, item.stage} for item in self.items)


def refresh(ctx: Context, say: Callable[[str], None]) -> None:
    """Run the stages that the next batch needs and that are stale; nothing while a round is under way.

    Raises:
        TaskFolderError: The task folder is not sound; names every problem.
        CampaignBusy: Another process works on the campaign.
    """
    row = ctx.ledger.rounds.current(ctx.campaign)
    if row is not None and row.state not in FINISHED:
        return
    ensure_valid(ctx.ws)
    with advance.holding(ctx) as renew:
        wanted = steps.acts(ctx, Step(StepKind.PLAN, "", 1))
        for act in wanted:
            if act.name not in LEDGER_ACTS:
                say(f"{act.name} {act.candidate or ''}".strip())
                steps.perform(ctx, act)
                renew()


def preview(ctx: Context) -> Preview:
    """What work/batch.parquet holds, priced by the vendor; reads only.

    Raises:
        UserError: There is no batch.
    """
    row = ctx.ledger.rounds.current(ctx.campaign)
    frozen = row if row is not None and row.state not in FINISHED else None
    batch = _batch(ctx, frozen)
    notes = tracking.read_json(ctx.ws.acquisition)
    prices, objection = _prices(ctx, Counter(r["purpose"] for r in batch), frozen)
    money = ctx.ledger.money.status(ctx.campaign)
    step = advance.upcoming(ctx)
    return Preview(
        campaign=ctx.campaign,
        round_no=frozen.round_no if frozen else (row.round_no + 1 if row else 1),
        frozen=frozen.state if frozen else None,
        strategy=ctx.params.acquisition.strategy.plugin,
        items=tuple(_item(r, prices) for r in batch),
        currency=ctx.params.money.currency,
        objection=objection,
        cap_round_micros=micros(ctx.params.money.cap_round),
        left_micros=money.left if money.cap else micros(ctx.params.money.cap_campaign),
        starved=tuple(notes.get("starved") or ()),
        exhausted=tuple(notes.get("exhausted") or ()),
        ended=step.why if step.kind is StepKind.DONE else None,
    )


def _batch(ctx: Context, frozen: RoundRow | None) -> list[dict[str, Any]]:
    """The next batch; while a round is under way, that round's tasks, described by the batch file where it has them."""
    rows = schemas.read(ctx.ws.batch, schemas.BATCH).sort_by("rank").to_pylist() if ctx.ws.batch.exists() else []
    if frozen is None:
        if not rows:
            raise UserError(f"{ctx.ws.batch} holds no items: the pool has nothing left to buy")
        return rows
    known = {row["item_id"]: row for row in rows}
    empty = dict.fromkeys(schemas.BATCH.names)
    tasks = ctx.ledger.tasks.list(ctx.campaign, frozen.round_no)
    return [
        {
            **(known.get(task.item_id) or {**empty, "stage": task.purpose.lower()}),
            "item_id": task.item_id, "rank": task.rank, "purpose": task.purpose, "reason": task.why,
            "price_micros": task.price_micros,
        }
        for task in tasks
    ]  # fmt: skip


def _item(row: Mapping[str, Any], prices: Mapping[str, int]) -> PlannedItem:
    paid = row.get("price_micros")
    return PlannedItem(
        rank=row["rank"],
        item_id=row["item_id"],
        purpose=row["purpose"],
        stage=row["stage"],
        reason=row["reason"],
        score=row["score"],
        predicted=row["predicted"],
        probability=row["probability"],
        price_micros=prices.get(row["purpose"]) if paid is None else paid,
    )


def _prices(ctx: Context, counts: Mapping[str, int], frozen: RoundRow | None) -> tuple[Mapping[str, int], str | None]:
    """Price per item by purpose, and what the vendor objects: prices may exist where an order would be refused."""
    number = frozen.round_no if frozen else 1
    objection = None
    try:
        made = project(ctx)
    except (VendorError, Unavailable) as error:
        objection, made = str(error), ProjectRef(ctx.vendor.name, "", ctx.task.digest)
    try:
        copies = 1 if frozen else len(slots(ctx))  # the rows of a frozen round are labeling tasks already
        specs = {name: _spec(ctx, made, number, PURPOSES[name], n * copies) for name, n in sorted(counts.items())}
        return {name: ctx.vendor.quote(spec).per_task.micros * copies for name, spec in specs.items()}, objection
    except (VendorError, Unavailable) as error:
        return {}, objection or str(error)


def _spec(ctx: Context, made: ProjectRef, round_no: int, purpose: Purpose, n_tasks: int) -> BatchSpec:
    money = ctx.params.money
    return BatchSpec(
        key=batch_key(ctx.campaign, round_no, ORDER_PURPOSE),
        project=made,
        round_no=round_no,
        purpose=purpose,
        n_tasks=n_tasks,
        overlap=1 if len(slots(ctx)) > 1 else ctx.params.round.overlap,
        sla_at=ctx.now() + timedelta(hours=ctx.params.round.sla_hours),
        max_price=Money(micros(money.cap_round), money.currency),
    )


def as_data(found: Preview, shown: int | None = None) -> dict[str, Any]:
    """For JSON; `shown` limits the items."""
    return {
        "campaign": found.campaign,
        "round_no": found.round_no,
        "frozen": found.frozen,
        "strategy": found.strategy,
        "n_items": len(found.items),
        "audit": found.count("AUDIT"),
        "control": found.count("control"),
        "currency": found.currency,
        "total_micros": found.total_micros,
        "objection": found.objection,
        "cap_round_micros": found.cap_round_micros,
        "left_micros": found.left_micros,
        "starved": list(found.starved),
        "exhausted": list(found.exhausted),
        "ended": found.ended,
        "items": [{name: getattr(item, name) for name in PlannedItem.__slots__} for item in found.items[:shown]],
    }
