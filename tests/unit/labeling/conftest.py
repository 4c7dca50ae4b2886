"""A tiny text campaign written by hand: 24 pool items, 4 holdout items, 3 classes, no model anywhere."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tailfirst import schemas
from tailfirst.artifacts import write_json, write_parquet
from tailfirst.config import Params, Settings
from tailfirst.context import Context, NoGates, worker_name
from tailfirst.labeling import approve, collect, plan, quote, seal, submit
from tailfirst.ledger import Ledger
from tailfirst.paths import Workspace
from tailfirst.task import ClassDef, Task, load_task, save_task
from tailfirst.vendors import simulated
from tailfirst.vendors._simulated_book import Book

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CLASSES = ("bicycle", "heron", "umbrella")
TASK = Task("tiny", "text", "1", tuple(ClassDef(c, c) for c in CLASSES), ("{}",))


@dataclass
class Clock:
    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> None:
        self.at += timedelta(**span)


@dataclass
class World:
    """A workspace on disk and everything a test needs to run rounds in it."""

    root: Path
    vendor: dict[str, Any] = field(default_factory=dict)
    round: dict[str, Any] = field(default_factory=dict)
    money: dict[str, Any] = field(default_factory=dict)
    quality: dict[str, Any] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)

    @property
    def ws(self) -> Workspace:
        return Workspace(self.root)

    @property
    def params(self) -> Params:
        return Params.model_validate(
            {
                "campaign": {"name": "tiny"},
                "encoder": {"plugin": "precomputed"},
                "candidates": {"probe": {"plugin": "linear_probe"}},
                "acquisition": {"strategy": {"plugin": "random"}, "budget": 4, "control_share": 0},
                "vendor": {"plugin": "simulated", **self.vendor},
                "round": {"overlap": 1, **self.round},
                "quality": self.quality,
                "money": {"auto_approve": "10", **self.money},
                **{name: {} for name in ("retrieval", "evaluation", "choice", "stopping", "control")},
            }
        )

    def context(self, worker: str | None = None, vendor: Any = None, gates: Any = None) -> Context:
        options = simulated.Params.model_validate(self.vendor)
        made = vendor or simulated.load(options, self.ws, Settings(_env_file=None))
        ledger = Ledger.open(f"sqlite:///{self.ws.ledger}")
        return Context(
            self.ws, self.params, Settings(_env_file=None), load_task(self.ws.task), ledger, made, self.clock,
            worker or worker_name(), gates or NoGates(),
        )  # fmt: skip

    @property
    def book(self) -> Book:
        return Book(self.ws.vendor / "simulated.db")

    def pool(self) -> list[str]:
        table = schemas.read(self.ws.items, schemas.ITEMS)
        return table.filter(pa.compute.equal(table["role"], "pool"))["item_id"].to_pylist()

    def batch(self, item_ids: Sequence[str], n_audit: int = 1) -> None:
        """Write work/batch.parquet: the first `n_audit` items are AUDIT."""
        digests = dict(
            zip(
                *schemas.read(self.ws.items, schemas.ITEMS).select(["item_id", "sha256"]).to_pydict().values(),
                strict=True,
            )
        )
        rows = [
            {
                "item_id": item_id,
                "rank": rank,
                "purpose": "AUDIT" if rank < n_audit else "TRAIN",
                "strategy": "random",
                "stage": "audit" if rank < n_audit else "score",
                "reason": "by hand",
                "score": 1.0 - rank / 10,
                "inclusion_probability": 0.25 if rank < n_audit else None,
                "predicted": None,
                "probability": None,
                "item_sha256": digests.get(item_id, "0" * 64),
            }
            for rank, item_id in enumerate(item_ids)
        ]
        write_parquet(self.ws.batch, pa.Table.from_pylist(rows, schema=schemas.BATCH))

    def labels(self) -> list[dict[str, Any]]:
        return list(schemas.read(self.ws.labels, schemas.LABELS).to_pylist())

    def truth(self) -> dict[str, str]:
        return simulated.read_truth(self.ws)


def write_folder(root: Path) -> None:
    ws = Workspace(root)
    texts = [f"item number {n}" for n in range(28)]
    shas = [hashlib.sha256(t.encode()).hexdigest() for t in texts]
    items = [
        {"item_id": sha[:20], "sha256": sha, "role": "pool" if n < 24 else "holdout", "text": text, "source": "test"}
        for n, (text, sha) in enumerate(zip(texts, shas, strict=True))
    ]
    oracle = [{"item_id": row["item_id"], "class_id": CLASSES[n % 3]} for n, row in enumerate(items) if n < 24]
    save_task(TASK, ws.task)
    write_parquet(ws.items, pa.Table.from_pylist(items, schema=schemas.ITEMS))
    write_parquet(ws.oracle, pa.Table.from_pylist(oracle, schema=schemas.LABELED))
    for path in (ws.labels, ws.seed_labels):
        write_parquet(path, schemas.LABELS.empty_table())
    ws.rounds.mkdir(parents=True)
    write_json(ws.choice, {"candidate": "probe", "why": "by hand"})
    write_json(ws.acquisition, {"strategy": "random", "starved": []})
    write_json(ws.metrics("probe"), {"candidate": "probe", "accuracy": {"value": 0.5, "low": 0.4, "high": 0.6}})


@pytest.fixture
def world(tmp_path: Path) -> World:
    write_folder(tmp_path)
    return World(tmp_path)


@pytest.fixture
def ctx(world: World) -> Iterator[Context]:
    with world.context() as made:
        yield made


STEPS: dict[str, tuple[Callable[[Context], str], ...]] = {
    "REPORTED": (plan.freeze,),
    "ABORTED": (plan.freeze,),
    "SELECTED": (quote.quote,),
    "QUOTED": (approve.auto,),
    "APPROVED": (submit.submit,),
    "SUBMITTING": (submit.submit,),
    "OPEN": (collect.collect,),
    "COLLECTING": (collect.collect,),
    "CLOSING": (seal.seal,),
}


def step(ctx: Context) -> str:
    """One act, chosen from the round's state like the scheduled flow does; a sealed round is closed at once."""
    row = ctx.ledger.rounds.current("tiny")
    if row is None:
        return plan.freeze(ctx)
    after = ("SEALED", "TRAINED", "EVALUATED", "HELD", "REPORTED")
    if row.state in after[:-1]:
        ctx.ledger.rounds.move("tiny", row.round_no, row.state, after[after.index(row.state) + 1], ctx.now(), "test")
        return "on"
    return STEPS[row.state][0](ctx)


def run_round(ctx: Context, hours: float = 0.0, most: int = 60) -> list[str]:
    """Acts until a round is reported; the batch must have been written. `hours` pass on our clock between acts."""
    said = [step(ctx)]
    while said and ctx.ledger.rounds.current("tiny").state != "REPORTED":  # type: ignore[union-attr]
        assert len(said) < most, said
        ctx.now.forward(hours=hours)  # type: ignore[attr-defined]
        said.append(step(ctx))
    return said


@pytest.fixture
def runner() -> Callable[[Context], list[str]]:
    return run_round


@pytest.fixture
def stepper() -> Callable[[Context], str]:
    return step
