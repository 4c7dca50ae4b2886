"""Small grids on the hand-made workspace of `embedded`."""

from pathlib import Path
from typing import Any

import yaml

from tailfirst.backtesting import run
from tailfirst.backtesting.results import Results
from tailfirst.backtesting.run import Plan
from tailfirst.config import Settings
from tests.support import embedded


def value(**changes: Any) -> dict[str, Any]:
    """A grid of two strategies on one task; the keywords are its keys, None leaves one out."""
    grid: dict[str, Any] = {
        "name": "small",
        "tasks": {"trees": {"folder": "trees"}},
        "strategies": {"tail_first": {"plugin": "tail_first"}, "margin": {"plugin": "margin"}},
        "adaptations": {"linear_probe": {"plugin": "linear_probe"}},
        "seeds": 2,
        "rounds": 2,
        "budget": 16,
    }
    return {key: found for key, found in {**grid, **changes}.items() if found is not None}


def write(root: Path, **changes: Any) -> Path:
    """The grid's file."""
    path = root / "grid.yaml"
    path.write_text(yaml.safe_dump(value(**changes), sort_keys=False), encoding="utf-8")
    return path


def make(root: Path, **changes: Any) -> Path:
    """A workspace `trees` below the root, and the grid's file."""
    root.mkdir(exist_ok=True)
    embedded.build(root / "trees")
    return write(root, **changes)


def settings() -> Settings:
    return Settings(_env_file=None, shared_data=None)


def run_all(path: Path, root: Path, out: Path, jobs: int = 1) -> tuple[Plan, Results, list[str]]:
    """The whole grid without an orchestrator; also the names of the cells that were run."""
    planned = run.plan(path, root, settings())
    opened = [run.open_task(planned, name, settings()) for name in planned.grid.tasks]
    every = run.cells_of(planned, opened)
    ran: list[str] = []
    failed = run.run(planned, run.missing(planned, every), jobs, lambda done: ran.append(done.cell.name))
    results = run.gather(planned, opened, every, failed)
    run.write(results, out)
    return planned, results, ran


def tables(out: Path) -> dict[str, bytes]:
    """Every file of the results but those with wall times."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name not in {"timing.md", "seconds.csv"}
    }
