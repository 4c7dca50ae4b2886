"""`tailfirst ontology` on a workspace, with the stages that read data/ontology."""

import json

import pyarrow as pa
import pytest
import yaml

from tailfirst import cli, schemas
from tailfirst.__main__ import run_stage
from tailfirst.artifacts import write_parquet
from tailfirst.pipeline import stage_ids
from tests.support import tiny_workspace


@pytest.fixture
def ws(tmp_path):
    made = tiny_workspace.make(tmp_path / "w")
    rows = schemas.read(made.oracle, schemas.LABELED).slice(0, 24).to_pylist()
    seeds = [row | {"round_no": 0, "purpose": "SEED", "ontology_version": "1"} for row in rows]
    for path in (made.seed_labels, made.labels):
        write_parquet(path, pa.Table.from_pylist(seeds, schema=schemas.LABELS))
    return made


def run(ws, capsys, *typed, code=0):
    capsys.readouterr()
    assert cli.run(["--root", str(ws.root), *typed]) == code
    out = capsys.readouterr()
    return out.out + out.err


def migration(ws, *steps):
    path = ws.root / "trees.yaml"
    path.write_text(yaml.safe_dump({"from": "1", "to": "2", "steps": list(steps)}))
    return str(path)


def test_preview_apply_revert(ws, capsys):
    path = migration(ws, {"rename": {"class": "oak", "to": "holm_oak"}}, {"retire": {"class": "yew"}})
    task, labels = ws.task.read_bytes(), ws.labels.read_bytes()
    found = json.loads(run(ws, capsys, "ontology", "preview", path, "--json"))
    assert found["after"] == ["holm_oak", "elm", "ash"]
    assert found["kept"] + found["moved"] + found["closed"] == 24
    assert "oak becomes holm_oak" in run(ws, capsys, "ontology", "preview", path)
    assert (ws.task.read_bytes(), ws.labels.read_bytes()) == (task, labels)
    assert "version 2 is in force: 3 classes" in run(ws, capsys, "ontology", "apply", path)
    kept = schemas.read(ws.labels, schemas.LABELS)
    assert kept.num_rows == found["kept"] + found["moved"]
    assert "back at version 1" in run(ws, capsys, "ontology", "revert")
    assert (ws.task.read_bytes(), ws.labels.read_bytes()) == (task, labels)
    assert "nothing to go back to" in run(ws, capsys, "ontology", "revert", code=2)


def test_a_wrong_migration_ends_with_2_and_changes_nothing(ws, capsys):
    path = migration(ws, {"retire": {"class": "palm"}})
    for verb in ("preview", "apply"):
        said = " ".join(run(ws, capsys, "ontology", verb, path, code=2).split())
        assert "step 1 (retire): no class 'palm' at this point; there are: oak, elm, ash, yew" in said
    assert not ws.ontology.exists()


def test_stages_after_a_split_and_a_retirement(ws, capsys):
    """Items of the retired class are not chosen, those of the split one may be; the holdout measures the rest."""
    split = {"split": {"class": "elm", "into": ["field_elm", "white_elm"]}}
    run(ws, capsys, "ontology", "apply", migration(ws, {"retire": {"class": "oak"}}, split))
    ws.prototypes.unlink()
    params = yaml.safe_load(ws.params.read_text())
    params["candidates"] = {"linear_probe": {"plugin": "linear_probe"}}
    params["acquisition"]["budget"] = 1000
    ws.params.write_text(yaml.safe_dump(params))
    for identity in stage_ids(("linear_probe",)):
        name, _, candidate = identity.partition("@")
        if name != "report":
            run_stage(ws, name, candidate or None)
    seeds = schemas.read(ws.seed_labels, schemas.LABELS).to_pylist()
    of = {c: {row["item_id"] for row in seeds if row["class_id"] == c} for c in tiny_workspace.CLASSES}
    chosen = set(schemas.read(ws.batch, schemas.BATCH)["item_id"].to_pylist())
    assert of["oak"]
    assert of["elm"]
    assert not chosen & (of["oak"] | of["ash"] | of["yew"])
    assert of["elm"] <= chosen
    measured = json.loads(ws.metrics("linear_probe").read_text())
    truth = schemas.read(ws.holdout, schemas.LABELED).to_pylist()
    assert measured["available"]
    assert schemas.read(ws.holdout_predictions("linear_probe"), schemas.HOLDOUT_PREDICTIONS).num_rows == sum(
        row["class_id"] in {"ash", "yew"} for row in truth
    )
