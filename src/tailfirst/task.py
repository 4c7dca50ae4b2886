"""The task: classes, templates, modality and ontology version, read from and written to data/task.yaml."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tailfirst import artifacts, plugins
from tailfirst.errors import TaskFolderError

Modality = Literal["image", "text", "vector"]  # vector: only rows of data/vectors.npy, nothing to look at
DEFAULT_TEMPLATES: Mapping[str, tuple[str, ...]] = {"image": ("a photo of a {}.",), "text": ("{}",), "vector": ("{}",)}
_JOINERS = re.compile(r"[\s_\-]+")


def fold(name: str) -> str:
    """A name without the differences that never distinguish classes: case, spaces, `-` and `_`."""
    return _JOINERS.sub(" ", unicodedata.normalize("NFKC", name).casefold()).strip()


def readable(class_id: str) -> str:
    """A class id as people would write it: underscores and hyphens become spaces, case stays."""
    return _JOINERS.sub(" ", unicodedata.normalize("NFC", class_id)).strip()


def fill(template: str, name: str) -> str:
    """The prompt of a class name; plain replacement, so a template can never reach into objects."""
    return template.replace("{}", name)


@dataclass(frozen=True, slots=True)
class ClassDef:
    """One class of the ontology."""

    id: str
    name: str
    synonyms: tuple[str, ...] = ()
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """Classes in their fixed order, and how prompts are made of them. Satisfies `port.Ontology`.

    Raises:
        TaskFolderError: Fewer than two classes, ids that differ only in case, space, `-` or `_`, an id, name or synonym
            that is empty or holds control characters, or a template without exactly one `{}`.
    """

    name: str
    modality: Modality
    ontology_version: str
    classes: tuple[ClassDef, ...]
    templates: tuple[str, ...]
    _rows: Mapping[str, int] = field(init=False, repr=False, compare=False)
    _names: Mapping[str, str | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check(self)
        object.__setattr__(self, "_rows", {c.id: row for row, c in enumerate(self.classes)})
        object.__setattr__(self, "_names", _names(self.classes))

    @property
    def class_ids(self) -> tuple[str, ...]:
        """(C,) class ids in task order."""
        return tuple(c.id for c in self.classes)

    @property
    def version(self) -> str:
        """The ontology version, under the name the vendor port uses."""
        return self.ontology_version

    @property
    def digest(self) -> str:
        """Hex sha256 of what a labeler must know: ontology version and classes; templates do not count."""
        classes = [[c.id, c.name, list(c.synonyms), c.definition] for c in self.classes]
        return artifacts.sha256_bytes(artifacts.canonical_json([self.ontology_version, classes]).encode())

    def index(self, class_id: str) -> int:
        """The row of a class in every (C, ...) array.

        Raises:
            TaskFolderError: No such class.
        """
        row = self._rows.get(class_id)
        if row is None:
            known = ", ".join(self.class_ids[:12]) + (", ..." if len(self.classes) > 12 else "")
            raise TaskFolderError(
                f"no class {class_id!r} in task {self.name!r}; its {len(self.classes)} classes: {known}"
            )
        return row

    def resolve(self, name: str) -> str | None:
        """The class that an id, name or synonym means; None where it means none, or more than one.

        Case, spaces, `-` and `_` do not matter. An id wins over a name, a name over a synonym.
        """
        return name if name in self._rows else self._names.get(fold(name))

    def is_doubtful(self, name: str) -> bool:
        """Whether more than one class claims a name, so that `resolve` knows none."""
        return self._names.get(fold(name), "") is None

    def prompts(self, names: Iterable[str]) -> tuple[str, ...]:
        """Every template filled with every name, name by name."""
        return tuple(fill(template, name) for name in names for template in self.templates)


def load_task(path: Path) -> Task:
    """Read task.yaml.

    Raises:
        TaskFolderError: Missing, unreadable or wrong; names every mistake and the keys there are.
    """
    if not path.exists():
        raise TaskFolderError(f"no task at {path}; `tailfirst init` makes one, or say where it is with --root")
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TaskFolderError(f"{path} is not readable YAML: {error}") from error
    try:
        return _TaskFile.model_validate(value).task()
    except ValidationError as error:
        raise TaskFolderError(plugins.explain(path.name, _TaskFile, error)) from error


def save_task(task: Task, path: Path) -> artifacts.Artifact:
    """Write task.yaml whole or not at all; the same task always gives the same bytes."""
    value = {
        "name": task.name,
        "modality": task.modality,
        "ontology_version": task.ontology_version,
        "templates": list(task.templates),
        "classes": [_class_entry(c) for c in task.classes],
    }
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000)
    return artifacts.write_bytes(path, text.encode())


class ClassEntry(BaseModel):
    """A class as people write it in task.yaml: a mapping, or only its id."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    id: str
    name: str | None = None
    synonyms: tuple[str, ...] = ()
    definition: str = ""

    def definite(self) -> ClassDef:
        """The class, with a name made of its id where none is given."""
        return ClassDef(self.id, self.name or readable(self.id), self.synonyms, self.definition)


def entry_of(value: object) -> object:
    """The long form of a class that may be given by its id alone."""
    return {"id": value} if isinstance(value, str | int | float) else value


class _TaskFile(BaseModel):
    """task.yaml as people write it."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    name: str
    modality: Modality
    ontology_version: str = "1"
    templates: tuple[str, ...] | None = Field(None, min_length=1)
    classes: tuple[ClassEntry, ...]

    @field_validator("classes", mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        if not isinstance(value, list):
            return value
        return [entry_of(entry) for entry in value]

    def task(self) -> Task:
        """The checked task."""
        classes = tuple(c.definite() for c in self.classes)
        templates = self.templates or DEFAULT_TEMPLATES[self.modality]
        return Task(self.name, self.modality, self.ontology_version, classes, templates)


def _class_entry(one: ClassDef) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": one.id, "name": one.name}
    if one.synonyms:
        entry["synonyms"] = list(one.synonyms)
    if one.definition:
        entry["definition"] = one.definition
    return entry


def _names(classes: tuple[ClassDef, ...]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    levels = ([(c, (c.id,)) for c in classes], [(c, (c.name,)) for c in classes], [(c, c.synonyms) for c in classes])
    for level in levels:
        here: dict[str, str | None] = {}
        for one, names in level:
            for name in map(fold, names):
                here[name] = one.id if here.get(name, one.id) == one.id else None  # None: two classes claim it
        found = here | found
    return found


def _check(task: Task) -> None:
    where = f"task {task.name!r}"
    if task.modality not in get_args(Modality):
        raise TaskFolderError(f"{where}: modality {task.modality!r}; known: {', '.join(get_args(Modality))}")
    if len(task.classes) < 2:
        raise TaskFolderError(f"{where} has {len(task.classes)} class(es); at least 2 are needed to tell apart")
    seen: dict[str, str] = {}
    for one in task.classes:
        for what, text in (("id", one.id), ("name", one.name), *(("synonym", s) for s in one.synonyms)):
            if text != text.strip() or not fold(text) or not text.isprintable() or len(text) > 200:
                raise TaskFolderError(
                    f"{where}: class {what} {text!r} must be 1 to 200 printable characters without spaces at its ends"
                )
        if fold(one.id) in seen:
            raise TaskFolderError(f"{where}: class ids {seen[fold(one.id)]!r} and {one.id!r} mean the same; keep one")
        seen[fold(one.id)] = one.id
    for template in task.templates:
        if template.count("{}") != 1:
            raise TaskFolderError(f"{where}: template {template!r} must hold {{}} once, where the class name goes")
    if not task.templates:
        raise TaskFolderError(f"{where} has no template; for example {DEFAULT_TEMPLATES[task.modality][0]!r}")
