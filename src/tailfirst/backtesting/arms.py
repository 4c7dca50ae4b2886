"""The arms of a grid: a strategy, an adaptation, with or without open data. Random arms are never left out."""

from dataclasses import dataclass, replace

from tailfirst import plugins
from tailfirst.backtesting.grid import ArmOf, Grid
from tailfirst.config import Plugin
from tailfirst.errors import ConfigError

CONTROLS = ("random", "stratified_random")  # methods.md section 9: always; the second where it is installed


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to run a campaign, with the labels that tables show."""

    strategy: str
    adaptation: str
    retrieval: bool
    acquisition: Plugin
    adapting: Plugin
    profile: str | None = None

    @property
    def name(self) -> str:
        """strategy/adaptation/open or strategy/adaptation/closed (without open data)."""
        return f"{self.strategy}/{self.adaptation}/{'open' if self.retrieval else 'closed'}"

    @property
    def setting(self) -> tuple[str, bool]:
        """What a random arm must share with it to be its control."""
        return self.adaptation, self.retrieval


def arms_of(grid: Grid) -> tuple[Arm, ...]:
    """Arms in the order of the grid, then its profiles, then the random controls that were missing.

    Raises:
        ConfigError: A label that the grid does not define, an arm twice, or no arm at all.
    """
    named = grid.arms
    if named is None:
        named = tuple(
            ArmOf(strategy=s, adaptation=a, retrieval=r)
            for r in grid.retrieval
            for a in grid.adaptations
            for s in grid.strategies
        )
    arms = [_arm(grid, one) for one in named] + [_of_profile(grid, name) for name in grid.profiles]
    if not arms:
        raise ConfigError(f"grid {grid.name} has no arm: give strategies and adaptations, arms, or profiles")
    arms = _merged(grid, arms)
    for setting in dict.fromkeys(arm.setting for arm in arms):
        arms += _missing(arms, setting)
    return tuple(arms)


def reference_of(grid: Grid, arms: tuple[Arm, ...]) -> Arm:
    """The arm that others are compared with.

    Raises:
        ConfigError: The grid names an arm that it does not have.
    """
    if grid.reference is None:
        return arms[0]
    for arm in arms:
        if grid.reference in {arm.name, arm.profile}:
            return arm
    raise ConfigError(
        f"grid {grid.name}: reference {grid.reference!r} is no arm; known: {', '.join(arm.name for arm in arms)}"
    )


def control_of(arm: Arm, arms: tuple[Arm, ...]) -> Arm:
    """The random arm with the same adaptation and the same open data."""
    return next(a for a in arms if a.acquisition.plugin == "random" and a.setting == arm.setting)


def _arm(grid: Grid, one: ArmOf) -> Arm:
    return Arm(
        one.strategy,
        one.adaptation,
        one.retrieval,
        _label(one.strategy, grid.strategies, grid, "strategies"),
        _label(one.adaptation, grid.adaptations, grid, "adaptations"),
    )


def _of_profile(grid: Grid, name: str) -> Arm:
    """Parts that stand in the profile itself are labeled with its name.

    Raises:
        ConfigError: That name is a label of another part.
    """
    given = grid.profiles[name]
    for part, known in ((given.strategy, grid.strategies), (given.adaptation, grid.adaptations)):
        if not isinstance(part, str) and name in known:
            raise ConfigError(f"grid {grid.name}: the profile {name} has the name of another strategy or adaptation")
    strategy, adaptation = given.strategy, given.adaptation
    return Arm(
        strategy if isinstance(strategy, str) else name,
        adaptation if isinstance(adaptation, str) else name,
        given.retrieval,
        _label(strategy, grid.strategies, grid, "strategies") if isinstance(strategy, str) else strategy,
        _label(adaptation, grid.adaptations, grid, "adaptations") if isinstance(adaptation, str) else adaptation,
        name,
    )


def _label(label: str, known: dict[str, Plugin], grid: Grid, section: str) -> Plugin:
    if label not in known:
        raise ConfigError(f"grid {grid.name}: {section} has no {label!r}; known: {', '.join(known) or 'none'}")
    return known[label]


def _merged(grid: Grid, arms: list[Arm]) -> list[Arm]:
    """An arm that is also a profile is run once, under the profile's name.

    Raises:
        ConfigError: Two arms with one name, or one label for two different plugins.
    """
    found: dict[str, Arm] = {}
    for arm in arms:
        old = found.get(arm.name)
        if old is None or (arm.profile is not None and replace(arm, profile=None) == old):
            found[arm.name] = arm
        else:
            raise ConfigError(f"grid {grid.name}: the arm {arm.name} stands there twice")
    return list(found.values())


def _missing(arms: list[Arm], setting: tuple[str, bool]) -> list[Arm]:
    inside = [arm for arm in arms if arm.setting == setting]
    there = {arm.acquisition.plugin for arm in inside}
    taken = {arm.strategy for arm in inside}
    wanted = [name for name in CONTROLS if name in plugins.names("acquisition") and name not in there]
    return [
        Arm(name if name not in taken else f"{name}-control", *setting, Plugin(plugin=name), inside[0].adapting)
        for name in wanted
    ]
