"""A stage reads only what dvc.yaml says: run alone with its dependencies, it writes the same bytes."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from tailfirst import artifacts, pipeline, schemas
from tailfirst.__main__ import run_stage
from tailfirst.paths import Workspace
from tests.support import tiny_workspace

CANDIDATES = ("zero_shot", "linear_probe")
ALL = pipeline.stage_ids(CANDIDATES)
OTHER = {  # another value for every section that a stage does not list
    "campaign": {"name": "other", "seed": 99},
    "retrieval": {"enabled": False, "cap": 7},
    "evaluation": {"bootstrap": 150, "tail_share": 0.5},
    "choice": {"metric": "accuracy"},
    "acquisition": {"strategy": {"plugin": "random"}, "budget": 5},
    "vendor": {"plugin": "simulated", "seed": 99},
    "round": {"overlap": 3},
    "quality": {"gold_share": 0.2},
    "money": {"currency": "EUR", "cap_round": 9},
    "stopping": {"max_rounds": 9},
    "control": {"seeds": 3},
}


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    ws = tiny_workspace.make(tmp_path_factory.mktemp("full"))
    rows = schemas.read(ws.oracle, schemas.LABELED).slice(0, 16).to_pylist()
    labels = [row | {"round_no": 0, "purpose": "SEED"} for row in rows]
    artifacts.write_parquet(ws.labels, pa.Table.from_pylist(labels, schema=schemas.LABELS))
    for identity in ALL:
        run(ws, identity)
    return ws


def run(ws, identity):
    name, _, candidate = identity.partition("@")
    run_stage(ws, name, candidate or None)


def alone(full, identity, root):
    """A workspace that holds nothing but what the stage lists, and other values in every section it does not list."""
    name, _, candidate = identity.partition("@")
    row, ws = pipeline.stage(name), Workspace(root)
    for dep in (*row.deps, *row.maybe):
        relative = dep.replace(pipeline.KEY, candidate)
        copy(full.root / relative, ws.root / relative)
    params = yaml.safe_load(full.params.read_text())
    listed = {param.split(".")[0] for param in (*row.params, *row.maybe_params)}
    params |= {section: value for section, value in OTHER.items() if section not in listed}
    if any(param.startswith("candidates.") for param in row.params):
        params["candidates"] = {candidate: params["candidates"][candidate]}
    elif "candidates" not in listed:
        params["candidates"] = {candidate or "someone": {"plugin": "linear_probe", "l2": 55.0}}
    ws.params.write_text(yaml.safe_dump(params, sort_keys=False))
    return ws


def copy(source: Path, target: Path):
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


@pytest.mark.parametrize("identity", ALL)
def test_a_stage_needs_only_what_it_lists(full, tmp_path, identity):
    ws = alone(full, identity, tmp_path)
    name, _, candidate = identity.partition("@")
    outs = [out.replace(pipeline.KEY, candidate) for out in pipeline.stage(name).outs]
    for out in outs:
        if (ws.root / out).exists():  # a folder of candidates was copied whole
            shutil.rmtree(ws.root / out) if (ws.root / out).is_dir() else (ws.root / out).unlink()
    run(ws, identity)
    for out in outs:
        assert artifacts.Artifact.of(ws.root / out).sha256 == artifacts.Artifact.of(full.root / out).sha256, out


@pytest.mark.parametrize("identity", ALL)
def test_a_stage_writes_only_its_outs(full, tmp_path, identity):
    ws = alone(full, identity, tmp_path)
    before = files(ws)
    run(ws, identity)
    name, _, candidate = identity.partition("@")
    outs = tuple(out.replace(pipeline.KEY, candidate) for out in pipeline.stage(name).outs)
    strangers = [path for path in files(ws) - before if not path.startswith((*outs, "state/"))]
    assert strangers == []


def files(ws):
    return {path.relative_to(ws.root).as_posix() for path in ws.root.rglob("*") if path.is_file()}


def test_running_a_stage_again_writes_the_same_bytes(full):
    before = {path: artifacts.sha256_file(full.root / path) for path in files(full) if path.startswith("work/")}
    for identity in ALL:
        run(full, identity)
    assert {path: artifacts.sha256_file(full.root / path) for path in before} == before
