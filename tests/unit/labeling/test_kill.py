"""kill -9 at every line that matters: the rerun ends in the same ledger, the same folder and the same charges.

Points: before and after every commit of the ledger that writes, and after every answer of the vendor. A forked child
runs the campaign and is killed at the n-th point; another child goes on; then everything is compared.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tailfirst import schemas
from tailfirst.artifacts import sha256_file, sha256_tree, write_parquet
from tailfirst.context import worker_name
from tests.support.kills import Points, Watched, in_child, watch

Run = Callable[[Any], list[str]]


def campaign(ctx: Any, runner: Run, round_no: int, kill_at: int) -> int:
    """One round in a child that is killed at a point; the wait status.

    The child inherits the parent's compiled statements (that is most of the time of a round), but no connection.
    """

    def work() -> None:
        points = Points(kill_at)
        ctx.ledger.database.engine.dispose(close=False)
        mine = replace(ctx, vendor=Watched(ctx.vendor, points), worker=worker_name())
        watch(mine, points)
        row = mine.ledger.rounds.current("tiny")
        if row is None or row.round_no < round_no or row.state != "REPORTED":
            runner(mine)
        (mine.ws.root / "points").write_text(str(points.seen))

    return in_child(work)


@dataclass(frozen=True)
class End:
    """What must not depend on any kill."""

    fingerprint: str
    folder: str
    labels: str
    charges: tuple[tuple[str, int], ...]


def end(ctx: Any, round_no: int) -> End:
    charges = tuple(sorted((c.key, c.amount_micros) for c in ctx.vendor.book.charges()))
    accrued = tuple(sorted((c.key, c.amount_micros) for c in ctx.ledger.money.lines("tiny")))
    folder = sha256_tree(ctx.ws.sealed(round_no))
    assert charges == accrued
    assert len({key for key, _ in charges}) == len(charges)
    assert ctx.ledger.rounds.get("tiny", round_no).sealed_sha256 == folder
    assert not list(ctx.ws.rounds.glob(".*"))
    return End(ctx.ledger.fingerprint("tiny"), folder, sha256_file(ctx.ws.labels), charges)


@pytest.mark.slow
@pytest.mark.parametrize("round_no", [1, 2])
def test_killed_anywhere(world: Any, runner: Run, tmp_path_factory: Any, round_no: int) -> None:
    with world.context() as ctx:
        for earlier in range(1, round_no):
            world.batch(world.pool()[4 * earlier - 4 : 4 * earlier])
            runner(ctx)
    world.batch(world.pool()[4 * round_no - 4 : 4 * round_no])
    base = Path("/dev/shm") if Path("/dev/shm").is_dir() else tmp_path_factory.getbasetemp()
    room = base / f"tailfirst-kill-{os.getpid()}-{round_no}"

    def fresh() -> None:
        """The state before the round, at the same place; nobody holds a connection to the old files."""
        ctx.ledger.close()
        shutil.rmtree(room, ignore_errors=True)
        shutil.copytree(world.root, room)

    shutil.copytree(world.root, room)
    copy = type(world)(room, world.vendor, world.round, world.money, clock=world.clock)
    try:
        with copy.context() as ctx:
            runner(ctx)  # warms the compiled statements
            fresh()
            assert campaign(ctx, runner, round_no, kill_at=0) == 0
            want, n_points = end(ctx, round_no), int((room / "points").read_text())
            assert 60 < n_points < 250
            for kill_at in range(1, n_points + 1):
                fresh()
                assert os.WIFSIGNALED(campaign(ctx, runner, round_no, kill_at)), kill_at
                assert campaign(ctx, runner, round_no, kill_at=0) == 0, kill_at
                assert end(ctx, round_no) == want, kill_at
    finally:
        shutil.rmtree(room, ignore_errors=True)


@pytest.mark.slow
def test_killed_in_a_seal_with_gold_second_opinions_and_rework(
    world: Any, runner: Run, stepper: Any, tmp_path_factory: Any
) -> None:
    """Who is not counted, what is superseded and what is reworked come out the same after every kill."""
    world.quality.update(min_gold_accuracy=0.7, min_gold_answers=3, gold_share=0.3)
    world.vendor["annotators"] = [{"id": "a", "skill": 1.0}, {"id": "b", "skill": 0.0}]
    pool, truth = world.pool(), world.truth()
    rows = [{"item_id": item, "class_id": truth[item], "source": "expert:e"} for item in pool[:8]]
    write_parquet(world.ws.gold, pa.Table.from_pylist(rows, schema=schemas.GOLD))

    def purposes(wanted: dict[str, str]) -> None:
        world.batch(list(wanted), n_audit=0)
        table = schemas.read(world.ws.batch, schemas.BATCH).to_pylist()
        made = [row | {"purpose": wanted[row["item_id"]]} for row in table]
        write_parquet(world.ws.batch, pa.Table.from_pylist(made, schema=schemas.BATCH))

    with world.context() as ctx:
        purposes(dict.fromkeys(pool[8:12], "TRAIN"))
        runner(ctx)
        again = dict.fromkeys(pool[8:10], "RELABEL")
        purposes({**dict.fromkeys(pool[:8], "GOLD"), **again, **dict.fromkeys(pool[12:18], "TRAIN")})
        while ctx.ledger.rounds.current("tiny").state != "CLOSING":
            stepper(ctx)
    base = Path("/dev/shm") if Path("/dev/shm").is_dir() else tmp_path_factory.getbasetemp()
    room = base / f"tailfirst-kill-{os.getpid()}-quality"
    shutil.rmtree(room, ignore_errors=True)
    shutil.copytree(world.root, room)
    copy = replace(world, root=room)
    try:
        with copy.context() as ctx:

            def fresh() -> None:
                ctx.ledger.close()
                shutil.rmtree(room, ignore_errors=True)
                shutil.copytree(world.root, room)

            assert campaign(ctx, runner, 2, kill_at=0) == 0
            want, n_points = end(ctx, 2), int((room / "points").read_text())
            states = {task.state for no in (1, 2) for task in ctx.ledger.tasks.list("tiny", no)}
            assert {"ACCEPTED", "SUPERSEDED", "REWORK"} <= states
            for kill_at in range(1, n_points + 1, 2):
                fresh()
                assert os.WIFSIGNALED(campaign(ctx, runner, 2, kill_at)), kill_at
                assert campaign(ctx, runner, 2, kill_at=0) == 0, kill_at
                assert end(ctx, 2) == want, kill_at
    finally:
        shutil.rmtree(room, ignore_errors=True)
