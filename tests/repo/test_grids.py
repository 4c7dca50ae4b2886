"""The grids that ship: they are whole, and follow the protocol of methods.md section 9."""

from pathlib import Path

import pytest
import yaml

from tailfirst import plugins
from tailfirst.backtesting.arms import arms_of, reference_of
from tailfirst.backtesting.grid import Grid

GRIDS = sorted((Path(__file__).parents[2] / "benchmarks" / "grids").glob("*.yaml"))


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_a_shipped_grid_is_whole(path):
    grid = Grid.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert grid.name == path.stem
    arms = arms_of(grid)
    assert reference_of(grid, arms) in arms
    assert len(grid.seeds) >= 5
    assert grid.rounds >= 6
    used = [("acquisition", arm.acquisition) for arm in arms] + [("adaptation", arm.adapting) for arm in arms]
    for kind, plugin in used:
        if plugin.plugin in plugins.names(kind):
            plugin.params(kind)


def test_a_grid_without_a_strategy_that_is_missing_here_is_checked_whole():
    """`-all` grids name every strategy that the project plans; the others need nothing that is not there."""
    for path in (path for path in GRIDS if not path.stem.endswith("-all")):
        Grid.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))).check_plugins()
