"""Processes that race for the ledger; run as `python -m tests.support.ledger_workers ACT URL NUMBER`."""

import subprocess
import sys
from pathlib import Path

from tailfirst.errors import OverCap
from tailfirst.ledger import Ledger
from tailfirst.ledger.journal import round_row
from tailfirst.ledger.outbox import reserve
from tests.support.ledgers import AT

REPOSITORY = Path(__file__).parents[2]


def race(act: str, url: str, number: int) -> list[str]:
    """Start processes, let them go at the same moment, and return what each says."""
    command = [sys.executable, "-m", "tests.support.ledger_workers", act, url]
    workers = [
        subprocess.Popen([*command, str(n)], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(number)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:  # all go before any is waited for
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return [worker.communicate(timeout=60)[0].strip() for worker in workers]


def reserve_80(ledger: Ledger, _: int) -> str:
    try:
        with ledger.database.write() as connection:
            reserve(connection, round_row(connection, "c", 1), 80, 10**9, AT)
    except OverCap:
        return "over"
    return "won"


def take_lease(ledger: Ledger, number: int) -> str:
    return "none" if ledger.leases.acquire("batch", f"w{number}", 60, AT) is None else "won"


ACTS = {"reserve": reserve_80, "take": take_lease}


def main(act: str, url: str, number: int) -> None:
    with Ledger.open(url) as ledger:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        sys.stdout.write(ACTS[act](ledger, number))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
