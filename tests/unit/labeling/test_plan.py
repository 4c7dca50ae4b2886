from typing import Any

import pyarrow as pa
import pytest

from tailfirst import schemas
from tailfirst.artifacts import sha256_file, write_parquet
from tailfirst.errors import CheckFailed, UserError
from tailfirst.labeling import plan


def refused(world: Any, ctx: Any, items: list[str], match: str) -> None:
    world.batch(items)
    with pytest.raises(CheckFailed, match=match):
        plan.freeze(ctx)
    assert ctx.ledger.rounds.current("tiny") is None


def test_freeze_makes_one_task_per_row(world: Any, ctx: Any) -> None:
    world.batch(world.pool()[:4])
    assert plan.freeze(ctx) == "round 1 planned: 1 AUDIT, 3 TRAIN items"
    row = ctx.ledger.rounds.current("tiny")
    tasks = ctx.ledger.tasks.list("tiny", 1)
    assert row.state == "SELECTED"
    assert row.batch_sha256 == sha256_file(world.ws.batch)
    assert [t.item_id for t in tasks] == world.pool()[:4]
    assert [t.rank for t in tasks] == [0, 1, 2, 3]
    assert {t.attempt for t in tasks} == {1}
    assert tasks[0].inclusion_probability == 0.25


def test_freeze_twice_is_one_round(world: Any, ctx: Any) -> None:
    world.batch(world.pool()[:4])
    plan.freeze(ctx)
    before = ctx.ledger.fingerprint("tiny")
    assert "holds this batch already" in plan.freeze(ctx)
    assert ctx.ledger.fingerprint("tiny") == before


def test_another_batch_while_a_round_is_open_is_refused(world: Any, ctx: Any) -> None:
    world.batch(world.pool()[:4])
    plan.freeze(ctx)
    world.batch(world.pool()[4:8])
    with pytest.raises(UserError, match="round 1 is SELECTED"):
        plan.freeze(ctx)


def test_no_batch_and_empty_batch(world: Any, ctx: Any) -> None:
    with pytest.raises(UserError, match="no batch at"):
        plan.freeze(ctx)
    write_parquet(world.ws.batch, schemas.BATCH.empty_table())
    with pytest.raises(UserError, match="is empty"):
        plan.freeze(ctx)


def test_refused_items(world: Any, ctx: Any) -> None:
    pool = world.pool()
    held = schemas.read(world.ws.items, schemas.ITEMS)["item_id"].to_pylist()[-1]
    refused(world, ctx, [*pool[:2], held], "1 are holdout")
    refused(world, ctx, [*pool[:2], pool[0]], "1 are in it twice")
    refused(world, ctx, [*pool[:2], "f" * 20], "1 are not in items.parquet")


@pytest.mark.parametrize("purpose", ["TRAIN", "AUDIT", "SEED"])
def test_labeled_items_are_refused(world: Any, ctx: Any, purpose: str) -> None:
    row = {"item_id": world.pool()[0], "class_id": "heron", "round_no": 0, "purpose": purpose}
    write_parquet(world.ws.labels, pa.Table.from_pylist([row], schema=schemas.LABELS))
    refused(world, ctx, world.pool()[:3], "1 are labeled")


def test_changed_item_and_wrong_purpose_are_refused(world: Any, ctx: Any) -> None:
    world.batch(world.pool()[:2])
    table = schemas.read(world.ws.batch, schemas.BATCH)
    rows = table.to_pylist()
    rows[0]["item_sha256"] = "1" * 64
    rows[1]["purpose"] = "GOLDEN"
    write_parquet(world.ws.batch, pa.Table.from_pylist(rows, schema=schemas.BATCH))
    with pytest.raises(
        CheckFailed, match=r"1 changed since the batch was chosen .*; 1 have no purpose of TRAIN, AUDIT"
    ):
        plan.check(ctx)


def test_in_flight_items_are_refused(world: Any, ctx: Any) -> None:
    world.batch(world.pool()[:4])
    plan.freeze(ctx)
    with pytest.raises(CheckFailed, match="4 are in flight"):
        plan.check(ctx)


def test_gate_on_the_batch_is_asked(world: Any) -> None:
    class Strict:
        def batch(self, df: Any) -> None:
            raise CheckFailed(f"{len(df)} rows do not please")

    world.batch(world.pool()[:4])
    with world.context(gates=Strict()) as ctx, pytest.raises(CheckFailed, match="4 rows"):
        plan.freeze(ctx)
