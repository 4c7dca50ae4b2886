"""Ledger speed on SQLite and PostgreSQL: labeling tasks bought per second, answers taken in per second.

A task bought = planned, priced, approved, reserved, marked sent and settled. An answer = raw bytes stored, parsed,
charged. The floor is what the database does without the ledger: the same number of bare one-row transactions.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import insert

sys.path.insert(0, str(Path(__file__).parents[1]))

from tailfirst.ledger import Ledger
from tailfirst.ledger.tables import Lease
from tests.support import postgres
from tests.support.ledgers import AT, answer, line, parsed, raw, submitted

TASKS = 2_000
ANSWERS = 300


def seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def take_in(ledger: Ledger, keys: list[str]) -> None:
    for key in keys:
        ledger.deliveries.store_raw("c", 1, raw(key))
        ledger.deliveries.record_parsed(key, "1", parsed(key, "1", answer()), AT)
    ledger.money.accrue("c", 1, [line(f"l-{key}", key, 1) for key in keys], AT)


def bare(ledger: Ledger, number: int) -> None:
    for n in range(number):
        with ledger.database.write() as connection:
            values = {"name": f"bare-{n}", "holder": "", "token": 0, "ttl_s": 1.0, "expires_at": AT}
            connection.execute(insert(Lease).values(**values))


def measure(name: str, url: str) -> None:
    with Ledger.open(url) as ledger:
        bought = seconds(lambda: submitted(ledger, TASKS, price=1))
        keys = [task.key for task in ledger.tasks.list("c", 1)][:ANSWERS]
        taken = seconds(lambda: take_in(ledger, keys))
        floor = seconds(lambda: bare(ledger, 2 * ANSWERS))
    print(
        f"{name:<11} {TASKS / bought:8.0f} tasks/s   {ANSWERS / taken:6.0f} answers/s   "
        f"floor {2 * ANSWERS / floor:6.0f} transactions/s; an answer is 2 of them: {taken / floor:.1f} x the floor"
    )


def main() -> None:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        measure("SQLite", f"sqlite:///{folder}/ledger.db")
        found = postgres.binaries()
        if found is None:
            print("PostgreSQL  not measured: no server binaries")
            return
        measure("PostgreSQL", stack.enter_context(postgres.running(found)).create("bench"))


if __name__ == "__main__":
    main()
