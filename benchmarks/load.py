"""A big ledger: what buying and taking in answers cost when it holds 10,000 tasks, and when it holds 1,000,000.

    python benchmarks/load.py                                # up to 100,000 tasks, 20,000 answers
    python benchmarks/load.py --tasks 10000 100000 1000000 --answers 100000

Rounds of 10,000 tasks fill one campaign; answers come in pages of 1,000 and are stored, parsed, charged and validated.
Each row is a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tailfirst.ledger import Ledger
from tests.support import postgres
from tests.support.ledgers import AT, answer, finish, line, parsed, raw, submitted

ROUND = 10_000
PAGE = 1_000
CAP = 10**12


def pages(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), PAGE):
        yield keys[start : start + PAGE]


def buy(ledger: Ledger, round_no: int, size: int) -> list[str]:
    return submitted(ledger, size, price=1, cap=CAP, round_no=round_no)


def take_in(ledger: Ledger, round_no: int, keys: list[str]) -> None:
    for some in pages(keys):
        ledger.deliveries.store_many("c", round_no, [raw(key) for key in some])
        ledger.deliveries.record_many([parsed(key, "1", answer()) for key in some], AT)
        ledger.money.accrue("c", round_no, [line(f"l-{key}", key, 1) for key in some], AT)
        ledger.tasks.move_many(some, "PARSED", "VALIDATED", AT, "load")


def fill(url: str, tasks: int) -> dict[str, float]:
    """Rounds that nobody answers, until the ledger holds this many tasks."""
    with Ledger.open(url) as ledger:
        last = ledger.rounds.current("c")
        done = sum(row.n_tasks for row in ledger.rounds.all("c"))
        start = time.perf_counter()
        for round_no in range(
            (last.round_no if last else 0) + 1, (last.round_no if last else 0) + 1 + max(tasks - done, 0) // ROUND
        ):
            buy(ledger, round_no, ROUND)
            finish(ledger, round_no=round_no)
        return {"seconds": time.perf_counter() - start, "bought": max(tasks - done, 0)}


def ingest(url: str, answers: int) -> dict[str, float]:
    """Rounds that are answered whole; only the taking in is timed."""
    with Ledger.open(url) as ledger:
        held = sum(row.n_tasks for row in ledger.rounds.all("c"))
        first = (last.round_no if (last := ledger.rounds.current("c")) else 0) + 1
        bought = taken = 0.0
        for round_no in range(first, first + answers // ROUND):
            start = time.perf_counter()
            keys = buy(ledger, round_no, ROUND)
            middle = time.perf_counter()
            take_in(ledger, round_no, keys)
            taken += time.perf_counter() - middle
            bought += middle - start
            finish(ledger, round_no=round_no)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"held": held, "bought": answers / bought, "taken": answers / taken, "peak": peak}


def apart(act: str, url: str, number: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--act", act, url, str(number)], check=True, stdout=subprocess.PIPE
    )
    return dict(json.loads(done.stdout))


def measure(name: str, url: str, sizes: list[int], answers: int) -> None:
    first = None
    for size in sizes:
        apart("fill", url, size)
        found = apart("ingest", url, answers)
        cost = 1e6 / found["taken"]
        first = first or cost
        sys.stdout.write(
            f"{name:<11} {int(found['held']):>9,} tasks held   {found['bought']:7,.0f} tasks bought/s   "
            f"{found['taken']:7,.0f} answers/s   {cost:5.0f} us an answer, {cost / first:4.2f} x the first   "
            f"peak {found['peak']:4.0f} MB\n"
        )
        sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--answers", type=int, default=20_000)
    parser.add_argument("--act", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.act:
        act, url, number = given.act
        json.dump({"fill": fill, "ingest": ingest}[act](url, int(number)), sys.stdout)
        return
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        measure("SQLite", f"sqlite:///{folder}/ledger.db", given.tasks, given.answers)
        found = postgres.binaries()
        if found is None:
            sys.stdout.write("PostgreSQL  not measured: no server binaries\n")
            return
        cluster = stack.enter_context(postgres.running(found))
        measure("PostgreSQL", cluster.create("load"), given.tasks, given.answers)


if __name__ == "__main__":
    main()
