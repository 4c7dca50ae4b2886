"""The classes of a new task: from a file, or from the labels that were found."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from tailfirst.errors import TaskFolderError, UserError
from tailfirst.intake.records import InitRequest
from tailfirst.task import DEFAULT_TEMPLATES, ClassDef, Modality, Task, readable


def make_task(request: InitRequest, name: str, modality: Modality, labels: Iterable[str]) -> Task:
    """The task from `--classes` (or, without it, from the labels found, sorted) and `--synonyms`.

    Raises:
        UserError: No class anywhere, an unreadable file, synonyms of an unknown class, or classes that mean the same.
    """
    classes = read_classes(request.classes) if request.classes else _from_labels(labels)
    templates = request.templates or DEFAULT_TEMPLATES[modality]
    try:
        task = Task(name, modality, request.ontology_version, classes, templates)
    except TaskFolderError as error:
        where = request.classes or "the labels that were found; --classes FILE says which classes there are"
        raise TaskFolderError(f"{error} (classes from {where})") from error
    return _with_synonyms(task, request.synonyms) if request.synonyms else task


def read_classes(path: Path) -> tuple[ClassDef, ...]:
    """Classes in file order: txt (one per line), json or yaml (list of ids or mappings, or {id: name}, or a task.yaml).

    Raises:
        UserError: Missing, unreadable, empty, or another shape.
    """
    value = _read(path)
    if isinstance(value, dict) and isinstance(value.get("classes"), list):
        value = value["classes"]
    if isinstance(value, dict):
        value = [{"id": key, "name": name} for key, name in value.items()]
    if not isinstance(value, list) or not value:
        raise UserError(f"{path} must hold a list of classes; found {type(value).__name__} {str(value)[:60]!r}")
    return tuple(_class(path, row, entry) for row, entry in enumerate(value, 1))


def _class(path: Path, row: int, entry: Any) -> ClassDef:
    if isinstance(entry, str | int | float) and not isinstance(entry, bool):
        return ClassDef(str(entry), readable(str(entry)))
    keys = {"id", "name", "synonyms", "definition"}
    if not isinstance(entry, dict) or entry.get("id") is None or set(entry) - keys:
        raise UserError(
            f"{path}, class {row}: found {entry!r}; wanted an id, or a mapping of {', '.join(sorted(keys))}"
        )
    synonyms = entry.get("synonyms") or []
    if not isinstance(synonyms, list):
        raise UserError(f"{path}, class {row}: synonyms must be a list; found {synonyms!r}")
    one = str(entry["id"])
    name = str(entry.get("name") or readable(one))
    return ClassDef(one, name, tuple(map(str, synonyms)), str(entry.get("definition") or ""))


def _from_labels(labels: Iterable[str]) -> tuple[ClassDef, ...]:
    ids = sorted(set(labels), key=lambda text: (len(text), text) if text.isdigit() else (0, text))
    if not ids:
        raise UserError(
            "no class is known: give --classes FILE, or labels "
            "(--label-column, --labels-from-folders, --holdout-images)"
        )
    return tuple(ClassDef(one, readable(one)) for one in ids)


def _with_synonyms(task: Task, path: Path) -> Task:
    value = _read(path)
    if not isinstance(value, dict) or not all(isinstance(v, list) for v in value.values()):
        raise UserError(f"{path} must map class ids to lists of synonyms; found {str(value)[:60]!r}")
    found = {task.resolve(str(key)): value[key] for key in value}
    unknown = [str(key) for key in value if task.resolve(str(key)) is None]
    if unknown:
        known = ", ".join(task.class_ids[:12])
        raise TaskFolderError(f"{path} names unknown classes: {', '.join(unknown[:10])}; known: {known}, ...")
    classes = [
        replace(c, synonyms=tuple(dict.fromkeys((*c.synonyms, *map(str, found.get(c.id, ())))))) for c in task.classes
    ]
    return Task(task.name, task.modality, task.ontology_version, tuple(classes), task.templates)


def _read(path: Path) -> Any:
    if not path.is_file():
        raise UserError(f"no file {path}")
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".txt":
            return [line.strip() for line in text.splitlines() if line.strip()]
        if path.suffix == ".json":
            return json.loads(text)
        if path.suffix in {".yaml", ".yml"}:
            return yaml.safe_load(text)
    except (UnicodeDecodeError, json.JSONDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    raise UserError(
        f"{path}: classes and synonyms are read from .txt, .json, .yaml; found {path.suffix or 'no suffix'!r}"
    )
