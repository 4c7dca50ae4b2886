"""Results as CSV rows (pure). Wall times stand apart: only they change when cells run again."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tailfirst.backtesting.arms import Arm
from tailfirst.backtesting.cells import Cell
from tailfirst.backtesting.curves import COUNTS, SECONDS, Curves, difference
from tailfirst.backtesting.results import Origin, Results
from tailfirst.contracts import Interval
from tailfirst.evaluation.intervals import over_seeds
from tailfirst.evaluation.metrics import NAMES

SHOWN = ("accuracy", "balanced_accuracy", "tail_accuracy")
SHORT = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "tail_accuracy": "tail",
    "head_accuracy": "head",
    "macro_f1": "macro F1",
    "ece": "ECE",
}
WHO = ("task", "strategy", "adaptation", "retrieval", "profile")
Rows = list[list[str]]


def points(results: Results) -> Rows:
    """Every point of every cell."""
    head = [*WHO, "seed", "round", "labels", "cost", *NAMES, *COUNTS]
    rows = [head]
    for cell, round_no, point in _points(results):
        cost = results.grid.price * point["n_labels"]
        values = [_number(point[name]) for name in (*NAMES, *COUNTS)]
        labels = [str(cell.seed), str(round_no), str(point["n_labels"]), f"{cost:f}"]
        rows.append([*_who(cell.task, cell.arm), *labels, *values])
    return rows


def seconds(results: Results) -> Rows:
    """Wall seconds of every choice and fit; on one thread, beside whatever else the machine did."""
    rows = [[*WHO, "seed", "round", "labels", *SECONDS]]
    for cell, round_no, point in _points(results):
        values = [f"{point[name]:.4f}" for name in SECONDS]
        rows.append([*_who(cell.task, cell.arm), str(cell.seed), str(round_no), str(point["n_labels"]), *values])
    return rows


def summary(results: Results) -> Rows:
    """Means over seeds with intervals, per arm and round, and paired differences to random and to the reference."""
    names = (*NAMES, *COUNTS)
    head = [*WHO, "round", "labels", "seeds"]
    for name in names:
        head += [name, f"{name}_low", f"{name}_high"]
    for rival in ("random", "reference"):
        for name in SHOWN:
            head += [f"{name}_minus_{rival}", f"{name}_minus_{rival}_low", f"{name}_minus_{rival}_high"]
    rows = [head]
    for task in results.tasks:
        found = results.of(task)
        for arm in arms_in(results, found):
            rows += [_summarised(results, task, arm, found, place) for place in range(found[arm.name].labels.shape[1])]
    return rows


def csv_text(origin: Origin, rows: Rows) -> str:
    """CSV with the origin as comment lines before it."""
    out = io.StringIO()
    out.writelines(f"# {line}\n" for line in origin.lines())
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _summarised(results: Results, task: str, arm: Arm, found: Mapping[str, Curves], place: int) -> list[str]:
    one, level = found[arm.name], results.grid.level
    row = [*_who(task, arm), str(place), _number(float(one.labels[:, place].mean())), str(len(one.seeds))]
    for name in (*NAMES, *COUNTS):
        row += _three(over_seeds(one.values[name][:, place], level))
    for rival in (results.control(arm), results.reference):
        for name in SHOWN:
            row += _three(against(results, found, arm, rival, name, place))
    return row


def against(
    results: Results, found: Mapping[str, Curves], arm: Arm, rival: Arm, name: str, place: int
) -> Interval | None:
    """The paired difference of an arm to another at one point; None where the other has no finished cell."""
    if rival.name not in found:
        return None
    return difference(found[arm.name], found[rival.name], name, place, results.grid.level)


def _points(results: Results) -> Iterator[tuple[Cell, int, Mapping[str, Any]]]:
    for cell, result in results.cells:
        for round_no, point in enumerate(result["points"]):
            yield cell, round_no, point


def arms_in(results: Results, found: Mapping[str, Curves]) -> list[Arm]:
    """Arms that have a finished cell, in the order of the grid."""
    return [arm for arm in results.arms if arm.name in found]


def _who(task: str, arm: Arm) -> list[str]:
    return [task, arm.strategy, arm.adaptation, "open" if arm.retrieval else "closed", arm.profile or ""]


def said(found: Interval | None, sign: str = "", digits: int = 3) -> str:
    """As `value [low, high]`; the value alone where a single seed has no spread, a dash where there is nothing."""
    if found is None:
        return "-"
    if found.low == found.high:
        return f"{found.value:{sign}.{digits}f}"
    return f"{found.value:{sign}.{digits}f} [{found.low:{sign}.{digits}f}, {found.high:{sign}.{digits}f}]"


def _three(found: Interval | None) -> list[str]:
    return ["", "", ""] if found is None else [_number(v) for v in (found.value, found.low, found.high)]


def _number(value: float | None) -> str:
    """At most six decimals, none that say nothing; empty where there is no value."""
    return "" if value is None or np.isnan(value) else f"{value:.6f}".rstrip("0").rstrip(".")
