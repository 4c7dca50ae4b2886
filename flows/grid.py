"""A grid as a flow: open its tasks, run the cells that are missing, write, log."""

from collections.abc import Callable
from pathlib import Path

from prefect import flow
from prefect.logging import get_run_logger

from tailfirst.backtesting import run
from tailfirst.backtesting.results import Results
from tailfirst.backtesting.workers import Done
from tailfirst.config import Settings
from tasks import backtest


@flow(name="tailfirst-backtest", version="1", flow_run_name="{grid}", validate_parameters=False)
def backtest_grid(
    grid: Path, root: Path, out: Path, jobs: int, begin: Callable[[int], Callable[[Done], None]]
) -> Results:
    """Run a grid.

    Args:
        grid: Its file.
        root: Where work/backtest and mlruns lie, and from where task folders are named.
        out: Folder of the results.
        jobs: Processes.
        begin: Told the number of cells to run; gives what is called as each ends.
    """
    log = get_run_logger()
    planned = run.plan(grid, root, Settings())
    opened = [backtest.open_task(planned, name) for name in planned.grid.tasks]
    every = run.cells_of(planned, opened)
    todo = run.missing(planned, every)
    log.info("%s", run.described(planned, every, todo))
    failed = backtest.run_cells(planned, todo, jobs, begin(len(todo)))
    results = run.gather(planned, opened, every, failed)
    log.info("tables and charts in %s", backtest.write_results(results, out))
    log.info("%s", backtest.log_cells(results, root))
    return results
