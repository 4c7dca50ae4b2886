"""A grid file -> frozen models: tasks, arms, seeds, rounds. Everything is checked before anything runs."""

from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from tailfirst import plugins
from tailfirst.config import Plugin, Section
from tailfirst.errors import ConfigError
from tailfirst.evaluation.metrics import NAMES

LABEL = r"^[a-z0-9][a-z0-9_.-]{0,39}$"
BUILDERS = ("demo", "banking77", "caltech101")


class LongTail(Section):
    """A balanced task made long-tailed: pool and caption counts fall exponentially over classes in a drawn order."""

    imbalance: float = Field(ge=1)  # items (and captions) of the most frequent class over those of the rarest
    captions: int = Field(2000, ge=0)  # matching captions of the most frequent class
    seed: int = Field(0, ge=0)  # of the order of the classes and of the items that stay; the same for all arms


class Source(Section):
    """Where a task comes from: a workspace with an oracle, or a builder that makes one."""

    folder: Path | None = None  # relative to --root
    builder: Literal["demo", "banking77", "caltech101"] | None = None
    long_tail: LongTail | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.folder is None) == (self.builder is None):
            raise ValueError(f"a task is either `folder: PATH` or `builder: NAME` ({', '.join(BUILDERS)})")
        return self


class Start(Section):
    """Labels that every arm of a seed has before the first round; bought like any other."""

    rule: Literal["none", "random", "per_class"] = "none"  # per_class knows the truth, as published protocols do
    labels: int | None = Field(None, ge=1)  # random: in all; per_class: of each class

    @model_validator(mode="after")
    def _counted(self) -> Self:
        if (self.rule == "none") != (self.labels is None):
            raise ValueError("`labels` goes with the rules random and per_class, and with these only")
        return self


class ArmOf(Section):
    """One arm by the labels of its parts."""

    strategy: str
    adaptation: str
    retrieval: bool = True


class Profile(Section):
    """A named pair; each part is a label of the grid or a plugin with options."""

    strategy: str | Plugin
    adaptation: str | Plugin
    retrieval: bool = True


class Grid(Section):
    """Tasks x arms x seeds, and how each campaign runs."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    tasks: dict[str, Source] = Field(min_length=1)
    strategies: dict[str, Plugin] = Field(default_factory=dict)  # label -> plugin with options
    adaptations: dict[str, Plugin] = Field(default_factory=dict)
    retrieval: tuple[bool, ...] = (True,)  # with open data, without, or both
    arms: tuple[ArmOf, ...] | None = None  # null: strategies x adaptations x retrieval
    profiles: dict[str, Profile] = Field(default_factory=dict)  # arms beside those
    reference: str | None = None  # the arm that others are compared with; null: the first
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)  # a number n stands for 0 .. n-1
    rounds: int = Field(6, ge=1)
    budget: int | Literal["classes"] = "classes"  # labels per round; classes: one per class
    pool_share: float = Field(0.8, gt=0, le=1)  # of the pool; each seed has its own part
    start: Start = Start()
    noise: float = Field(0.0, ge=0, le=0.5)  # share of answers that name the most similar class instead
    cold_start: str = "kmeans"  # strategy while there is no model
    targets: dict[str, float] = Field(default_factory=dict)  # metric -> level; default: where random ends
    price: Decimal = Field(Decimal("0.05"), ge=0)  # of one label
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    level: float = Field(0.95, gt=0.5, lt=1)  # of every interval

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, value: object) -> object:
        return tuple(range(value)) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("tasks", "strategies", "adaptations", "profiles")
    @classmethod
    def _labels(cls, value: dict[str, Any]) -> dict[str, Any]:
        import re

        if strange := [name for name in value if not re.match(LABEL, name)]:
            raise ValueError(f"names are lower case letters, digits, `_`, `.` and `-`; not {', '.join(strange)}")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError("seeds: at least one, each once, none negative")
        if isinstance(self.budget, int) and self.budget < 1:
            raise ValueError("budget: at least 1, or `classes`")
        if len(set(self.retrieval)) < len(self.retrieval) or not self.retrieval:
            raise ValueError("retrieval: [true], [false] or [true, false]")
        if unknown := sorted(set(self.targets) - set(NAMES)):
            raise ValueError(f"targets: no metric {', '.join(unknown)}; known: {', '.join(NAMES)}")
        return self

    def check_plugins(self) -> None:
        """Validate every plugin's options.

        Raises:
            ConfigError: Unknown plugin or option.
        """
        plugins.load("acquisition", self.cold_start)
        for strategy in self.strategies.values():
            strategy.params("acquisition")
        for adaptation in self.adaptations.values():
            adaptation.params("adaptation")
        for profile in self.profiles.values():
            if isinstance(profile.strategy, Plugin):
                profile.strategy.params("acquisition")
            if isinstance(profile.adaptation, Plugin):
                profile.adaptation.params("adaptation")


def load(path: Path) -> Grid:
    """Read and validate a grid.

    Raises:
        ConfigError: Missing, unreadable or wrong; names every mistake and the keys there are.
    """
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the grid {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"the grid {path} is not readable YAML: {' '.join(str(error).split())}") from error
    if not isinstance(value, dict):
        found = "nothing" if value is None else type(value).__name__
        raise ConfigError(f"the grid {path} must be a mapping; found {found}; known keys: {_keys(Grid)}")
    try:
        grid = Grid.model_validate(value)
    except ValidationError as error:
        raise ConfigError(f"the grid {path}: " + "; ".join(_explain(e) for e in error.errors())) from error
    grid.check_plugins()
    return grid


MODELS: dict[str, type[BaseModel]] = {
    "tasks": Source,
    "long_tail": LongTail,
    "start": Start,
    "arms": ArmOf,
    "profiles": Profile,
}


def _explain(mistake: Any) -> str:
    """One mistake with its place, what was found, and for an unknown key the keys there are."""
    place = ".".join(map(str, mistake["loc"])) or "the whole"
    said = mistake["msg"].removeprefix("Value error, ")
    if mistake["type"] == "missing":
        return f"{place} is missing"
    if mistake["type"] == "extra_forbidden":
        within = next((MODELS[part] for part in reversed(mistake["loc"][:-1]) if part in MODELS), Grid)
        return f"no key {place}; known keys here: {_keys(within)}"
    found = "" if isinstance(mistake["input"], dict) else f" (found {mistake['input']!r})"
    return f"{place}: {said}{found}"


def _keys(model: type[BaseModel]) -> str:
    return ", ".join(model.model_fields)
