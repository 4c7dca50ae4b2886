"""A whole round, plan to seal, on the tiny campaign."""

import json
from typing import Any

import pytest

from tailfirst import schemas
from tailfirst.artifacts import sha256_file, sha256_tree
from tailfirst.labeling import fold


def test_round_from_plan_to_seal(world: Any, ctx: Any, runner: Any) -> None:
    world.batch(world.pool()[:4])
    said = runner(ctx)
    row = ctx.ledger.rounds.get("tiny", 1)
    folder = world.ws.sealed(1)
    summary = json.loads((folder / "round.json").read_text())

    assert row.sealed_sha256 == sha256_tree(folder), said
    assert summary["files"] == {
        p.name: sha256_file(p) for p in folder.iterdir() if p.name not in {"round.json", "events.jsonl"}
    }
    assert (folder / "batch.parquet").read_bytes() == world.ws.batch.read_bytes()
    assert summary["batch_sha256"] == sha256_file(world.ws.batch)
    assert summary["cost_micros"] == 3 * 40_000 + 80_000 == ctx.ledger.money.status("tiny").accrued
    assert summary["metrics_before"]["probe"]["accuracy"]["value"] == 0.5
    assert ctx.ledger.money.status("tiny").reserved == 0
    labels = world.labels()
    assert len(labels) == 4
    assert {r["purpose"] for r in labels} == {"AUDIT", "TRAIN"}
    assert labels == schemas.read(folder / "labels.parquet", schemas.LABELS).to_pylist()
    assert ctx.ledger.rounds.counts("tiny", 1) == {"ACCEPTED": 4}


def test_two_rounds_fold_into_one_label_table(world: Any, ctx: Any, runner: Any) -> None:
    for start in (0, 4):
        world.batch(world.pool()[start : start + 4])
        runner(ctx)
    assert [r["round_no"] for r in world.labels()] == [1] * 4 + [2] * 4
    before = world.ws.labels.read_bytes()
    world.ws.labels.unlink()
    fold.fold(world.ws)
    assert world.ws.labels.read_bytes() == before
    truth = world.truth()
    right = sum(truth[r["item_id"]] == r["class_id"] for r in world.labels())
    assert right >= 6


def test_server_charges_equal_the_ledger(world: Any, ctx: Any, runner: Any) -> None:
    world.batch(world.pool()[:6])
    runner(ctx)
    charged = {c.key: c.amount_micros for c in world.book.charges()}
    ours = {c.key: c.amount_micros for c in ctx.ledger.money.lines("tiny", 1)}
    assert charged == ours
    assert len(charged) == 6


@pytest.mark.parametrize("overlap", [1, 3])
def test_overlap_gives_that_many_annotations(world: Any, runner: Any, overlap: int) -> None:
    world.round["overlap"] = overlap
    with world.context() as ctx:
        world.batch(world.pool()[:4])
        runner(ctx)
        found = ctx.ledger.deliveries.annotations("tiny", 1)
    assert len(found) == 4 * overlap
    assert len({(a.key, a.annotator_id) for a in found}) == len(found)
