"""What a migration does to a task's classes, and to one class id. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tailfirst.errors import OntologyError
from tailfirst.ontology.migration import Add, Merge, Migration, Rename, Retire, Split
from tailfirst.task import ClassDef, Task, fold, readable

Change = Rename | Merge | Split | Retire | Add


@dataclass(frozen=True, slots=True)
class Moved:
    """Where a class id of an older version went: to a class, or nowhere, with the step that ended it."""

    class_id: str | None
    ended: str = ""  # split | retire
    by: str = ""  # the migration's name


def migrated(task: Task, migration: Migration) -> Task:
    """The task of the next version: same templates and order, changed classes.

    Raises:
        OntologyError: It starts at another version, or a step names a class that is not there (or is there already).
    """
    if task.ontology_version != migration.origin:
        raise OntologyError(
            f"the migration goes from version {migration.origin!r} to {migration.to!r}; the task is at version "
            f"{task.ontology_version!r}"
        )
    classes = task.classes
    for number, change in enumerate(migration.changes, 1):
        try:
            classes = _changed(classes, change)
        except OntologyError as error:
            raise OntologyError(f"step {number} ({_kind(change)}): {error}") from error
    return replace(task, ontology_version=migration.to, classes=classes)


def move(class_id: str, migration: Migration) -> Moved:
    """Where a class id of version `from` is in version `to`."""
    for change in migration.changes:
        if isinstance(change, Rename) and change.class_id == class_id:
            class_id = change.to
        elif isinstance(change, Merge) and class_id in change.classes:
            class_id = change.into.id
        elif isinstance(change, Split | Retire) and change.class_id == class_id:
            return Moved(None, _kind(change))
    return Moved(class_id)


def _kind(change: Change) -> str:
    return type(change).__name__.lower()


def _changed(classes: tuple[ClassDef, ...], change: Change) -> tuple[ClassDef, ...]:
    if isinstance(change, Rename):
        return _renamed(classes, change)
    if isinstance(change, Merge):
        return _merged(classes, change)
    if isinstance(change, Split):
        _find(classes, change.class_id)
        return _put(classes, (change.class_id,), tuple(one.definite() for one in change.into))
    if isinstance(change, Retire):
        _find(classes, change.class_id)
        return _put(classes, (change.class_id,), ())
    new = ClassDef(change.class_id, change.name or readable(change.class_id), change.synonyms, change.definition)
    _free(classes, (new,))
    return (*classes, new)


def _renamed(classes: tuple[ClassDef, ...], change: Rename) -> tuple[ClassDef, ...]:
    old = _find(classes, change.class_id)
    kept = readable(change.to) if old.name in {old.id, readable(old.id)} else old.name
    return _put(classes, (old.id,), (replace(old, id=change.to, name=change.name or kept),))


def _merged(classes: tuple[ClassDef, ...], change: Merge) -> tuple[ClassDef, ...]:
    """The merged class keeps every name of the old ones as a synonym: what is looked for stays the same."""
    if len(set(change.classes)) < len(change.classes):
        raise OntologyError(f"a class stands twice in {', '.join(change.classes)}")
    olds = [_find(classes, one) for one in change.classes]
    kept = next((old for old in olds if old.id == change.into.id), None)
    given = change.into.definite()
    base = given if kept is None or change.into.name else replace(given, name=kept.name)
    names = [*base.synonyms, *(text for old in olds for text in (old.name, *old.synonyms))]
    definition = base.definition or (kept.definition if kept else "")
    new = replace(base, synonyms=_distinct(names, without=(base.id, base.name)), definition=definition)
    return _put(classes, change.classes, (new,))


def _put(classes: tuple[ClassDef, ...], out: Sequence[str], new: tuple[ClassDef, ...]) -> tuple[ClassDef, ...]:
    """The classes with `new` in the place of the first of `out`."""
    rest = tuple(one for one in classes if one.id not in out)
    _free(rest, new)
    place = next(row for row, one in enumerate(classes) if one.id in out)
    return (*rest[:place], *new, *rest[place:])


def _find(classes: tuple[ClassDef, ...], class_id: str) -> ClassDef:
    found = next((one for one in classes if one.id == class_id), None)
    if found is None:
        raise OntologyError(f"no class {class_id!r} at this point; there are: {_ids(classes)}")
    return found


def _free(classes: tuple[ClassDef, ...], new: tuple[ClassDef, ...]) -> None:
    there = {fold(one.id): one.id for one in classes}
    for one in new:
        if fold(one.id) in there:
            raise OntologyError(f"class {one.id!r} is there already as {there[fold(one.id)]!r}: {_ids(classes)}")
        there[fold(one.id)] = one.id


def _distinct(names: Iterable[str], without: Iterable[str]) -> tuple[str, ...]:
    seen = {fold(name) for name in without}
    found = []
    for name in names:
        if fold(name) not in seen:
            seen.add(fold(name))
            found.append(name)
    return tuple(found)


def _ids(classes: tuple[ClassDef, ...]) -> str:
    return ", ".join(one.id for one in classes[:12]) + (", ..." if len(classes) > 12 else "")
