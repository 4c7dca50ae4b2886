"""Run a grid of simulated campaigns; finished cells are kept, so it can be stopped at any time and run again.

python -m flows.backtest --grid benchmarks/grids/banking77.yaml
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flows import server

if TYPE_CHECKING:
    from tailfirst.backtesting.results import Results
    from tailfirst.backtesting.workers import Done

Begin = Callable[[int], "Callable[[Done], None]"]


def main(argv: list[str] | None = None) -> int:
    """0 all cells are there, 1 some failed, 2 bad input, 130 interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grid", type=Path, required=True, help="the grid's file")
    parser.add_argument("--root", type=Path, default=Path(), help="where work/backtest and mlruns lie")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="where results are written")
    parser.add_argument("--jobs", type=int, help="processes; default: the cores")
    given = parser.parse_args(argv)
    from tailfirst.errors import TailfirstError, UserError

    try:
        return _main(given.grid, given.root.resolve(), given.out, given.jobs)
    except TailfirstError as error:
        sys.stderr.write(f"backtest: {' '.join(str(error).split())}\n")
        return 2 if isinstance(error, UserError) else 1
    except KeyboardInterrupt:
        sys.stderr.write("backtest: interrupted; finished cells are kept, run it again to go on\n")
        return 130


def _main(grid: Path, root: Path, out: Path, jobs: int | None) -> int:
    from tailfirst.backtesting import run
    from tailfirst.config import Settings
    from tailfirst.errors import ConfigError

    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs {jobs}: at least 1")
    run.plan(grid, root, Settings())  # a mistake in the grid shows before a server starts
    os.environ.update(server.environment(root))
    with _server(root):
        results = _run(grid, root, out, jobs or run.default_jobs())
    for error, names in results.failures().items():
        more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
        sys.stderr.write(f"failed: {names[0]}{more}: {error}\n")
    if results.failed:
        sys.stderr.write(f"{len(results.failed)} cell(s) failed; the others are kept and are in the tables\n")
    sys.stdout.write(f"{out / results.grid.name / 'README.md'}\n")
    return 1 if results.failed else 0


@contextmanager
def _server(root: Path) -> Iterator[None]:
    """A local Prefect server, unless PREFECT_API_URL names one."""
    if os.environ.get("PREFECT_API_URL"):
        yield
        return
    with server.running(root) as api:
        os.environ["PREFECT_API_URL"] = api
        try:
            yield
        finally:
            os.environ.pop("PREFECT_API_URL")


def _run(grid: Path, root: Path, out: Path, jobs: int) -> "Results":
    """The flow; imported late, because Prefect reads its settings at import and workers import this module."""
    from flows.grid import backtest_grid

    with _bar() as begin:
        try:
            return backtest_grid(grid, root, out, jobs, begin)
        finally:
            server.flush()


@contextmanager
def _bar() -> Iterator[Begin]:
    """A progress bar on stderr; lines where that is no terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from tailfirst.backtesting.run import seconds_of

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def begin(total: int) -> "Callable[[Done], None]":
            bar, ended = progress.add_task("cells", total=total), 0

            def done(one: "Done") -> None:
                nonlocal ended
                ended += 1
                said = "failed" if one.result is None else f"{seconds_of(one.result):.1f} s"
                if console.is_terminal:
                    progress.advance(bar)
                else:
                    sys.stderr.write(f"{ended}/{total} {one.cell.name}: {said}\n")

            return done

        yield begin


if __name__ == "__main__":
    sys.exit(main())
