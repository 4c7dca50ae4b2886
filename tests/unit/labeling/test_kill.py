"""kill -9 at every line that matters: the rerun ends in the same ledger, the same folder and the same charges.

Points: before and after every commit of the ledger that writes, and after every answer of the vendor. A forked child
runs the campaign and is killed at the n-th point; another child goes on; then everything is compared.
"""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from tailfirst.artifacts import sha256_file, sha256_tree
from tailfirst.labeling import seal
from tailfirst.ledger.engine import WRITES
from tailfirst.vendors import simulated

Run = Callable[[Any], list[str]]


@dataclass
class Points:
    """Counts the points and kills this process at one of them."""

    kill_at: int = 0
    seen: int = 0

    def __call__(self) -> None:
        self.seen += 1
        if self.seen == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class Watched:
    """The vendor, with a point after each answer."""

    def __init__(self, vendor: Any, points: Points) -> None:
        self._vendor = vendor
        self._points = points
        self.name = vendor.name
        self.parser_version = vendor.parser_version
        self.simulated_clock = True

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._vendor, name)
        if name in {"capabilities", "parse"}:
            return method

        def call(*args: Any) -> Any:
            answer = method(*args)
            answer = list(answer) if name == "fetch" else answer
            self._points()
            return answer

        return call


def watch(ctx: Any, points: Points) -> None:
    """Points around every commit that writes, and around the rebuilding of the labels after the rename."""
    engine = ctx.ledger.database.engine
    fold = seal.fold

    def watched_fold(ws: Any) -> Any:
        points()
        answer = fold(ws)
        points()
        return answer

    seal.fold = watched_fold  # the child's own copy of the module
    commit = engine.dialect.do_commit
    writing = []

    def before(connection: Any) -> None:
        if connection.get_execution_options().get(WRITES):
            points()
            writing.append(True)

    def do_commit(connection: Any) -> None:
        commit(connection)
        if writing:
            writing.clear()
            points()

    event.listen(engine, "commit", before)
    engine.dialect.do_commit = do_commit


def in_child(work: Callable[[], None]) -> int:
    """Run in a fork; the wait status."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


def campaign(world: Any, runner: Run, round_no: int, kill_at: int) -> int:
    """One round in a child that is killed at a point; the wait status."""

    def work() -> None:
        points = Points(kill_at)
        vendor = simulated.load(simulated.Params.model_validate(world.vendor), world.ws, None)
        ctx = world.context(vendor=Watched(vendor, points))
        watch(ctx, points)
        row = ctx.ledger.rounds.current("tiny")
        if row is None or row.round_no < round_no or row.state != "REPORTED":
            runner(ctx)
        (world.root / "points").write_text(str(points.seen))
        ctx.close()

    return in_child(work)


@dataclass(frozen=True)
class End:
    """What must not depend on any kill."""

    fingerprint: str
    folder: str
    labels: str
    charges: tuple[tuple[str, int], ...]


def end(world: Any, round_no: int) -> End:
    with world.context() as ctx:
        charges = tuple(sorted((c.key, c.amount_micros) for c in world.book.charges()))
        accrued = tuple(sorted((c.key, c.amount_micros) for c in ctx.ledger.money.lines("tiny")))
        assert charges == accrued
        assert len({key for key, _ in charges}) == len(charges)
        assert ctx.ledger.rounds.get("tiny", round_no).sealed_sha256 == sha256_tree(world.ws.sealed(round_no))
        assert not list(world.ws.rounds.glob(".*"))
        return End(
            ctx.ledger.fingerprint("tiny"),
            sha256_tree(world.ws.sealed(round_no)),
            sha256_file(world.ws.labels),
            charges,
        )


@pytest.mark.slow
@pytest.mark.parametrize("round_no", [1, 2])
def test_killed_anywhere(world: Any, runner: Run, tmp_path_factory: Any, round_no: int) -> None:
    for earlier in range(1, round_no):
        world.batch(world.pool()[4 * earlier - 4 : 4 * earlier])
        with world.context() as ctx:
            runner(ctx)
    world.batch(world.pool()[4 * round_no - 4 : 4 * round_no])
    base = Path("/dev/shm") if Path("/dev/shm").is_dir() else tmp_path_factory.getbasetemp()
    room = base / f"tailfirst-kill-{os.getpid()}-{round_no}"

    def copy() -> Any:
        shutil.rmtree(room, ignore_errors=True)
        shutil.copytree(world.root, room)
        return type(world)(room, world.vendor, world.round, world.money, world.clock)

    try:
        calm = copy()
        assert campaign(calm, runner, round_no, kill_at=0) == 0
        want, n_points = end(calm, round_no), int((calm.root / "points").read_text())
        assert n_points > 60
        assert n_points < 250
        for kill_at in range(1, n_points + 1):
            shaken = copy()
            status = campaign(shaken, runner, round_no, kill_at)
            assert os.WIFSIGNALED(status), kill_at
            assert campaign(shaken, runner, round_no, kill_at=0) == 0, kill_at
            assert end(shaken, round_no) == want, kill_at
    finally:
        shutil.rmtree(room, ignore_errors=True)
