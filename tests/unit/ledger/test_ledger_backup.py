"""A copy is one whole state, and going back to an old one buys nothing twice."""

import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from tailfirst.errors import UserError
from tailfirst.labeling import approve, plan, quote, submit
from tailfirst.ledger import Ledger
from tailfirst.ledger.backup import backup
from tests.support import postgres
from tests.support.ledgers import AT, submitted
from tests.support.vendors import harness_simulated
from tests.support.vendors.world import World, check_books, until, write_folder


def test_copy_is_the_ledger(sqlite_url: str, tmp_path: Path) -> None:
    target = tmp_path / "copies" / "ledger.db"
    with Ledger.open(sqlite_url) as ledger:
        submitted(ledger, 20)
        assert backup(ledger.database, target) == target.stat().st_size > 0
        want = ledger.fingerprint("c")
    with Ledger.open(f"sqlite:///{target}") as copy:
        assert copy.fingerprint("c") == want
    assert sorted(p.name for p in target.parent.iterdir() if "-" not in p.name) == ["ledger.db"]


def test_copy_while_another_writes_is_one_state(sqlite_url: str, tmp_path: Path) -> None:
    """Each round is opened in one transaction: no copy may hold a part of its tasks."""
    stop = threading.Event()
    with Ledger.open(sqlite_url) as ledger:

        def write() -> None:
            for number in range(400):
                if stop.is_set():
                    return
                submitted(ledger, 7, campaign=f"c{number}")

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for n in range(5):
                backup(ledger.database, tmp_path / f"{n}.db")
        finally:
            stop.set()
            writer.join()
    for n in range(5):
        with Ledger.open(f"sqlite:///{tmp_path}/{n}.db") as copy:
            for number in range(400):
                assert len(copy.tasks.list(f"c{number}", 1)) in {0, 7}


def test_refusals(sqlite_url: str, tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    there.write_text("mine")
    (tmp_path / "file").write_text("")
    with Ledger.open(sqlite_url) as ledger:
        with pytest.raises(UserError, match="never overwrites"):
            backup(ledger.database, there)
        with pytest.raises(UserError, match="cannot be written"):
            backup(ledger.database, tmp_path / "file" / "ledger.db")
    assert there.read_text() == "mine"
    with Ledger.open("sqlite:///:memory:") as memory, pytest.raises(UserError, match="pg_dump"):
        backup(memory.database, tmp_path / "x.db")


def world_in(root: Path) -> World:
    write_folder(root)
    world = World(root, harness_simulated.make_kit(root))
    world.batch(range(6))
    return world


def test_going_back_to_an_old_copy_buys_nothing_twice(tmp_path: Path) -> None:
    """The copy is from before the order; the vendor already has it. The keys are the same, so it is found again."""
    world, copy = world_in(tmp_path / "w"), tmp_path / "copy.db"
    with world.context() as ctx:
        for act in (plan.freeze, quote.quote, approve.auto):
            act(ctx)
        backup(ctx.ledger.database, copy)
        submit.submit(ctx)
    for left_over in world.ws.ledger.parent.glob("ledger.db*"):
        left_over.unlink()
    shutil.copy(copy, world.ws.ledger)
    with world.context(worker="after:1") as ctx:
        assert ctx.ledger.rounds.counts("kit", 1) == {"APPROVED": 6}
        until(ctx, "REPORTED", hours=6)
        check_books(world, ctx)
    assert len(world.labels()) == 6


@pytest.mark.postgres
def test_postgresql_dump_and_restore(postgres_cluster: postgres.Cluster, new_postgres_url: str, tmp_path: Path) -> None:
    """The commands of docs/runbook/restore.md; a round goes on in the restored database."""
    tools = postgres.binaries()
    assert tools is not None
    world, dump = world_in(tmp_path / "w"), tmp_path / "ledger.dump"
    database = make_url(new_postgres_url).database
    where = ["-h", str(postgres_cluster.folder), "-U", "tailfirst"]
    with world.context() as made, Ledger.open(new_postgres_url) as ledger:
        ctx = replace(made, ledger=ledger)
        for act in (plan.freeze, quote.quote, approve.auto, submit.submit):
            act(ctx)
        want = ledger.fingerprint("kit")
    run(tools / "pg_dump", *where, "--format=custom", f"--file={dump}", database)
    restored = postgres_cluster.create(f"{database}_again")
    try:
        run(tools / "pg_restore", *where, "--exit-on-error", f"--dbname={database}_again", dump)
        with world.context() as made, Ledger.open(restored) as ledger:
            assert ledger.fingerprint("kit") == want
            ctx = replace(made, ledger=ledger)
            until(ctx, "REPORTED", hours=6)
            check_books(world, ctx)
            assert ledger.rounds.events("kit")[-1].at > AT
    finally:
        postgres_cluster.drop(f"{database}_again")


def run(*command: Any) -> None:
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
