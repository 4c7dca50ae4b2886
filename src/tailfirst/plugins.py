"""File name = plugin name: a plugin is a module of one of the plugin packages."""

import importlib
import pkgutil
from types import ModuleType

from pydantic import BaseModel, ConfigDict, ValidationError

from tailfirst.errors import ConfigError

KINDS = ("acquisition", "adaptation", "encoders", "vendors", "indexes", "trackers")


class NoParams(BaseModel):
    """For plugins without options: any option is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def names(kind: str) -> tuple[str, ...]:
    """The plugin names of a kind, sorted; files that start with `_` are no plugins."""
    package = importlib.import_module(f"tailfirst.{kind}")
    return tuple(sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")))


def load(kind: str, name: str) -> ModuleType:
    """The module of a plugin.

    Raises:
        ConfigError: No plugin of that name; the message lists the names there are.
    """
    known = names(kind)
    if name not in known:
        raise ConfigError(f"{kind}: no {name!r}; known: {', '.join(known)}")
    return importlib.import_module(f"tailfirst.{kind}.{name}")


def params(kind: str, name: str, given: dict[str, object]) -> BaseModel:
    """The plugin's options, validated by its own `Params` model.

    Raises:
        ConfigError: An unknown or wrong option; the message names it and lists the options there are.
    """
    model: type[BaseModel] = getattr(load(kind, name), "Params", NoParams)
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise ConfigError(explain(f"{kind}.{name}", model, error)) from error


def explain(where: str, model: type[BaseModel], error: ValidationError) -> str:
    """One line per mistake, each with its place, then the keys there are."""
    places = ((".".join(map(str, (where, *e["loc"]))), e) for e in error.errors())
    lines = [f"{place}: {e['msg']} (found {e['input']!r})" for place, e in places]
    return "; ".join(lines) + f"; known keys of {where}: {', '.join(model.model_fields) or 'none'}"
