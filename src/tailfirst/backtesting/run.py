"""A grid from its file to its results: plan (everything is checked), run what is missing, write.

The flow in flows/ calls these steps; nothing here knows an orchestrator.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailfirst import __version__, artifacts, gitrepo
from tailfirst.backtesting import builders, cells, pages, plots, tables, workers, worlds
from tailfirst.backtesting.arms import Arm, arms_of, reference_of
from tailfirst.backtesting.cells import Cell
from tailfirst.backtesting.grid import Grid, load
from tailfirst.backtesting.results import Origin, Results, finished
from tailfirst.backtesting.tables import SHOWN
from tailfirst.backtesting.workers import Done
from tailfirst.config import Settings
from tailfirst.errors import PoolExhausted


@dataclass(frozen=True, slots=True)
class Opened:
    """A task that is ready: its workspace, the digest of its world, its labels per round."""

    task: str
    root: Path
    digest: str
    budget: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked grid and where its files lie."""

    grid: Grid
    arms: tuple[Arm, ...]
    reference: Arm
    path: Path  # the grid's file
    root: Path

    @property
    def folder(self) -> Path:
        """Where finished cells lie."""
        return self.root / "work" / "backtest" / self.grid.name / "cells"


def plan(path: Path, root: Path, settings: Settings) -> Plan:
    """Read and check a grid; nothing is written.

    Raises:
        ConfigError: The grid is wrong.
        Unavailable: A builder lacks its data.
        TaskFolderError: A task's folder is no workspace.
    """
    grid = load(path)
    arms = arms_of(grid)
    reference = reference_of(grid, arms)
    builders.check(grid.tasks, root, settings)
    return Plan(grid, arms, reference, path, root)


def open_task(planned: Plan, task: str, settings: Settings) -> Opened:
    """Make or open one task and make sure that its pool is large enough.

    Raises:
        PoolExhausted: A seed's part of the pool is smaller than all that will be bought.
    """
    grid = planned.grid
    ws, _ = builders.open_task(task, grid.tasks[task], planned.root, settings)
    whole = worlds.read(ws.root)
    world = worlds.long_tailed(whole, grid.tasks[task].long_tail)
    budget = worlds.budget_of(grid, world)
    size = round(grid.pool_share * len(world.item_ids))
    first = max(len(worlds.starting(world, grid.start, grid.pool_share, seed)) for seed in grid.seeds)
    if size < grid.rounds * budget + first:
        raise PoolExhausted(
            f"task {task}: {grid.rounds} rounds of {budget} labels and a start of {first} need "
            f"{grid.rounds * budget + first} items, a seed's part of the pool has {size}"
        )
    return Opened(task, ws.root, worlds.digest_of(whole), budget)


def cells_of(planned: Plan, opened: Sequence[Opened]) -> tuple[Cell, ...]:
    """All cells, task by task, so that a worker loads a task once."""
    code = cells.code_digest()
    return tuple(
        Cell(one.task, one.root, one.digest, arm, seed, planned.grid.rounds, one.budget, planned.grid, code)
        for one in opened
        for arm in planned.arms
        for seed in planned.grid.seeds
    )


def missing(planned: Plan, every: Sequence[Cell]) -> tuple[Cell, ...]:
    """Cells without a finished file; equal cells under two labels are run once."""
    todo = {cell.identity: cell for cell in every if cells.read(planned.folder, cell) is None}
    return tuple(todo.values())


def run(planned: Plan, todo: Sequence[Cell], jobs: int, done: Callable[[Done], None]) -> tuple[tuple[str, str], ...]:
    """Run cells in processes; the names and errors of those that failed."""
    failed: list[tuple[str, str]] = []

    def note(ended: Done) -> None:
        if ended.error is not None:
            failed.append((ended.cell.name, ended.error))
        done(ended)

    workers.run_all(todo, planned.folder, jobs, note)
    return tuple(sorted(failed))


def gather(
    planned: Plan, opened: Sequence[Opened], every: Sequence[Cell], failed: Sequence[tuple[str, str]]
) -> Results:
    """All finished cells with their origin."""
    origin = Origin(
        planned.grid.name,
        planned.grid.seeds,
        {one.task: one.digest for one in opened},
        commit(),
        cells.code_digest(),
        f"python -m flows.backtest --grid {_short(planned.path)}",
    )
    found = finished([(cell, cells.read(planned.folder, cell)) for cell in every])
    return Results(planned.grid, origin, planned.arms, planned.reference, found, tuple(failed))


def write(results: Results, out: Path) -> Path:
    """Write tables, CSV files and charts into `out/<grid>`; the folder.

    Everything but `timing.md` and `seconds.csv` is the same whenever the cells are.
    """
    folder = out / results.grid.name
    texts = {
        "README.md": pages.markdown(results),
        "timing.md": pages.timing(results),
        "points.csv": tables.csv_text(results.origin, tables.points(results)),
        "summary.csv": tables.csv_text(results.origin, tables.summary(results)),
        "seconds.csv": tables.csv_text(results.origin, tables.seconds(results)),
    }
    for name, text in texts.items():
        artifacts.write_bytes(folder / name, text.encode())
    for task in results.tasks:
        for metric in SHOWN:
            artifacts.write_bytes(folder / f"{task}-{metric}.svg", plots.learning_curves(results, task, metric))
    return folder


def commit() -> str:
    """The commit of the source, with `+` behind it when it differs; the version where it lies in no repository."""
    source = Path(__file__).parents[1]
    if gitrepo.top_level(source) is None:
        return f"none (tailfirst {__version__})"
    return gitrepo.revision(source).text


def default_jobs() -> int:
    """The cores that this process may use."""
    count = getattr(os, "sched_getaffinity", None)
    return len(count(0)) if count else os.cpu_count() or 1


def described(planned: Plan, every: Sequence[Cell], todo: Sequence[Cell]) -> str:
    """A sentence on what will be run."""
    tasks, arms, seeds = len(planned.grid.tasks), len(planned.arms), len(planned.grid.seeds)
    return f"{len(every)} cells ({tasks} task(s), {arms} arms, {seeds} seeds); {len(todo)} to run"


def _short(path: Path) -> str:
    """The path as a reader types it: relative to the current folder, or the bare name."""
    full = path.resolve()
    return full.relative_to(Path.cwd()).as_posix() if full.is_relative_to(Path.cwd()) else full.name


def seconds_of(result: dict[str, Any]) -> float:
    """Wall seconds of a finished cell."""
    return float(sum(point["acquire_s"] + point["adapt_s"] for point in result["points"]))
