"""Eight workers on one campaign at once, without the tick's lease: one order, every item paid once, the books agree."""

from dataclasses import replace
from pathlib import Path

import pytest

from tailfirst.ledger import Ledger
from tests.support.hammer import hammer
from tests.support.vendors import harness_simulated
from tests.support.vendors.world import World, check_books, sealed_record, write_folder

WORKERS = 8


@pytest.mark.slow
def test_eight_workers_pay_once(tmp_path: Path, ledger_url: str) -> None:
    root = tmp_path / "workspace"
    write_folder(root)
    world = World(root, harness_simulated.make_kit(root, hours_per_poll=12))
    world.batch(range(40), n_audit=2)
    said = hammer(root, ledger_url, WORKERS)
    assert all(one.startswith("done") for one in said), said
    with world.context() as made, Ledger.open(ledger_url) as ledger:
        ctx = replace(made, ledger=ledger)
        (row,) = ledger.rounds.all("kit")
        assert row.state == "REPORTED"
        check_books(world, ctx)
        assert len(ledger.money.lines("kit")) == 40
    assert len(world.labels()) + len(sealed_record(world, 1)["unlabeled"]) == 40
