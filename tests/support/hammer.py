"""Workers that hammer one campaign: run as `python -m tests.support.hammer ROOT URL NUMBER`."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tailfirst.errors import CheckFailed, LedgerError
from tailfirst.ledger import Ledger
from tests.support.vendors import harness_simulated
from tests.support.vendors.world import World, act

REPOSITORY = Path(__file__).parents[2]
MOST = 400  # acts of one worker


def hammer(root: Path, url: str, number: int) -> list[str]:
    """Start workers, let them go at the same moment, and return what each says when the round is reported."""
    command = [sys.executable, "-m", "tests.support.hammer", str(root), url]
    workers = [
        subprocess.Popen([*command, str(n)], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(number)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return [worker.communicate(timeout=180)[0].strip() for worker in workers]


def main(root: Path, url: str, number: int) -> None:
    world = World(root, harness_simulated.make_kit(root, hours_per_poll=12))
    with world.context(worker=f"worker-{number}:1") as made, Ledger.open(url) as ledger:
        ctx = replace(made, ledger=ledger)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        beaten = 0
        for _ in range(MOST):
            row = ledger.rounds.current(ctx.campaign)
            if row is not None and row.state == "REPORTED":
                break
            try:
                act(ctx)
            except (LedgerError, CheckFailed):  # another was faster, or ended the round and its batch is used up
                beaten += 1
        sys.stdout.write(f"done, beaten {beaten} times")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
