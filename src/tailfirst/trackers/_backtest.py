"""Cells of a backtest in MLflow: experiment `backtest-<grid>` > a run per arm > a run per cell.

Metrics have step = labels bought, and the cost is a metric beside them, so that runs can be compared over either.
A cell's key holds the digest of all that changes it: logging it again changes nothing, and a cell of older code or
data stays as a run of its own with the tag `current` = false.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, cast

from tailfirst.config import Settings
from tailfirst.paths import Workspace
from tailfirst.plugins import load
from tailfirst.trackers import _runs
from tailfirst.trackers._runs import Point

if TYPE_CHECKING:
    from mlflow import MlflowClient  # noqa: TID251 - this package is the adapter


@dataclass(frozen=True, slots=True)
class CellReport:
    """One finished cell."""

    identity: str  # digest of everything that changes it
    task: str
    arm: str  # strategy/adaptation/open
    seed: int
    tags: Mapping[str, str]  # what runs are grouped by
    params: Mapping[str, str]
    points: Sequence[Mapping[str, float]]  # each with `labels`, which is also the step


@dataclass(frozen=True, slots=True)
class GridReport:
    """All finished cells of a grid."""

    grid: str
    at: datetime
    tags: Mapping[str, str]  # of every run: commit, command
    cells: Sequence[CellReport]


class _Mlflow(Protocol):
    artifact_location: str | None

    def client(self) -> "MlflowClient":
        """MLflow's client."""


def log_grid(ws: Workspace, settings: Settings, report: GridReport) -> str:
    """Write every cell that is not there yet; a sentence for people."""
    if settings.tracker != "mlflow":
        return f"not logged: the tracker is {settings.tracker}"
    tracker = cast("_Mlflow", load("trackers", "mlflow").load(ws, settings))
    client = tracker.client()
    name = f"backtest-{report.grid}"
    experiment = _runs.experiment(client, name, tracker.artifact_location)
    known = _known(client, experiment)
    parents = {key: _arm(client, experiment, report, *key) for key in dict.fromkeys(_key(c) for c in report.cells)}
    for cell in report.cells:
        if known.get(_cell_key(report, cell)) != "FINISHED":
            _cell(client, experiment, report, cell, parents[_key(cell)])
    _retire(client, experiment, {_cell_key(report, cell) for cell in report.cells})
    return f"{len(report.cells)} runs in experiment {name}"


def _key(cell: CellReport) -> tuple[str, str]:
    return cell.task, cell.arm


def _cell_key(report: GridReport, cell: CellReport) -> str:
    return f"{report.grid}/{cell.task}/{cell.arm}/{cell.seed}/{cell.identity}"


def _arm(client: "MlflowClient", experiment: str, report: GridReport, task: str, arm: str) -> str:
    first = next(cell for cell in report.cells if _key(cell) == (task, arm))
    tags = {**report.tags, **first.tags, "kind": "arm", "grid": report.grid}
    run = _runs.run(client, experiment, f"{report.grid}/{task}/{arm}", f"{task} {arm}", None, tags, report.at)
    client.set_terminated(run, "FINISHED", _runs.millis(report.at))
    return run


def _cell(client: "MlflowClient", experiment: str, report: GridReport, cell: CellReport, parent: str) -> None:
    tags = {**report.tags, **cell.tags, "kind": "cell", "grid": report.grid, "seed": str(cell.seed), "current": "true"}
    key = _cell_key(report, cell)
    run = _runs.run(client, experiment, key, f"{cell.task} {cell.arm} {cell.seed}", parent, tags, report.at)
    points = [
        Point(name, value, int(point["labels"])) for point in cell.points for name, value in sorted(point.items())
    ]
    _runs.log(client, run, cell.params, points, report.at)
    client.set_terminated(run, "FINISHED", _runs.millis(report.at))


def _known(client: "MlflowClient", experiment: str) -> dict[str, str]:
    """Key -> status of every cell's run."""
    return {tags[_runs.KEY]: status for _, tags, status in _cells(client, experiment)}


def _retire(client: "MlflowClient", experiment: str, current: set[str]) -> None:
    """Mark runs of cells that the grid has no longer, because code, data or the grid changed."""
    for run, tags, _ in _cells(client, experiment):
        wanted = str(tags[_runs.KEY] in current).lower()
        if tags.get("current") != wanted:
            client.set_tag(run, "current", wanted)


def _cells(client: "MlflowClient", experiment: str) -> list[tuple[str, Mapping[str, str], str]]:
    found: list[tuple[str, Mapping[str, str], str]] = []
    token = None
    while True:
        page = client.search_runs([experiment], "tags.kind = 'cell'", max_results=1000, page_token=token)
        found += [(run.info.run_id, run.data.tags, run.info.status) for run in page if _runs.KEY in run.data.tags]
        token = page.token
        if not token:
            return found
