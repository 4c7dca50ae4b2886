"""A big ledger: what buying and taking in answers cost when it holds 10,000 tasks, and when it holds 1,000,000.

    python benchmarks/load.py                                # up to 100,000 tasks, 20,000 answers
    python benchmarks/load.py --tasks 10000 100000 1000000 --answers 100000
    python benchmarks/load.py --only sqlite --statements     # where the time goes, statement by statement

The history is rounds of 10,000 tasks that were answered and charged. On top of it come further rounds, whose tasks are
bought and whose answers are taken in: pages of 1,000 are stored, parsed, charged and validated. Only that is timed.
The ledger grows by the answers meanwhile; each row says from where to where.
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
from contextlib import ExitStack, nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import _load_history as history
from benchmarks._statements import Statements
from tailfirst.ledger import Ledger
from tailfirst.ledger.journal import Act
from tests.support import postgres
from tests.support.ledgers import AT, answer, created, later, line, new_task, parsed, quote_of, raw, take

ROUND = 10_000
PAGE = 1_000
CAP = 10**12


def pages(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), PAGE):
        yield keys[start : start + PAGE]


def buy(ledger: Ledger, round_no: int) -> list[str]:
    """A round OPEN with its tasks SUBMITTED; the order goes out in pages."""
    named = [(rank, history.hashed("c", round_no, rank)) for rank in range(ROUND)]
    keys = [key for _, key in named]
    ledger.money.caps("c", CAP)
    tasks = [new_task(rank, round_no=round_no, key=key, item_id=f"item-{key}") for rank, key in named]
    ledger.rounds.open("c", round_no, f"batch-{round_no}", tasks, AT)
    ledger.rounds.record_quote("c", round_no, quote_of(ROUND, 1), dict.fromkeys(keys, 1), AT, "quote")
    ledger.rounds.approve("c", round_no, ROUND, "ann", AT)
    lease = take(ledger, round_no=round_no)
    ledger.tasks.to_outbox("c", round_no, CAP, lease, AT)
    ledger.rounds.move("c", round_no, "APPROVED", "SUBMITTING", AT, "w1")
    for some in pages(keys):
        ledger.tasks.mark_sent(some, lease.token, AT)
        ledger.tasks.record_outcomes([created(key) for key in some], lease.token, AT, "w1")
    ledger.rounds.move("c", round_no, "SUBMITTING", "OPEN", AT, "w1", opened_at=AT, sla_at=later(3_600))
    ledger.leases.release(lease)
    return keys


def take_in(ledger: Ledger, round_no: int, keys: list[str]) -> None:
    for some in pages(keys):
        ledger.deliveries.store_many("c", round_no, [raw(key) for key in some])
        ledger.deliveries.record_many([parsed(key, "1", answer()) for key in some], AT)
        ledger.money.accrue("c", round_no, [line(f"l-{key}", key, 1) for key in some], AT)
        ledger.tasks.move_many(some, "PARSED", "VALIDATED", AT, "load")


def end(ledger: Ledger, round_no: int, keys: list[str]) -> None:
    ledger.tasks.move_many(keys, "VALIDATED", "ACCEPTED", AT, "seal")
    for states in (("OPEN", "COLLECTING"), ("COLLECTING", "CLOSING")):
        ledger.rounds.move("c", round_no, *states, AT, "w1")
    places = {(round_no, f"v-{key}", "1"): round_no for key in keys}
    lines = {(round_no, f"l-{key}"): round_no for key in keys}
    ledger.exports.seal("c", round_no, "sealed", places, lines, Act(AT, "seal"))
    for states in pairwise(("SEALED", "TRAINED", "EVALUATED", "HELD", "REPORTED")):
        ledger.rounds.move("c", round_no, *states, AT, "w1")


def fill(url: str, tasks: int) -> dict[str, Any]:
    """Answered rounds until the ledger holds this many tasks."""
    start = time.perf_counter()
    with Ledger.open(url) as ledger:
        rounds = ledger.rounds.all("c")
        if not rounds:
            keys = buy(ledger, 1)
            take_in(ledger, 1, keys)
            end(ledger, 1, keys)
        there = max(len(rounds), 1)
        if tasks > there * ROUND:
            history.repeat(ledger.database, "c", range(there + 1, tasks // ROUND + 1), ROUND)
    return {"seconds": time.perf_counter() - start}


def written_so_far(ledger: Ledger) -> int:
    """Bytes: what this process wrote (SQLite: log and checkpoints), or what the server wrote to its log."""
    if ledger.database.sqlite:
        counted = Path("/proc/self/io")
        lines = counted.read_text().splitlines() if counted.exists() else []
        return sum(int(line.split()[1]) for line in lines if line.startswith("wchar"))
    with ledger.database.read() as connection:
        return int(connection.scalar(text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")) or 0)


def ingest(url: str, answers: int, *, statements: bool = False) -> dict[str, Any]:
    """Rounds that are answered whole; only the taking in is timed."""
    with Ledger.open(url) as ledger:
        rounds = ledger.rounds.all("c")
        watch = Statements(ledger) if statements else None
        new = range(len(rounds) + 1, len(rounds) + 1 + answers // ROUND)
        bought = taken = written = 0.0
        for round_no in new:
            start = time.perf_counter()
            keys = buy(ledger, round_no)
            middle, before = time.perf_counter(), written_so_far(ledger)
            with watch.counting() if watch else nullcontext():
                take_in(ledger, round_no, keys)
            taken += time.perf_counter() - middle
            written += written_so_far(ledger) - before
            bought += middle - start
            end(ledger, round_no, keys)
    return {
        "held": sum(row.n_tasks for row in rounds),
        "bought": answers / bought,
        "taken": answers / taken,
        "written": written / answers,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "statements": watch.told(answers) if watch else "",
    }


def apart(act: str, url: str, number: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--act", act, url, str(number)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout))


def measure(name: str, url: str, given: argparse.Namespace) -> None:
    first = None
    for size in given.tasks:
        filled = apart("fill", url, size)
        found = apart("statements" if given.statements else "ingest", url, given.answers)
        cost = 1e6 / found["taken"]
        first = first or cost
        sys.stdout.write(
            f"{name:<10} {found['held']:>9,} to {found['held'] + given.answers:>9,} held  "
            f"{found['bought']:6,.0f} tasks bought/s  "
            f"{found['taken']:6,.0f} answers/s  {cost:4.0f} us an answer = {cost / first:4.2f} x the first  "
            f"{found['written'] / 1000:4.1f} kB written an answer  peak {found['peak']:.0f} MB  "
            f"(filled in {filled['seconds']:.0f} s)\n{found['statements']}"
        )
        sys.stdout.flush()


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--answers", type=int, default=20_000)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--statements", action="store_true", help="also where the time goes, by SQL statement")
    parser.add_argument("--act", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    uneven = [number for number in (*given.tasks, given.answers) if number < ROUND or number % ROUND]
    if uneven or sorted(given.tasks) != given.tasks:
        parser.error(f"--tasks (growing) and --answers come in whole rounds of {ROUND}; found {uneven or given.tasks}")
    return given


def act(name: str, url: str, number: int) -> dict[str, Any]:
    if name == "fill":
        return fill(url, number)
    return ingest(url, number, statements=name == "statements")


def main() -> None:
    given = options()
    if given.act:
        name, url, number = given.act
        json.dump(act(name, url, int(number)), sys.stdout)
        return
    with ExitStack() as stack:
        if given.only != "postgresql":
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            measure("SQLite", f"sqlite:///{folder}/ledger.db", given)
        if given.only == "sqlite":
            return
        found = postgres.binaries()
        if found is None:
            sys.stdout.write("PostgreSQL  not measured: no server binaries\n")
            return
        cluster = stack.enter_context(postgres.running(found))
        measure("PostgreSQL", cluster.create("load"), given)


if __name__ == "__main__":
    main()
