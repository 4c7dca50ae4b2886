"""What a poll costs in a big round, and how much of it is the gate that looks at all answers of the round so far.

    python benchmarks/polls.py                  # a round of 10,000 tasks
    python benchmarks/polls.py --tasks 2000

A real campaign in a folder: the simulated vendor, the real acts, the Great Expectations gate. CPU seconds per poll.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))

from tailfirst import schemas
from tailfirst.artifacts import write_parquet
from tailfirst.checks.gates import LedgerGates
from tailfirst.labeling import _ingest, collect
from tests.support.vendors import kit as kits
from tests.support.vendors.harness_simulated import make_kit
from tests.support.vendors.world import World, until, write_folder

MOST_POLLS = 12
SPENT: dict[str, float] = defaultdict(float)


def timed(what: str, act: Callable[..., Any]) -> Callable[..., Any]:
    def inner(*given: Any, **named: Any) -> Any:
        start = time.process_time()
        try:
            return act(*given, **named)
        finally:
            SPENT[what] += time.process_time() - start

    return inner


def world(root: Path, tasks: int) -> World:
    write_folder(root, tasks)
    kit = make_kit(root, hours_per_poll=2, page_size=500)
    made = World(
        root,
        kit,
        sections={
            "acquisition": {"budget": tasks},
            "money": dict.fromkeys(("auto_approve", "cap_round", "cap_campaign"), "100000"),
        },
    )
    oracle = [{"item_id": kits.spec(n).item_id, "class_id": kits.CLASSES[n % 3]} for n in range(tasks)]
    write_parquet(made.ws.oracle, pa.Table.from_pylist(oracle, schema=schemas.LABELED))
    made.batch(range(tasks))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000)
    tasks = parser.parse_args().tasks
    LedgerGates.deliveries = timed("gate", LedgerGates.deliveries)  # type: ignore[method-assign]
    _ingest._held = timed("gate and reading again what it looks at", _ingest._held)  # noqa: SLF001
    with tempfile.TemporaryDirectory() as folder:
        campaign = world(Path(folder), tasks)
        bare = campaign.context()
        until(bare, "OPEN")
        ctx = replace(bare, given_gates=None)
        for _ in range(MOST_POLLS):
            before, SPENT["poll"] = len(ctx.ledger.deliveries.answered("kit", 1)), 0.0
            SPENT.clear()
            timed("poll", collect.collect)(ctx)
            new = len(ctx.ledger.deliveries.answered("kit", 1)) - before
            told = ", ".join(f"{what} {seconds:.2f} s" for what, seconds in sorted(SPENT.items(), key=lambda x: -x[1]))
            sys.stdout.write(f"{tasks:,} tasks, {before:,} answers there, {new:,} new: {told}\n")
            sys.stdout.flush()
            campaign.clock.forward(hours=2)
            if ctx.ledger.rounds.get("kit", 1).state not in collect.COLLECTABLE:
                break
        bare.ledger.close()


if __name__ == "__main__":
    main()
