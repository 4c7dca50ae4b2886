"""A round with the real gates at the ledger's doors."""

from dataclasses import replace
from typing import Any


def test_round_with_great_expectations(world: Any, runner: Any) -> None:
    bad = world.pool()[3]
    faults = [{"name": "label_changed", "rate": 0.5}, {"name": "label_unknown_class", "items": [bad]}]
    world.round["overlap"] = 3
    world.vendor.update(faults=faults, hours_per_poll=3)
    world.batch(world.pool()[:4], n_audit=2)
    with world.context() as bare:
        ctx = replace(bare, given_gates=None)
        runner(ctx)
        found = {check.suite: (check.success, check.rows) for check in ctx.ledger.checks.list("tiny", 1)}
        states = ctx.ledger.rounds.counts("tiny", 1)
    n_labels = len(world.labels())
    assert found == {"batch": (True, 4), "deliveries": (True, 9), "labels": (True, n_labels)}
    assert states["ACCEPTED"] == n_labels
    assert bad not in {r["item_id"] for r in world.labels()}
