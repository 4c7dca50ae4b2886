"""The campaign of a chaos run: what its workers do, what its people do, and how workers are killed and replaced."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from tailfirst import schemas
from tailfirst.artifacts import write_parquet
from tailfirst.context import Context, worker_name
from tailfirst.errors import VendorError
from tailfirst.labeling import approve
from tailfirst.labeling.late import collect_late_labels
from tailfirst.labeling.replay import replay
from tailfirst.ledger import Ledger
from tailfirst.ledger.records import RoundRow
from tailfirst.port import LabelVendor
from tests.support.chaos.company import Company
from tests.support.chaos.intruder import Intruder
from tests.support.kills import Points, Watched, in_child, watch
from tests.support.vendors import kit as kits
from tests.support.vendors.world import World, act, upcoming

ACTS = 30  # of one worker before it ends by itself
ACT_H = 2.0  # our clock between two acts
LATE_STEPS, LATE_H = 3, 144.0  # at the end the vendor's clock jumps so often by so much: nothing takes longer
KEPT_H = 24.0 * 60  # and then far enough for its retention to strike
N_GOLD = 12  # gold items, beyond the pool that is bought
OPERATOR = ("auth", "budget", "held")  # pauses that a person ends by resuming
SECTIONS: dict[str, dict[str, Any]] = {
    # Six polls of twelve hours: what takes four days or more is not back at the SLA.
    "round": {"overlap": 2, "sla_hours": 6 * ACT_H, "quorum": 0.5},
    "money": {"auto_approve": "0.7", "cap_campaign": "100000"},  # a usual round; a dearer one waits for a person
    "stopping": {"max_rounds": 100_000},
    "quality": {"gold_share": 0.15, "min_gold_accuracy": 0.6, "min_gold_answers": 4, "prelabels": True,
                "blind_share": 0.3},
}  # fmt: skip


@dataclass
class Chaos(World):
    """The campaign, with a clock that outlives its workers."""

    rounds: int = 200
    items: int = 6
    company: Company | None = None
    kills: int = 0
    turns: int = 0
    warm: Context | None = None  # the parent's; its children inherit compiled statements, and no connection
    url: str = ""
    told: int = 0
    say: Callable[[str], None] = lambda _: None
    started: float = field(default_factory=time.perf_counter)

    def open(self) -> Context:
        """A context whose ledger is this process's own."""
        return self.context(vendor=self._vendor(), worker=worker_name(), url=self.url)

    def context(self, *faults: Any, url: str = "", **given: Any) -> Context:  # type: ignore[override]
        made = super().context(*faults, **given)
        if url:
            made.ledger.close()
            made = replace(made, ledger=Ledger.open(url))
        return made

    def worker(self, points: Points) -> Context:
        """A forked worker's context: killed where `points` says so."""
        assert self.warm is not None
        self.warm.ledger.database.engine.dispose(close=False)
        made = replace(self.warm, vendor=Watched(self._vendor(), points), worker=worker_name())  # type: ignore[arg-type]
        watch(made, points)
        return made

    def _vendor(self) -> LabelVendor:
        assert self.company is not None
        return self.company.vendor()

    def tell(self) -> None:
        """Say where the campaign stands, every twenty rounds."""
        assert self.warm is not None
        row = self.warm.ledger.rounds.current("kit")
        if row is not None and row.round_no - self.told >= 20:
            self.told = row.round_no
            span = time.perf_counter() - self.started
            self.say(f"... round {row.round_no} after {span:.0f} s, {self.kills} workers killed")

    # ---- the clock ------------------------------------------------------------------------------------------------
    def load_clock(self) -> None:
        file = self.root / "clock"
        if file.exists():
            self.clock.at = max(self.clock.at, datetime.fromisoformat(file.read_text(encoding="utf-8")))

    def keep_clock(self, hours: float) -> None:
        self.clock.forward(hours=hours)
        temporary = self.root / "clock.new"
        temporary.write_text(self.clock.at.isoformat(), encoding="utf-8")
        temporary.replace(self.root / "clock")

    # ---- what is bought -------------------------------------------------------------------------------------------
    def plan(self, ctx: Context, round_no: int) -> None:
        """work/batch.parquet of a round: one AUDIT, one GOLD, a second opinion where there is something to ask again.

        Every third prediction is wrong, so that a person who follows it can be told from one who looks.
        """
        flying = {task.item_id for task in ctx.ledger.tasks.in_flight(ctx.campaign)}
        start = (round_no - 1) * self.items
        fresh = [(n, "AUDIT" if n == start else "TRAIN") for n in range(start, start + self.items)]
        again = self._second_opinion(flying, round_no)
        gold = self._gold(flying, round_no)
        extra = [(n, what) for n, what in ((again, "RELABEL"), (gold, "GOLD")) if n is not None]
        kept = fresh[: self.items - len(extra)] if self.items > len(extra) + 1 else fresh
        self.write_batch([*kept, *extra] if self.items > len(extra) + 1 else kept)

    def write_batch(self, wanted: list[tuple[int, str]]) -> None:
        rows = [
            {
                "item_id": kits.spec(n).item_id,
                "rank": rank,
                "purpose": purpose,
                "strategy": "random",
                "stage": {"AUDIT": "audit", "GOLD": "gold", "RELABEL": "relabel"}.get(purpose, "score"),
                "reason": "by hand",
                "score": 1.0 - rank / 100,
                "inclusion_probability": 0.25 if purpose == "AUDIT" else None,
                "predicted": kits.CLASSES[(n + (n % 9 < 3)) % 3],
                "probability": 0.5,
                "item_sha256": kits.spec(n).item_digest,
            }
            for rank, (n, purpose) in enumerate(wanted)
        ]
        write_parquet(self.ws.batch, pa.Table.from_pylist(rows, schema=schemas.BATCH))

    def write_gold(self) -> None:
        rows = [
            {"item_id": kits.spec(n).item_id, "class_id": kits.CLASSES[n % 3], "source": "expert:e"}
            for n in range(self.rounds * self.items, self.rounds * self.items + N_GOLD)
        ]
        write_parquet(self.ws.gold, pa.Table.from_pylist(rows, schema=schemas.GOLD))

    def _gold(self, flying: set[str], round_no: int) -> int | None:
        first = self.rounds * self.items
        ours = [first + (round_no + k) % N_GOLD for k in range(N_GOLD)]
        return next((n for n in ours if kits.spec(n).item_id not in flying), None)

    def _second_opinion(self, flying: set[str], round_no: int) -> int | None:
        """An item of the last few rounds that has a label to train on."""
        labeled = {item for item, row in self.labels().items() if row["purpose"] == "TRAIN"}
        recent = range(max((round_no - 6) * self.items, 0), (round_no - 2) * self.items)
        found = [n for n in recent if kits.spec(n).item_id in labeled - flying]
        return found[round_no % len(found)] if found else None


# ---- what a worker does -------------------------------------------------------------------------------------------
def turn(chaos: Chaos, kill_at: int) -> None:
    """What one worker does until it is killed, is done, or has acted often enough."""
    ctx = chaos.worker(Points(kill_at))
    for _ in range(ACTS):
        if over(chaos, ctx):
            return
        step(chaos, ctx)
        chaos.keep_clock(hours=ACT_H)


def over(chaos: Chaos, ctx: Context) -> bool:
    row = ctx.ledger.rounds.current(ctx.campaign)
    return row is not None and row.state == "REPORTED" and row.round_no >= chaos.rounds


def step(chaos: Chaos, ctx: Context) -> None:
    """One act of the tick, and what people do about it."""
    row = ctx.ledger.rounds.current(ctx.campaign)
    number = 1 if row is None else row.round_no + 1
    if row is None or row.state in {"REPORTED", "ABORTED"}:
        chaos.plan(ctx, number)
    ctx = ctx if row is None else person(chaos, ctx, row)
    try:
        act(ctx)
    except VendorError:
        return  # the tick failed and said so; the next one goes on


def person(chaos: Chaos, ctx: Context, row: RoundRow) -> Context:
    """Approve what no rule may, resume what waits for somebody, read again what was held back."""
    lenient = chaos.root / f"lenient-{row.round_no}"
    if lenient.exists():
        params = ctx.params.model_copy(update={"round": ctx.params.round.model_copy(update={"max_swapped": 1.0})})
        ctx = replace(ctx, params=params)
    if row.state == "QUOTED" and not row.pause_reason and upcoming(ctx).kind.value == "WAIT":
        approve.approve(ctx, "a person")
    kind = (row.pause_reason or "").partition(":")[0]
    if kind == "answers swapped":
        lenient.touch()  # they have spoken with the vendor: what echoes its item counts
        replay(ctx, row.round_no)
    if kind in {*OPERATOR, "answers swapped"}:
        ctx.ledger.rounds.pause(ctx.campaign, row.round_no, None, ctx.now(), "operator")
    return ctx


def late_turn(chaos: Chaos, kill_at: int) -> None:
    """What still comes for sealed rounds is polled, and sealed where it is something; touches a file when it is."""
    ctx = chaos.worker(Points(kill_at))
    for _ in range(ACTS):
        row = ctx.ledger.rounds.current(ctx.campaign)
        assert row is not None
        if row.state != "REPORTED":
            step(chaos, ctx)
        else:
            try:
                said = collect_late_labels(ctx)
            except VendorError:
                continue
            if "nothing" in said:
                (chaos.root / "collected").touch()
                return
        chaos.keep_clock(hours=ACT_H)


# ---- workers, one after the other ---------------------------------------------------------------------------------
def run(chaos: Chaos, rng: random.Random, intruder: Intruder) -> None:
    """Workers until every round is reported."""
    assert chaos.warm is not None
    for _ in range(chaos.rounds * 40):
        chaos.load_clock()
        chaos.tell()
        if over(chaos, chaos.warm):
            return
        if rng.random() < 0.2:
            chaos.company.prices(100)  # type: ignore[union-attr]  # the vendor takes its rise back
        intruder.act(rng)
        _work(chaos, rng, turn)
    raise SystemExit(f"the campaign did not end; it stands at {chaos.warm.ledger.rounds.current('kit')}")


def late(chaos: Chaos, rng: random.Random) -> None:
    """What still comes, until the vendor's clock has passed all of it and its retention."""
    for hours in (*[LATE_H] * LATE_STEPS, KEPT_H):
        chaos.company.jump(hours)  # type: ignore[union-attr]
        done = chaos.root / "collected"
        for _ in range(200):
            if done.exists():
                break
            chaos.load_clock()
            _work(chaos, rng, late_turn)
        else:
            raise SystemExit("late answers do not come to an end")
        done.unlink()


def _work(chaos: Chaos, rng: random.Random, what: Any) -> None:
    kill_at = rng.randint(1, 60) if rng.random() < 0.85 else 0
    status = in_child(lambda: what(chaos, kill_at))
    chaos.turns += 1
    chaos.kills += status == 9
    if status not in {0, 9}:
        raise SystemExit(f"a worker failed (wait status {status}): see above; the workspace is {chaos.root}")
