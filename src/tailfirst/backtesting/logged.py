"""Finished cells as the tracker takes them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tailfirst.backtesting.cells import Cell
from tailfirst.backtesting.curves import COUNTS, SECONDS
from tailfirst.backtesting.results import Results
from tailfirst.evaluation.metrics import NAMES
from tailfirst.trackers import flat_params
from tailfirst.trackers._backtest import CellReport, GridReport


def grid_report(results: Results, at: datetime) -> GridReport:
    """Every finished cell with what it is grouped by; cost counts all labels, those of the start included."""
    origin = results.origin
    tags = {"commit": origin.commit, "command": origin.command, "mlflow.source.git.commit": origin.commit.rstrip("+")}
    cells = [_cell(results, cell, result) for cell, result in results.cells]
    return GridReport(origin.grid, at, tags, cells)


def _cell(results: Results, cell: Cell, result: Mapping[str, Any]) -> CellReport:
    arm = cell.arm
    tags = {
        "task": cell.task,
        "strategy": arm.strategy,
        "adaptation": arm.adaptation,
        "retrieval": str(arm.retrieval).lower(),
        "profile": arm.profile or "",
        "data": cell.digest,
        "code": cell.code,
    }
    price = float(results.grid.price)
    points = [_point(point, price) for point in result["points"]]
    params = flat_params({name: value for name, value in cell.key.items() if name not in {"format", "data", "code"}})
    return CellReport(cell.identity, cell.task, arm.name, cell.seed, tags, {**params, "task": cell.task}, points)


def _point(point: Mapping[str, Any], price: float) -> dict[str, float]:
    measured = {name: float(point[name]) for name in (*NAMES, *COUNTS, *SECONDS) if point[name] is not None}
    return {"labels": float(point["n_labels"]), "cost": price * point["n_labels"], **measured}
