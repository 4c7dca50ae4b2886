"""dvc.yaml of this repository equals the table of stages, and the table names all the source that a stage runs."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tailfirst import pipeline, versioning
from tailfirst.paths import Workspace
from tests.support import stage_code

ROOT = Path(__file__).parents[2]
WS = Workspace(ROOT)
DVC_YAML = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def test_dvc_yaml_is_made_from_the_table():
    assert (ROOT / "dvc.yaml").read_text(encoding="utf-8") == pipeline.dvc_yaml(WS), "python -m tailfirst dvc-yaml"


@pytest.mark.parametrize("name", [row.name for row in pipeline.STAGES])
def test_paths_are_those_of_the_workspace(name):
    """The table is text; paths.py is what the stages use."""
    row, ws = pipeline.stage(name), Workspace(Path())
    known = {
        (path if callable(path := getattr(ws, attribute)) is False else path("${key}")).as_posix()
        for attribute in dir(Workspace)
        if not attribute.startswith("_") and attribute != "sealed"
    }
    known |= {(ws.embeddings / "manifest.json").as_posix(), (ws.work / "candidates").as_posix()}
    assert [path for path in (*row.deps, *row.maybe, *row.outs) if path not in known] == []


@pytest.mark.parametrize("name", [row.name for row in pipeline.STAGES])
def test_a_stage_depends_on_all_the_source_that_it_runs(name):
    listed = pipeline.stage(name).code

    def is_covered(file):
        return file in stage_code.FREE or any(file == path or file.startswith(path + "/") for path in listed)

    assert sorted(file for file in stage_code.reached(name) if not is_covered(file)) == []


@pytest.mark.parametrize("name", [row.name for row in pipeline.STAGES])
def test_a_stage_depends_on_no_source_that_it_does_not_run(name):
    """An edit of the report must not embed ten million images again."""
    reached = stage_code.reached(name)
    everywhere = {*pipeline.SHARED, "stages.py", "demo/model"}
    idle = [p for p in pipeline.stage(name).code if not any(f == p or f.startswith(p + "/") for f in reached)]
    assert set(idle) <= everywhere


def test_listed_source_exists():
    paths = [ROOT / path for row in DVC_YAML.values() for path in row.get("do", row)["deps"] if path.startswith("src/")]
    assert [path for path in paths if not path.exists()] == []


def test_what_dvc_needs_in_a_clone_is_tracked_and_what_it_makes_is_not():
    done = subprocess.run(
        ["git", "ls-files", *versioning.TRACKED, "work", "state", "data"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    tracked = set(done.stdout.split())
    assert {".dvc/config", ".dvc/.gitignore", ".dvcignore", "dvc.yaml", "params.yaml"} <= tracked
    assert not any(path.startswith(("work/", "state/", "data/")) for path in tracked)


def test_dvc_talks_to_nobody_by_itself():
    assert (ROOT / ".dvc" / "config").read_text(encoding="utf-8").startswith(versioning.CONFIG)
