"""Which runs belong to a round, and which round to a run."""

import pytest

from tailfirst.config import Settings
from tailfirst.errors import Unavailable
from tailfirst.paths import Workspace
from tailfirst.trackers import _lookup, mlflow
from tests.support import rounds_to_track as rounds


def settings(**given):
    return Settings(_env_file=None, **given)


def test_runs_of_a_round_and_back(tmp_path):
    ws = rounds.workspace(tmp_path)
    tracker = mlflow.load(ws, settings())
    for number in (1, 2):
        tracker.log_round(rounds.report(ws, number, right=0.6))
    found = _lookup.runs_of_round(ws, settings(), "trees", 2)
    assert [(run.kind, run.candidate) for run in found] == [
        ("round", "linear_probe"),
        ("candidate", "linear_probe"),
        ("candidate", "zero_shot"),
    ]
    assert {run.dvc_md5 for run in found} == {f"{2:032x}.dir"}
    assert _lookup.run_of(ws, settings(), "trees", found[1].run_id) == found[1]
    assert _lookup.run_of(ws, settings(), "trees", "f" * 32) is None
    assert _lookup.runs_of_round(ws, settings(), "other", 2) == ()


def test_looking_makes_no_database(tmp_path):
    ws = Workspace(tmp_path)
    assert _lookup.runs_of_round(ws, settings(), "trees", 1) == ()
    assert _lookup.run_of(ws, settings(), "trees", "f" * 32) is None
    assert not (ws.mlruns / "mlflow.db").exists()


def test_a_name_that_is_no_run_id_is_not_looked_up(tmp_path):
    ws = rounds.workspace(tmp_path)
    assert _lookup.run_of(ws, settings(mlflow_uri="http://127.0.0.1:9"), "trees", "x' or '1' = '1") is None


def test_an_unreachable_server_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    ws = rounds.workspace(tmp_path)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        _lookup.runs_of_round(ws, settings(mlflow_uri="http://127.0.0.1:9"), "trees", 1)
