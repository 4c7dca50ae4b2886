"""Cells in MLflow: a run each, found again, grouped by tags, curves over labels."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tailfirst.backtesting import logged
from tailfirst.config import Settings
from tailfirst.paths import Workspace
from tailfirst.trackers import _backtest, mlflow
from tests.support import grids

SETTINGS = Settings(_env_file=None)
NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root = tmp_path_factory.mktemp("grid")
    return grids.run_all(grids.make(root, seeds=[1]), root, root / "out")[1]


def runs(ws, kind):
    client = mlflow.load(ws, SETTINGS).client()
    experiment = client.get_experiment_by_name("backtest-small")
    return client, client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'")


def test_every_cell_is_a_run_below_its_arm(results, tmp_path):
    ws = Workspace(tmp_path)
    report = logged.grid_report(results, NOW)
    assert _backtest.log_grid(ws, SETTINGS, report) == f"{len(results.cells)} runs in experiment backtest-small"
    client, found = runs(ws, "cell")
    parents = {run.info.run_id: run for run in runs(ws, "arm")[1]}
    assert len(found) == len(results.cells)
    assert len(parents) == len(results.arms)
    for run in found:
        tags = run.data.tags
        assert parents[tags["mlflow.parentRunId"]].data.tags["strategy"] == tags["strategy"]
        assert {"task", "adaptation", "retrieval", "seed", "profile", "data", "code", "grid"} <= set(tags)
    one = next(run for run in found if run.data.tags["strategy"] == "margin" and run.data.tags["seed"] == "1")
    accuracy = client.get_metric_history(one.info.run_id, "accuracy")
    cost = client.get_metric_history(one.info.run_id, "cost")
    assert [m.step for m in accuracy] == [m.step for m in cost] == [0, 16, 32]
    assert [m.value for m in cost] == pytest.approx([0, 0.8, 1.6])
    assert one.data.params["seed"] == "1"
    assert one.data.params["strategy.plugin"] == "margin"


def test_logging_again_makes_no_twin_and_adds_no_point(results, tmp_path):
    ws = Workspace(tmp_path)
    report = logged.grid_report(results, NOW)
    _backtest.log_grid(ws, SETTINGS, report)
    _backtest.log_grid(ws, SETTINGS, report)
    client, found = runs(ws, "cell")
    assert len(found) == len(results.cells)
    assert len(client.get_metric_history(found[0].info.run_id, "accuracy")) == 3


def test_a_killed_run_is_completed(results, tmp_path):
    ws = Workspace(tmp_path)
    report = logged.grid_report(results, NOW)
    client = mlflow.load(ws, SETTINGS).client()
    experiment = client.create_experiment("backtest-small")
    half = replace(report.cells[0], points=report.cells[0].points[:1])
    _backtest._cell(client, experiment, report, half, _backtest._arm(client, experiment, report, half.task, half.arm))
    run = client.search_runs([experiment], "tags.kind = 'cell'")[0].info.run_id
    client.update_run(run, status="RUNNING")
    _backtest.log_grid(ws, SETTINGS, report)
    assert len(runs(ws, "cell")[1]) == len(results.cells)
    assert [m.step for m in client.get_metric_history(run, "accuracy")] == [0, 16, 32]


def test_cells_of_older_code_stay_but_are_not_current(results, tmp_path):
    ws = Workspace(tmp_path)
    report = logged.grid_report(results, NOW)
    _backtest.log_grid(ws, SETTINGS, report)
    newer = replace(report, cells=[replace(cell, identity=f"new-{cell.identity}") for cell in report.cells])
    _backtest.log_grid(ws, SETTINGS, newer)
    _, found = runs(ws, "cell")
    assert sorted(run.data.tags["current"] for run in found) == ["false"] * len(results.cells) + ["true"] * len(
        results.cells
    )


def test_another_tracker_is_told(results, tmp_path):
    memory = SETTINGS.model_copy(update={"tracker": "memory"})
    said = _backtest.log_grid(Workspace(tmp_path), memory, logged.grid_report(results, NOW))
    assert said == "not logged: the tracker is memory"
