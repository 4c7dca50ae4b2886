"""Naming gold, and the batch that the stage `acquire` makes with it."""

import pyarrow as pa
import pytest

from tailfirst import cli, schemas
from tailfirst.__main__ import run_stage
from tailfirst.artifacts import write_parquet
from tailfirst.checks.gates import LedgerGates
from tailfirst.context import open_context
from tailfirst.pipeline import stage_ids
from tailfirst.quality.gold import read_gold
from tests.support import tiny_workspace

UNTIL_ACQUIRE = [
    i for i in stage_ids(("zero_shot", "linear_probe")) if i.partition("@")[0] not in {"control", "report"}
]


@pytest.fixture
def ws(tmp_path):
    made = tiny_workspace.make(tmp_path / "w", quality={"gold_share": 0.25})
    rows = schemas.read(made.oracle, schemas.LABELED).slice(0, 24).to_pylist()
    seeds = pa.Table.from_pylist([row | {"round_no": 0, "purpose": "SEED"} for row in rows], schema=schemas.LABELS)
    for path in (made.seed_labels, made.labels):
        write_parquet(path, seeds)
    return made


def run(ws, capsys, *typed, code=0):
    capsys.readouterr()
    assert cli.run(["--root", str(ws.root), *typed]) == code
    out = capsys.readouterr()
    return " ".join((out.out + out.err).split())


def test_seed_labels_become_gold_and_the_batch_shows_some_of_it(ws, capsys):
    assert "10 gold items named; 10 in all" in run(ws, capsys, "gold", "--from-seed", "10")
    gold = read_gold(ws)
    labels = schemas.read(ws.labels, schemas.LABELS)["item_id"].to_pylist()
    assert len(labels) == 14
    assert not gold.keys() & set(labels)
    for identity in UNTIL_ACQUIRE:
        name, _, candidate = identity.partition("@")
        run_stage(ws, name, candidate or None)
    rows = schemas.read(ws.batch, schemas.BATCH).to_pylist()
    assert len(rows) == 8
    assert [row["rank"] for row in rows] == list(range(8))
    shown = [row for row in rows if row["purpose"] == "GOLD"]
    assert len(shown) == 2
    assert {row["item_id"] for row in shown} <= gold.keys()
    assert not gold.keys() & {row["item_id"] for row in rows if row["purpose"] != "GOLD"}
    with open_context(ws.root) as ctx:
        LedgerGates(ctx).batch(schemas.read(ws.batch, schemas.BATCH).to_pandas())
    assert "10 gold items: 10 shown 0 times" in run(ws, capsys, "gold")


def test_gold_of_an_expert_is_checked_whole_before_any_is_written(ws, tmp_path, capsys):
    items = schemas.read(ws.items, schemas.ITEMS).to_pylist()
    pool = [row["item_id"] for row in items if row["role"] == "pool"]
    holdout = next(row["item_id"] for row in items if row["role"] == "holdout")
    table = tmp_path / "answers.csv"
    table.write_text(f"item_id,class\n{pool[0]},Oak\n{holdout},elm\n{pool[1]},birch\nnowhere,elm\n")
    said = run(ws, capsys, "gold", str(table), "--expert", "ann", code=2)
    for why in ("row 3: no class 'birch'", f"item {holdout} is in the holdout", "no item 'nowhere' in the pool"):
        assert why in said
    assert not ws.gold.exists()
    table.write_text(f"item_id,class\n{pool[0]},Oak\n{pool[1]},yew\n")
    assert "needs a name" in run(ws, capsys, "gold", str(table), code=2)
    assert "2 gold items named" in run(ws, capsys, "gold", str(table), "--expert", "ann")
    rows = schemas.read(ws.gold, schemas.GOLD).to_pylist()
    assert {row["item_id"]: row["class_id"] for row in rows} == {pool[0]: "oak", pool[1]: "yew"}
    assert {row["source"] for row in rows} == {"expert:ann"}
    table.write_text(f"item_id,class\n{pool[0]},elm\n")
    assert "0 gold items named, 1 with another answer than before; 2 in all" in run(
        ws, capsys, "gold", str(table), "--expert", "bo"
    )
