"""Cells of a grid as curves of its arms, and what stands beside every number: grid, seeds, data, commit, command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tailfirst.backtesting.arms import Arm, control_of
from tailfirst.backtesting.cells import Cell
from tailfirst.backtesting.curves import Curves, curves
from tailfirst.backtesting.grid import Grid

TARGETS = ("accuracy", "balanced_accuracy")  # metrics that get a target where the grid names none


@dataclass(frozen=True, slots=True)
class Origin:
    """Where results come from; stands in every file."""

    grid: str
    seeds: tuple[int, ...]
    data: Mapping[str, str]  # task -> digest of its world
    commit: str
    code: str
    command: str

    def lines(self) -> tuple[str, ...]:
        """One fact a line."""
        data = ", ".join(f"{task} {digest[:16]}" for task, digest in self.data.items())
        return (
            f"grid {self.grid}, seeds {', '.join(map(str, self.seeds))}",
            f"data {data}",
            f"commit {self.commit}, code of the cells {self.code[:16]}",
            f"command {self.command}",
        )


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that the files are made of."""

    grid: Grid
    origin: Origin
    arms: tuple[Arm, ...]
    reference: Arm
    cells: tuple[tuple[Cell, Mapping[str, Any]], ...]  # finished ones, in the order of the grid
    failed: tuple[tuple[str, str], ...]  # name of the cell, its error

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks with at least one finished cell."""
        return tuple(dict.fromkeys(cell.task for cell, _ in self.cells))

    def of(self, task: str) -> dict[str, Curves]:
        """Curves of each arm of a task by the arm's name; arms without a finished cell are not there."""
        found: dict[str, list[tuple[Cell, Mapping[str, Any]]]] = {}
        for cell, result in self.cells:
            if cell.task == task:
                found.setdefault(cell.arm.name, []).append((cell, result))
        return {
            name: curves([cell.seed for cell, _ in rows], [result["points"] for _, result in rows])
            for name, rows in found.items()
        }

    def failures(self) -> dict[str, list[str]]:
        """Error -> names of the cells that it stopped."""
        found: dict[str, list[str]] = {}
        for name, error in self.failed:
            found.setdefault(error, []).append(name)
        return found

    def control(self, arm: Arm) -> Arm:
        """The random arm with the same adaptation and open data."""
        return control_of(arm, self.arms)

    def targets(self, found: Mapping[str, Curves]) -> dict[str, float]:
        """Levels to reach: those of the grid, or where random ends on average (with the reference's adaptation)."""
        if self.grid.targets:
            return dict(self.grid.targets)
        random = found.get(self.control(self.reference).name)
        return {} if random is None else {name: float(np.nanmean(random.last(name))) for name in TARGETS}


def finished(results: Sequence[tuple[Cell, Mapping[str, Any] | None]]) -> tuple[tuple[Cell, Mapping[str, Any]], ...]:
    """The cells that have a result."""
    return tuple((cell, result) for cell, result in results if result is not None)
