"""A grid's steps as tasks. Finished cells lie in files of their own, so nothing is cached here."""

from collections.abc import Callable
from pathlib import Path
from typing import cast
from uuid import UUID

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact

from tailfirst.backtesting import logged, pages, run
from tailfirst.backtesting.cells import Cell
from tailfirst.backtesting.results import Results
from tailfirst.backtesting.run import Opened, Plan
from tailfirst.backtesting.workers import Done
from tailfirst.config import Settings
from tailfirst.context import utc_now
from tailfirst.paths import Workspace
from tailfirst.trackers import _backtest
from tasks.policy import EFFECT


@task(name="open-task", version="1", cache_policy=EFFECT, task_run_name="open-{name}")
def open_task(planned: Plan, name: str) -> Opened:
    """Make or open a task and measure its pool."""
    return run.open_task(planned, name, Settings())


@task(name="run-cells", version="1", cache_policy=EFFECT)
def run_cells(
    planned: Plan, todo: tuple[Cell, ...], jobs: int, done: Callable[[Done], None]
) -> tuple[tuple[str, str], ...]:
    """Run the missing cells in processes, with a progress artifact; names and errors of those that failed."""
    key = f"backtest-{planned.grid.name}-cells"
    shown = cast("UUID", create_progress_artifact(progress=0.0, key=key, description=f"{len(todo)} cells"))
    ended = 0

    def count(one: Done) -> None:
        nonlocal ended
        ended += 1
        update_progress_artifact(artifact_id=shown, progress=100 * ended / len(todo))
        done(one)

    failed = run.run(planned, todo, jobs, count)
    update_progress_artifact(artifact_id=shown, progress=100.0)
    return failed


@task(name="write-results", version="1", cache_policy=EFFECT)
def write_results(results: Results, out: Path) -> Path:
    """Tables, CSV files and charts, and the tables as an artifact."""
    folder = run.write(results, out)
    create_markdown_artifact(markdown=pages.markdown(results), key=f"backtest-{results.grid.name}")
    return folder


@task(name="log-cells", version="1", cache_policy=EFFECT)
def log_cells(results: Results, root: Path) -> str:
    """Every cell as a run of the tracker."""
    return _backtest.log_grid(Workspace(root), Settings(), logged.grid_report(results, utc_now()))
