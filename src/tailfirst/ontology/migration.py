"""A migration: the steps from one version of the ontology to the next, as people write them in YAML.

from: "1"
to: "2"
steps:
  - rename: {class: heron, to: grey_heron}
  - merge: {classes: [bicycle, unicycle], into: cycle}
  - split: {class: umbrella, into: [rain_umbrella, {id: parasol, definition: against the sun}]}
  - retire: {class: kite}
  - add: {class: stork, name: white stork, synonyms: [stork bird]}
"""

from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tailfirst import plugins
from tailfirst.errors import OntologyError
from tailfirst.task import ClassEntry, entry_of


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True, populate_by_name=True)


class Rename(_Strict):
    """Another id for the same class; every label moves along."""

    class_id: str = Field(alias="class")
    to: str
    name: str | None = None  # None: as it was, unless it was the id made readable


class Merge(_Strict):
    """Two classes or more become one; `into` is one of them or a new class."""

    classes: tuple[str, ...] = Field(min_length=2)
    into: ClassEntry

    @field_validator("into", mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return entry_of(value)


class Split(_Strict):
    """A class becomes several: nobody knows which for an old label, so its item is asked again."""

    class_id: str = Field(alias="class")
    into: tuple[ClassEntry, ...] = Field(min_length=2)

    @field_validator("into", mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return [entry_of(one) for one in value] if isinstance(value, list) else value


class Retire(_Strict):
    """A class ends: its labels no longer train, its items are not asked again."""

    class_id: str = Field(alias="class")


class Add(_Strict):
    """A new class, at the end of the list."""

    class_id: str = Field(alias="class")
    name: str | None = None
    synonyms: tuple[str, ...] = ()
    definition: str = ""


class Step(_Strict):
    """One change: exactly one of the five."""

    rename: Rename | None = None
    merge: Merge | None = None
    split: Split | None = None
    retire: Retire | None = None
    add: Add | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = self.model_fields_set
        if len(given) != 1 or self.change is None:
            raise ValueError(f"a step is one of {', '.join(type(self).model_fields)}; found {sorted(given) or 'none'}")
        return self

    @property
    def change(self) -> Rename | Merge | Split | Retire | Add | None:
        """The one that is given."""
        return self.rename or self.merge or self.split or self.retire or self.add


class Migration(_Strict):
    """The way from version `from` to version `to`; steps in order, each on what the one before it left."""

    origin: str = Field(alias="from", min_length=1)
    to: str = Field(min_length=1)
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _another_version(self) -> Self:
        if self.origin == self.to:
            raise ValueError(f"from and to are both {self.to!r}; a migration makes another version")
        return self

    @property
    def changes(self) -> tuple[Rename | Merge | Split | Retire | Add, ...]:
        """The changes in order."""
        return tuple(step.change for step in self.steps if step.change is not None)


def load_migration(path: Path) -> Migration:
    """Read a migration.

    Raises:
        OntologyError: Missing, unreadable or wrong; names every mistake and the keys there are.
    """
    if not path.is_file():
        beside = sorted(p.name for p in path.parent.glob("*.yaml"))[:8] if path.parent.exists() else []
        raise OntologyError(f"no migration at {path}; beside it: {', '.join(beside) or 'no YAML file'}")
    try:
        value: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise OntologyError(f"{path} is not readable YAML: {error}") from error
    if value is None:
        raise OntologyError(f"{path} is empty; a migration has from, to and steps: docs/ontology.md shows one")
    try:
        return Migration.model_validate(value)
    except ValidationError as error:
        raise OntologyError(plugins.explain(path.name, _Known, error)) from error


class _Known(BaseModel):
    """The keys of a migration as people write them, for messages."""

    model_config = ConfigDict(extra="allow")
    steps: object = None
