"""Rounds against the fake vendor with every fault at random and a worker that is killed at random points.

    python benchmarks/chaos.py --rounds 200          # make chaos ROUNDS=200

Workers take turns: each is a process that goes on where the ledger stands, and most are killed (SIGKILL) around a
commit or just after an answer of the vendor. A person's part (resuming after keys were refused, after a top-up) is
played. At the end the vendor's own book is held against the ledger and the sealed folders; the last line has the
figures, and the exit code is 1 when anything was lost, paid twice or booked differently.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))

from tailfirst import schemas
from tailfirst.artifacts import write_parquet
from tailfirst.context import Context, worker_name
from tailfirst.errors import VendorError
from tailfirst.labeling._round import order_ref
from tailfirst.labeling.late import collect_late_labels
from tailfirst.ledger import Ledger
from tailfirst.port import LabelVendor, SubmissionKey
from tailfirst.rounds import money
from tests.support import postgres
from tests.support.kills import Points, Watched, in_child, watch
from tests.support.vendors import harness_simulated
from tests.support.vendors import kit as kits
from tests.support.vendors.world import Clock, World, act, write_folder

ITEM_RATE, CALL_RATE = 0.03, 0.02
FAULTS: tuple[dict[str, Any], ...] = (
    {"name": "create_timeout", "rate": 0.1},
    {"name": "create_timeout", "rate": 0.1, "after_commit": True},
    {"name": "batch_partial", "rate": 0.1, "keep": 3, "of": 6},
    {"name": "double_worker", "rate": 0.1},
    {"name": "zombie_worker", "rate": 0.1},
    {"name": "export_truncated", "rate": 0.1},
    *(
        {"name": name, "rate": CALL_RATE}
        for name in ("ontology_drift", "vendor_down", "rate_limited", "auth_revoked", "balance_empty")
    ),
    *(
        {"name": name, "rate": ITEM_RATE}
        for name in (
            "conflict_409", "duplicate_event", "out_of_order", "cursor_skip", "sla_partial", "late_label",
            "label_changed", "label_unknown_class", "payload_malformed", "answers_swapped", "asset_unreachable",
            "cancel_too_late", "invoice_mismatch", "guideline_ambiguous", "relabel_correlated", "machine_labeled",
            "clock_skew",
        )
    ),
    {"name": "annotator_spam", "rate": 0.2},
)  # fmt: skip
ACTS = 30  # of one worker before it ends by itself
FINAL = frozenset(
    {"ACCEPTED", "CLOSED_UNLABELED", "DROPPED", "CANCELED", "REFUSED", "OVER_BUDGET", "REWORK", "RESUBMIT"}
)


@dataclass
class Chaos(World):
    """The campaign, with a clock that outlives its workers."""

    rounds: int = 200
    items: int = 6
    url: str = ""
    kills: int = 0
    told: Counter[str] = field(default_factory=Counter)

    def worker(self, *faults: dict[str, Any], points: Points | None = None) -> Context:
        vendor: Any = self.kit.vendor(*faults)
        made = self.context(vendor=vendor if points is None else Watched(vendor, points), worker=worker_name())
        if self.url:
            made.ledger.close()
            made = replace(made, ledger=Ledger.open(self.url))
        return made

    def load_clock(self) -> None:
        file = self.root / "clock"
        if file.exists():
            self.clock.at = max(self.clock.at, datetime.fromisoformat(file.read_text(encoding="utf-8")))

    def keep_clock(self, hours: float) -> None:
        self.clock.forward(hours=hours)
        temporary = self.root / "clock.new"
        temporary.write_text(self.clock.at.isoformat(), encoding="utf-8")
        temporary.replace(self.root / "clock")


def turn(chaos: Chaos, kill_at: int) -> None:
    """What one worker does until it is killed, is done, or has acted often enough."""
    points = Points(kill_at)
    with chaos.worker(*FAULTS, points=points) as ctx:
        watch(ctx, points)
        for _ in range(ACTS):
            if over(chaos, ctx):
                return
            step(chaos, ctx)
            chaos.keep_clock(hours=1)


def over(chaos: Chaos, ctx: Context) -> bool:
    row = ctx.ledger.rounds.current(ctx.campaign)
    return row is not None and row.state == "REPORTED" and row.round_no >= chaos.rounds


def step(chaos: Chaos, ctx: Context) -> None:
    """One act of the tick, and what a person does about a pause."""
    row = ctx.ledger.rounds.current(ctx.campaign)
    number = 1 if row is None else row.round_no + (row.state in {"REPORTED", "ABORTED"})
    if row is None or row.state in {"REPORTED", "ABORTED"}:
        chaos.batch(range((number - 1) * chaos.items, number * chaos.items), n_audit=1)
    if (
        row is not None
        and row.pause_reason
        and row.pause_reason.partition(":")[0] in {"auth", "budget", "held", "swapped"}
    ):
        ctx.ledger.rounds.pause(ctx.campaign, row.round_no, None, ctx.now(), "operator")
    try:
        act(ctx)
    except VendorError:
        return  # the tick failed and said so; the next one goes on


def run(chaos: Chaos, rng: random.Random) -> None:
    """Workers one after the other until every round is reported."""
    for _ in range(chaos.rounds * 40):
        chaos.load_clock()
        with chaos.worker() as ctx:
            if over(chaos, ctx):
                return
            row = ctx.ledger.rounds.current(ctx.campaign)
        kill_at = rng.randint(1, 60) if rng.random() < 0.85 else 0
        status = in_child(lambda at=kill_at: turn(chaos, at))
        chaos.kills += status == 9
        if status not in {0, 9}:
            raise SystemExit(f"a worker failed in round {row.round_no if row else 0} (wait status {status}): see above")
    raise SystemExit(f"the campaign did not end; it stands at {row}")


def late(chaos: Chaos) -> None:
    """What still comes for sealed rounds, until nothing comes any more."""
    for _ in range(40):
        with chaos.worker() as ctx:
            for _ in range(20):  # late ones come days later
                before = ctx.ledger.rounds.current(ctx.campaign)
                if before is not None and before.state != "REPORTED":
                    act(ctx)
                else:
                    collect_late_labels(ctx)
                chaos.keep_clock(hours=24)
            row = ctx.ledger.rounds.current(ctx.campaign)
            if row is not None and row.state == "REPORTED" and "nothing" in collect_late_labels(ctx):
                return


@dataclass(frozen=True)
class Audit:
    """What the vendor's book, the ledger and the sealed folders say together."""

    items: int
    open: list[str]  # keys that have no end
    lost: list[str]  # answers of the vendor that no sealed folder holds
    twice: list[str]  # keys or purchases that were charged more than once
    apart: list[str]  # orders whose charges differ from the ledger
    theirs: int
    ours: int

    @property
    def clean(self) -> bool:
        return not (self.open or self.lost or self.twice or self.apart) and self.theirs == self.ours


def audit(chaos: Chaos, vendor: LabelVendor) -> Audit:
    """Hold the three against each other, over a connection without faults."""
    exported = {
        (line["vendor_id"], line["revision"])
        for folder in sorted(chaos.ws.rounds.glob("[0-9]*"))
        for line in map(json.loads, (folder / "deliveries.jsonl").read_text(encoding="utf-8").splitlines())
    }
    unfinished, lost, apart, theirs, ours = [], [], [], 0, 0
    charged: Counter[str] = Counter()
    with chaos.worker() as ctx:
        rows = ctx.ledger.rounds.all(ctx.campaign)
        bought: Counter[tuple[str, int, int, str]] = Counter()
        items = set()
        for row in rows:
            tasks = {t.key: t for t in ctx.ledger.tasks.list(ctx.campaign, row.round_no)}
            items |= {t.item_id for t in tasks.values()}
            unfinished += [f"{key} {t.state}" for key, t in tasks.items() if t.state not in FINAL]
            order = order_ref(ctx, row)
            if order is None:
                continue
            costs = vendor.costs(order)
            lines = [c for c in ctx.ledger.money.lines(ctx.campaign, row.round_no) if c.kind == "ACCRUED"]
            charged.update(str(c.key) for c in costs)
            bought.update(
                (t.item_id, t.attempt, t.overlap_slot, t.purpose) for c in costs if (t := tasks.get(str(c.key)))
            )
            booked = sorted((c.key or "", c.amount_micros) for c in lines)
            if booked != sorted((str(c.key), c.amount.micros) for c in costs):
                apart.append(f"round {row.round_no}")
            theirs += sum(c.amount.micros for c in costs)
            ours += sum(c.amount_micros for c in lines)
            refs = vendor.find(order, [SubmissionKey(key) for key in tasks])
            lost += [
                f"{r.vendor_id} {r.revision}"
                for r in vendor.fetch(list(refs.values()))
                if (r.vendor_id, r.revision) not in exported
            ]
        chaos.told.update(
            state
            for row in rows
            for state, n in ctx.ledger.rounds.counts(ctx.campaign, row.round_no).items()
            for _ in range(n)
        )
    twice = [key for key, n in charged.items() if n > 1] + [str(what) for what, n in bought.items() if n > 1]
    return Audit(len(items), unfinished, lost, twice, apart, theirs, ours)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--items", type=int, default=6, help="items of a round")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--ledger", choices=("sqlite", "postgres"), default="sqlite")
    given = parser.parse_args()
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        pool = given.rounds * given.items
        write_folder(root, pool)
        kit = harness_simulated.make_kit(root, seed=given.seed, hours_per_poll=6)
        rows = [{"item_id": item, "class_id": name} for item, name in kits.truth(pool).items()]
        chaos = Chaos(root, kit, Clock(), rounds=given.rounds, items=given.items)
        write_parquet(chaos.ws.oracle, pa.Table.from_pylist(rows, schema=schemas.LABELED))
        chaos.sections = {
            "round": {"overlap": 2, "sla_hours": 48, "quorum": 0.5},
            "money": {"auto_approve": "50", "cap_campaign": "100000"},
            "stopping": {"max_rounds": 100_000},
        }
        if given.ledger == "postgres":
            found = postgres.binaries()
            if found is None:
                raise SystemExit("--ledger postgres needs the PostgreSQL server binaries (apt-get install postgresql)")
            chaos.url = stack.enter_context(postgres.running(found)).create("chaos")
        started = time.perf_counter()
        run(chaos, random.Random(given.seed))
        late(chaos)
        found_out = audit(chaos, kit.vendor())
    said = ", ".join(f"{n} {state}" for state, n in sorted(chaos.told.items()))
    print(f"tasks by their end: {said}")
    for name in ("open", "lost", "twice", "apart"):
        for one in getattr(found_out, name)[:10]:
            print(f"{name}: {one}")
    took = time.perf_counter() - started
    print(
        f"{given.rounds} rounds, {found_out.items} items, {chaos.kills} workers killed, {took:.0f} s, {given.ledger}: "
        f"unaccounted {len(found_out.open)}, lost {len(found_out.lost)}, paid twice {len(found_out.twice)}, "
        f"vendor {money(found_out.theirs, 'USD')}, ledger {money(found_out.ours, 'USD')}"
    )
    return 0 if found_out.clean else 1


if __name__ == "__main__":
    sys.exit(main())
