"""One cell of a grid: a task, an arm, a seed. Its file is named by a digest of everything that changes it."""

import json
import shutil
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tailfirst import artifacts
from tailfirst.backtesting import worlds
from tailfirst.backtesting.arms import Arm
from tailfirst.backtesting.grid import Grid, Source
from tailfirst.code_digest import source_digest
from tailfirst.config import Plugin
from tailfirst.errors import StaleArtifact, Unavailable
from tailfirst.evaluation.metrics import NAMES
from tailfirst.simulation import Bought, Curve, Point, World, fit, part, simulate

CODE = (
    "acquisition", "adaptation", "evaluation/metrics.py", "evaluation/summary.py", "simulation.py", "vectors.py",
    "backtesting/cells.py", "backtesting/worlds.py",
)  # fmt: skip
FORMAT = 1  # of the file


@dataclass(frozen=True, slots=True)
class Cell:
    """What a worker needs to run one campaign; picklable."""

    task: str
    root: Path  # of the task's workspace
    digest: str  # of its world
    arm: Arm
    seed: int
    rounds: int
    budget: int
    grid: Grid
    code: str

    @property
    def key(self) -> dict[str, Any]:
        """Everything that changes the result; labels do not."""
        grid = self.grid
        return {
            "format": FORMAT,
            "data": self.digest,
            "code": self.code,
            "strategy": _described("acquisition", self.arm.acquisition),
            "adaptation": _described("adaptation", self.arm.adapting),
            "retrieval": self.arm.retrieval,
            "seed": self.seed,
            "rounds": self.rounds,
            "budget": self.budget,
            "pool_share": grid.pool_share,
            "long_tail": None if self.source.long_tail is None else self.source.long_tail.model_dump(mode="json"),
            "noise": grid.noise,
            "start": grid.start.model_dump(mode="json"),
            "cold_start": grid.cold_start,
        }

    @property
    def source(self) -> Source:
        """Where the task comes from."""
        return self.grid.tasks[self.task]

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.task} {self.arm.name} seed {self.seed}"

    @property
    def identity(self) -> str:
        """The digest that names the cell's file."""
        return artifacts.sha256_bytes(artifacts.canonical_json(self.key).encode())[:24]


def code_digest() -> str:
    """Of the source that a cell runs and of the numeric packages."""
    return source_digest(CODE)


@cache
def own_code() -> str:
    """The digest of the source that this process has loaded, taken when its first cell begins."""
    return code_digest()


def place(folder: Path, cell: Cell) -> Path:
    """The cell's file."""
    return folder / f"{cell.identity}.json"


def read(folder: Path, cell: Cell) -> dict[str, Any] | None:
    """A finished cell, or None where it has not been run.

    Raises:
        StaleArtifact: The file does not hold this cell.
    """
    path = place(folder, cell)
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if found.get("key") != cell.key:
        raise StaleArtifact(f"{path} holds another cell than its name says; delete it and run the grid again")
    return found


def run(cell: Cell, folder: Path) -> dict[str, Any]:
    """Simulate the campaign and write the cell's file whole or not at all.

    Raises:
        StaleArtifact: The source or the task changed while the grid ran.
        Unavailable: The adaptation or the strategy lacks what it needs on this task.
        PoolExhausted: The part of the pool is too small.
    """
    if own_code() != cell.code:
        raise StaleArtifact("the source changed while the grid ran; run it again")
    scratch = folder.parent / "scratch" / cell.identity
    world = worlds.long_tailed(_with_scratch(worlds.load(cell.root, cell.digest), scratch), cell.source.long_tail)
    if not cell.arm.retrieval:
        world = worlds.without_open_data(world)
    start = worlds.starting(world, cell.grid.start, cell.grid.pool_share, cell.seed)
    world = worlds.with_mistakes(world, cell.grid.noise, cell.seed)
    curve = simulate(
        world,
        cell.arm.acquisition,
        cell.arm.adapting,
        rounds=cell.rounds,
        budget=cell.budget,
        seed=cell.seed,
        cold_start=cell.grid.cold_start,
        pool_share=cell.grid.pool_share,
        start=start,
    )
    _measured(world, cell, curve)
    result = {
        "key": cell.key,
        "points": [_point(p) for p in curve.points],
        "start": world.item_ids[start].tolist(),
        "rounds": [_bought(one) for one in curve.rounds],
    }
    artifacts.write_json(place(folder, cell), result)
    shutil.rmtree(scratch, ignore_errors=True)
    return result


def _measured(world: World, cell: Cell, curve: Curve) -> None:
    """Make sure that the adaptation gave a model once there were labels; its own words otherwise."""
    if curve.points[-1].scores is None:
        try:
            fit(world, part(world, cell.grid.pool_share, cell.seed)[: cell.budget], cell.arm.adapting, cell.seed)
        except Unavailable as error:
            raise Unavailable(f"{cell.arm.adapting.plugin} cannot be fitted on {cell.task}: {error}") from error


def _bought(one: Bought) -> dict[str, Any]:
    """Items in buying order; one chance for all where it was uniform, null where the pick was deterministic."""
    chances = [None if np.isnan(c) else float(c) for c in one.chances]
    return {"items": one.item_ids.tolist(), "chances": chances[0] if len(set(chances)) == 1 else chances}


def _described(kind: str, plugin: Plugin) -> dict[str, Any]:
    return {"plugin": plugin.plugin, **plugin.params(kind).model_dump(mode="json")}


def _with_scratch(world: World, scratch: Path) -> World:
    """A scratch folder of the cell's own: cells of one seed fit the same labels with different adaptations."""
    source = world.known.source
    if source is None:
        return world
    return replace(world, known=replace(world.known, source=replace(source, scratch=scratch)))


def _point(point: Point) -> dict[str, Any]:
    """Scores, null where there is no model or nothing to measure, then counts and seconds."""
    values = {name: np.nan if point.scores is None else float(point.scores.of(name)[0]) for name in NAMES}
    scores = {name: None if np.isnan(value) else value for name, value in values.items()}
    rest = asdict(replace(point, scores=None))
    del rest["scores"]
    return {**scores, **rest}
