"""The table of stages: its order, its descendants, and the files that are made from it."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tailfirst import code_digest, pipeline
from tailfirst.__main__ import main
from tailfirst.errors import ConfigError
from tailfirst.paths import Workspace
from tests.support import tiny_workspace

CANDIDATES = ("zero_shot", "linear_probe")


@pytest.fixture
def ws(tmp_path):
    return tiny_workspace.make(tmp_path)


def test_stages_come_after_what_they_read():
    names = [row.name for row in pipeline.STAGES]
    for row in pipeline.STAGES:
        assert all(names.index(before) < names.index(row.name) for before in row.after)


def test_every_out_has_one_owner_below_work():
    outs = [out for row in pipeline.STAGES for out in row.outs]
    assert len(set(outs)) == len(outs)
    assert all(out.startswith("work/") for out in outs)
    assert not any(a != b and b.startswith(a + "/") for a in outs for b in outs)


def test_after_names_exactly_the_stages_whose_outs_are_deps():
    for row in pipeline.STAGES:
        makers = {
            other.name
            for other in pipeline.STAGES
            for out in other.outs
            for dep in row.deps
            if out == dep or out.startswith(dep + "/") or dep.startswith(out + "/")
        }
        assert set(row.after) == makers, row.name


def test_stage_ids_are_dvcs_names():
    ids = pipeline.stage_ids(CANDIDATES)
    assert ids[:4] == ("retrieve", "embed", "adapt@zero_shot", "adapt@linear_probe")
    assert ids[-1] == "report"
    assert len(ids) == 6 + 3 * 2


@pytest.mark.parametrize(
    ("stale", "all_of_them"),
    [
        ((), ()),
        (("report",), ("report",)),
        (("choose",), ("choose", "acquire", "control", "report")),
        (
            ("predict@zero_shot",),
            ("predict@zero_shot", "evaluate@zero_shot", "choose", "acquire", "control", "report"),
        ),
        (("retrieve",), pipeline.stage_ids(CANDIDATES)),
    ],
)
def test_descendants_come_with_what_is_stale(stale, all_of_them):
    assert pipeline.with_descendants(stale, CANDIDATES) == all_of_them


@given(st.sets(st.sampled_from(pipeline.stage_ids(CANDIDATES))))
def test_descendants_are_closed_and_in_order(stale):
    found = pipeline.with_descendants(stale, CANDIDATES)
    assert stale <= set(found)
    assert pipeline.with_descendants(found, CANDIDATES) == found
    assert [i for i in pipeline.stage_ids(CANDIDATES) if i in found] == list(found)


def test_an_unknown_stage_is_named_with_those_there_are():
    with pytest.raises(ConfigError, match="known: retrieve, embed"):
        pipeline.stage("train")


# ---- the files ----------------------------------------------------------------------------------------------------


def test_a_workspace_watches_the_digest_of_the_source(ws):
    assert pipeline.write_code_json(ws)
    assert pipeline.write_dvc_yaml(ws)
    made = yaml.safe_load((ws.root / "dvc.yaml").read_text())["stages"]
    assert list(made) == [row.name for row in pipeline.STAGES]
    assert {"code.json": ["choose", "packages"]} in made["choose"]["params"]
    assert made["adapt"]["foreach"] == "${candidates}"
    assert made["adapt"]["do"]["cmd"] == "python -m tailfirst adapt --candidate ${key}"
    digests = json.loads((ws.root / "code.json").read_text())
    assert set(digests) == {row.name for row in pipeline.STAGES} | {"packages"}
    assert not pipeline.write_code_json(ws)
    assert not pipeline.write_dvc_yaml(ws)


def test_the_repository_watches_its_source_files(ws):
    source = ws.root / pipeline.SOURCE
    source.mkdir(parents=True)
    (source / "pipeline.py").touch()
    made = yaml.safe_load(pipeline.dvc_yaml(ws))["stages"]
    assert "src/tailfirst/retrieval" in made["retrieve"]["deps"]
    assert "constraints.txt" in made["retrieve"]["deps"]
    assert not any(isinstance(param, dict) for param in made["retrieve"]["params"])
    assert not pipeline.write_code_json(ws)
    assert not (ws.root / "code.json").exists()


def test_vectors_that_the_user_brought_are_watched_where_there_are_any(ws):
    def deps():
        return yaml.safe_load(pipeline.dvc_yaml(ws))["stages"]["embed"]["deps"]

    assert "data/prototypes.npy" in deps()
    ws.prototypes.unlink()
    assert "data/prototypes.npy" not in deps()


def test_no_stage_switches_the_run_cache_off(ws):
    assert "cache: false" not in pipeline.dvc_yaml(ws)
    assert "always_changed" not in pipeline.dvc_yaml(ws)


def test_a_digest_follows_the_source_and_ignores_what_python_leaves_behind(tmp_path, monkeypatch):
    package = tmp_path / "tailfirst"
    (package / "retrieval").mkdir(parents=True)
    monkeypatch.setattr(code_digest, "__file__", str(package / "code_digest.py"))
    source = package / "retrieval" / "run.py"
    source.write_text("a = 1\n")
    code = {"retrieve": ("retrieval",)}
    ws = Workspace(tmp_path / "ws")
    first = code_digest.code_digests(ws, code)["retrieve"]
    (package / "retrieval" / "__pycache__").mkdir()
    (package / "retrieval" / "__pycache__" / "run.pyc").write_bytes(b"x")
    assert code_digest.code_digests(ws, code)["retrieve"] == first
    source.write_text("a = 2\n")
    assert code_digest.code_digests(ws, code)["retrieve"] != first


def test_the_weights_of_a_local_encoder_count(tmp_path):
    ws = tiny_workspace.make(tmp_path, encoder={"plugin": "clip", "model": "weights"})
    (ws.root / "weights").mkdir()
    weights = ws.root / "weights" / "model.safetensors"
    weights.write_bytes(b"1")
    value = yaml.safe_load(ws.params.read_text())
    value["encoder"] = {"plugin": "clip", "model": "weights"}
    ws.params.write_text(yaml.safe_dump(value))
    code = {row.name: row.code for row in pipeline.STAGES}
    before = code_digest.code_digests(ws, code)
    weights.write_bytes(b"2")
    after = code_digest.code_digests(ws, code)
    assert {name for name in before if before[name] != after[name]} == {"retrieve", "embed", "adapt", "control"}


# ---- python -m tailfirst ---------------------------------------------------------------------------------------------


def test_a_stage_runs_from_the_command_line(ws, capsys):
    for name, candidate in (("retrieve", None), ("embed", None), ("adapt", "zero_shot")):
        extra = ["--candidate", candidate] if candidate else []
        assert main([name, "--root", str(ws.root), *extra]) == 0
    assert (ws.model("zero_shot") / "model.json").exists()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["adapt"], "no candidate None in params.yaml; known: zero_shot, linear_probe"),
        (["adapt", "--candidate", "gpt"], "no candidate 'gpt'"),
        (["embed", "--candidate", "zero_shot"], "leave out --candidate"),
        (["predict", "--candidate", "zero_shot"], "run the stages `retrieve` and `embed` first"),
    ],
)
def test_bad_input_ends_with_2_and_says_why(ws, capsys, arguments, why):
    assert main([*arguments, "--root", str(ws.root)]) == 2
    assert why in capsys.readouterr().err


def test_no_workspace_ends_with_2(tmp_path, capsys):
    assert main(["embed", "--root", str(tmp_path)]) == 2
    assert "params.yaml" in capsys.readouterr().err


def test_an_unknown_stage_ends_with_2(capsys):
    with pytest.raises(SystemExit) as end:
        main(["train"])
    assert end.value.code == 2
    assert "retrieve" in capsys.readouterr().err


def test_the_files_can_be_written_from_the_command_line(ws):
    assert main(["dvc-yaml", "--root", str(ws.root)]) == 0
    assert (ws.root / "dvc.yaml").exists()
    assert (ws.root / "code.json").exists()
