"""Options of the fake vendor: those of the simulated company, and what only a service has."""

from collections.abc import Iterator, Mapping, ValuesView
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from tailfirst import plugins
from tailfirst.errors import ConfigError
from tailfirst.vendors._simulated_faults import uniform
from tailfirst.vendors._simulated_params import Params


class Config(Params):
    """`tailfirst fake-vendor --config FILE`."""

    classes: tuple[str, ...] = ()  # without known answers: the truth of an item is drawn from these, by its id
    hours_per_s: float = Field(0.0, ge=0)  # simulated hours that pass by themselves in every second
    callback_tries: int = Field(5, ge=1, le=20)  # how often a callback is sent until one is answered with 2xx
    callback_wait_s: float = Field(0.5, gt=0)  # before the second try; doubled for every further one


class Drawn(Mapping[str, str]):
    """Answers for items that nobody knows: item id -> one of the classes, always the same one."""

    def __init__(self, seed: int, classes: tuple[str, ...]) -> None:
        self._seed = seed
        self._classes = tuple(sorted(set(classes)))

    def __getitem__(self, item_id: str) -> str:
        return self._classes[int(uniform(self._seed, "truth", item_id) * len(self._classes))]

    def __contains__(self, item_id: object) -> bool:
        return isinstance(item_id, str)

    def __iter__(self) -> Iterator[str]:
        """No item is listed: every id has an answer."""
        return iter(())

    def __len__(self) -> int:
        return 0

    def values(self) -> ValuesView[str]:
        """The classes."""
        return dict(enumerate(self._classes)).values()


def read_config(path: Path | None, seed: int | None) -> Config:
    """The options in a YAML file; `seed` wins over the file's.

    Raises:
        ConfigError: Unreadable or wrong.
    """
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"--config {path} cannot be read: {error}") from error
    if not isinstance(value, dict | None):
        raise ConfigError(f"--config {path} must be a mapping; found {type(value).__name__}")
    given = {**(value or {}), **({} if seed is None else {"seed": seed})}
    try:
        return Config.model_validate(given)
    except ValidationError as error:
        raise ConfigError(plugins.explain("fake-vendor", Config, error)) from error
