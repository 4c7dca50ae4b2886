"""A tiny campaign around a vendor under test: real items in a task folder, a real ledger, the real acts.

The items are those of `kit.spec`, so an adapter that shows them finds their bytes in the workspace.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from tailfirst import schemas
from tailfirst.advance import policy
from tailfirst.artifacts import write_json, write_parquet
from tailfirst.config import Params, Settings
from tailfirst.context import Context, NoGates
from tailfirst.labeling import approve, collect, plan, quote, seal, submit
from tailfirst.labeling._round import order_ref
from tailfirst.ledger import DeliveryRow, Ledger, RoundRow
from tailfirst.paths import Workspace
from tailfirst.port import BatchRef, LabelVendor, RawResult, SubmissionKey
from tailfirst.rounds import Step, StepKind, next_step
from tailfirst.task import load_task, save_task
from tests.support.vendors import kit as kits
from tests.support.vendors.kit import Kit

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
POOL, HOLDOUT = 60, 6
AFTER_SEAL = ("SEALED", "TRAINED", "EVALUATED", "HELD", "REPORTED")


@dataclass
class Clock:
    """Our clock; waiting moves it."""

    at: datetime = START
    waited: list[float] = field(default_factory=list)

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> None:
        self.at += timedelta(**span)

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.forward(seconds=seconds)


def write_folder(root: Path, pool: int = POOL) -> None:
    """The task folder: the pool's texts, 6 holdout texts, 3 classes, no labels yet."""
    ws = Workspace(root)
    items = [
        {
            "item_id": kits.spec(n).item_id,
            "sha256": kits.spec(n).item_digest,
            "role": "pool" if n < pool else "holdout",
            "text": kits.text(n),
            "source": "kit",
        }
        for n in range(pool + HOLDOUT)
    ]
    save_task(kits.ONTOLOGY, ws.task)
    write_parquet(ws.items, pa.Table.from_pylist(items, schema=schemas.ITEMS))
    for path in (ws.labels, ws.seed_labels):
        write_parquet(path, schemas.LABELS.empty_table())
    ws.rounds.mkdir(parents=True)
    write_json(ws.choice, {"candidate": "probe", "why": "by hand"})
    write_json(ws.acquisition, {"strategy": "random", "starved": []})
    write_json(ws.metrics("probe"), {"candidate": "probe", "accuracy": {"value": 0.5, "low": 0.4, "high": 0.6}})


@dataclass
class World:
    """The campaign "kit" in a folder, and the vendor under test."""

    root: Path
    kit: Kit
    clock: Clock = field(default_factory=Clock)
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)  # of params.yaml, over the defaults below

    @property
    def ws(self) -> Workspace:
        return Workspace(self.root)

    @property
    def params(self) -> Params:
        given: dict[str, dict[str, Any]] = {
            "campaign": {"name": "kit"},
            "encoder": {"plugin": "precomputed"},
            "candidates": {"probe": {"plugin": "linear_probe"}},
            "acquisition": {"strategy": {"plugin": "random"}, "budget": 10, "control_share": 0},
            "vendor": {"plugin": "simulated"},
            "round": {"overlap": 1, "sla_hours": 24, "quorum": 0.5},
            "money": {"auto_approve": "50"},
            "quality": {},
            **{name: {} for name in ("retrieval", "evaluation", "choice", "stopping", "control")},
        }
        for name, values in self.sections.items():
            given[name] = {**given.get(name, {}), **values}
        return Params.model_validate(given)

    def context(
        self, *faults: dict[str, Any], vendor: LabelVendor | None = None, worker: str = "one:1", task: Any = None
    ) -> Context:
        """A worker with its own connection to the ledger and to the vendor, there with these faults armed."""
        ledger = Ledger.open(f"sqlite:///{self.ws.ledger}")
        made = vendor or self.kit.vendor(*faults)
        ready = Context(
            self.ws, self.params, Settings(_env_file=None), task or load_task(self.ws.task), ledger, made, self.clock,
            worker, NoGates(),
        )  # fmt: skip
        return with_sleep(ready, self.clock.sleep)

    def batch(self, numbers: Sequence[int], n_audit: int = 0) -> list[str]:
        """Write work/batch.parquet with the items of these numbers, the first `n_audit` AUDIT; their ids."""
        rows = [
            {
                "item_id": kits.spec(n).item_id,
                "rank": rank,
                "purpose": "AUDIT" if rank < n_audit else "TRAIN",
                "strategy": "random",
                "stage": "audit" if rank < n_audit else "score",
                "reason": "by hand",
                "score": 1.0 - rank / 100,
                "inclusion_probability": 0.25 if rank < n_audit else None,
                "predicted": kits.CLASSES[n % 3],
                "probability": 0.5,
                "item_sha256": kits.spec(n).item_digest,
            }
            for rank, n in enumerate(numbers)
        ]
        write_parquet(self.ws.batch, pa.Table.from_pylist(rows, schema=schemas.BATCH))
        return [row["item_id"] for row in rows]

    def bought(self, guesses: Mapping[str, str] | None = None, **purposes: Sequence[int]) -> dict[str, list[str]]:
        """Write work/batch.parquet with items for these purposes, and maybe the model's guess; the ids by purpose."""
        wanted = {n: purpose for purpose, numbers in purposes.items() for n in numbers}
        ids = dict(zip(self.batch(list(wanted)), wanted.values(), strict=True))
        rows = [
            row | {"purpose": ids[row["item_id"]], "predicted": (guesses or {}).get(row["item_id"], row["predicted"])}
            for row in schemas.read(self.ws.batch, schemas.BATCH).to_pylist()
        ]
        write_parquet(self.ws.batch, pa.Table.from_pylist(rows, schema=schemas.BATCH))
        return {purpose: [item for item, of in ids.items() if of == purpose] for purpose in purposes}

    def name_gold(self, numbers: Sequence[int]) -> None:
        """Write data/gold.parquet with the right answers to these items."""
        items = [kits.spec(n).item_id for n in numbers]
        rows = [{"item_id": item, "class_id": kits.truth()[item], "source": "expert:e"} for item in items]
        write_parquet(self.ws.gold, pa.Table.from_pylist(rows, schema=schemas.GOLD))

    def quality(self, round_no: int = 1) -> dict[str, Any]:
        """quality.json of a sealed round."""
        return dict(json.loads((self.ws.sealed(round_no) / "quality.json").read_text(encoding="utf-8")))

    def labels(self) -> dict[str, dict[str, Any]]:
        """data/labels.parquet by item id."""
        return {row["item_id"]: row for row in schemas.read(self.ws.labels, schemas.LABELS).to_pylist()}


def with_sleep(ctx: Context, sleep: Callable[[float], None]) -> Context:
    """The same worker, whose waiting moves the test's clock."""
    return replace(ctx, sleep=sleep)


ACTS: Mapping[StepKind, Callable[[Context], str]] = {
    StepKind.PLAN: plan.freeze,
    StepKind.QUOTE: quote.quote,
    StepKind.APPROVE: approve.auto,
    StepKind.SUBMIT: submit.submit,
    StepKind.COLLECT: collect.collect,
    StepKind.SEAL: seal.seal,
}


def upcoming(ctx: Context) -> Step:
    """What the scheduled tick would do now."""
    return next_step(ctx.ledger.rounds.view(ctx.campaign, ctx.now()), policy(ctx))


def act(ctx: Context) -> str:
    """One step, as the tick takes it; training and reporting of a sealed round are passed over."""
    row = ctx.ledger.rounds.current(ctx.campaign)
    if row is not None and row.state in AFTER_SEAL[:-1]:
        after = AFTER_SEAL[AFTER_SEAL.index(row.state) + 1]
        ctx.ledger.rounds.move(ctx.campaign, row.round_no, row.state, after, ctx.now(), "test")
        return f"round {row.round_no} is {after}"
    step = upcoming(ctx)
    return ACTS[step.kind](ctx) if step.kind in ACTS else f"{step.kind.value}: {step.why}"


def until(ctx: Context, *states: str, hours: float = 1.0, most: int = 80) -> list[str]:
    """Acts until the newest round is in one of the states, time passing in between; what was said."""
    said: list[str] = []
    while (row := ctx.ledger.rounds.current(ctx.campaign)) is None or row.state not in states:
        assert len(said) < most, said
        said.append(act(ctx))
        ctx.now.forward(hours=hours)  # type: ignore[attr-defined]
    return said


def finish(ctx: Context, hours: float = 1.0, most: int = 80) -> list[str]:
    """A round to its report: the one that is open, else the next one."""
    said = [act(ctx)]
    ctx.now.forward(hours=hours)  # type: ignore[attr-defined]
    return said + until(ctx, "REPORTED", hours=hours, most=most)


def finish_next(world: World, ctx: Context, hours: float = 1.0) -> list[str]:
    """Another round of four fresh items."""
    used = {t.item_id for r in rounds(ctx) for t in ctx.ledger.tasks.list("kit", r.round_no)}
    fresh = [n for n in range(POOL) if kits.spec(n).item_id not in used]
    world.batch(fresh[:4])
    return finish(ctx, hours)


def as_raw(delivery: DeliveryRow) -> RawResult:
    """A stored delivery as the adapter parses it."""
    key = SubmissionKey(delivery.key or "")
    return RawResult(
        key, delivery.vendor_id, delivery.revision, delivery.body, delivery.sha256, (), delivery.fetched_at
    )


def sealed_record(world: World, round_no: int) -> dict[str, Any]:
    """round.json of a sealed round."""
    return dict(json.loads((world.ws.sealed(round_no) / "round.json").read_text(encoding="utf-8")))


def order_of(world: World, round_no: int) -> BatchRef:
    """A round's order at the vendor."""
    with world.context() as ctx:
        found = order_ref(ctx, ctx.ledger.rounds.get("kit", round_no))
    assert found is not None
    return found


def check_prices(ctx: Context) -> None:
    """Nothing was bought above what was approved."""
    for row in rounds(ctx):
        lines = ctx.ledger.money.lines("kit", row.round_no)
        spent = sum(line.amount_micros for line in lines if line.kind in {"ACCRUED", "ESTIMATED"})
        assert row.cap_micros is not None
        assert spent <= row.cap_micros


def rounds(ctx: Context) -> list[RoundRow]:
    """All rounds, oldest first."""
    return ctx.ledger.rounds.all(ctx.campaign)


def check_books(world: World, ctx: Context, vendor: LabelVendor | None = None) -> None:
    """The main assertion: the vendor's charges are the ledger's, nothing is paid twice and no answer is lost.

    The vendor is asked over a fresh connection. Where it reports no costs, the ledger's estimates are held against the
    answers that came.
    """
    fresh = vendor or world.kit.vendor()
    offered = fresh.capabilities()
    for row in rounds(ctx):
        order = order_ref(ctx, row)
        if order is None:
            continue
        lines = ctx.ledger.money.lines(ctx.campaign, row.round_no)
        tasks = {t.key: t for t in ctx.ledger.tasks.list(ctx.campaign, row.round_no)}
        stored = ctx.ledger.deliveries.raw(ctx.campaign, row.round_no)
        booked = sorted((line.key or "", line.amount_micros) for line in lines if line.kind in {"ACCRUED", "ESTIMATED"})
        if offered.cost == "NONE":
            assert {line.kind for line in lines} <= {"ESTIMATED"}
            answered = {d.key for d in stored if d.key}
            assert booked == sorted((key, tasks[key].price_micros or 0) for key in answered)
        else:
            assert booked == sorted((line.key or "", line.amount.micros) for line in fresh.costs(order))
        paid = Counter(key for key, _ in booked if key)
        assert set(paid.values()) <= {1}
        assert len({(tasks[key].item_id, tasks[key].attempt, tasks[key].overlap_slot) for key in paid}) == len(paid)
        refs = fresh.find(order, [SubmissionKey(key) for key in tasks])
        theirs = {(raw.vendor_id, raw.revision) for raw in fresh.fetch(list(refs.values()))}
        assert theirs <= {(d.vendor_id, d.revision) for d in stored}
    money = ctx.ledger.money.status(ctx.campaign)
    spent = [line for line in ctx.ledger.money.lines(ctx.campaign) if line.kind in {"ACCRUED", "ESTIMATED", "ADJUSTED"}]
    assert money.accrued == sum(line.amount_micros for line in spent)
    assert money.reserved + money.accrued <= money.cap
