"""All versions of a workspace's ontology, oldest first, and where a class id of an older one is now.

`data/ontology/NNNN-<slug>.yaml` are the migrations, `data/ontology/before/NNNN-<slug>.yaml` the bytes of task.yaml that
each replaced. Applied are those that lead to the version of task.yaml: a file beside them changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tailfirst.errors import OntologyError
from tailfirst.ontology.change import Moved, migrated, move
from tailfirst.ontology.migration import Migration, load_migration
from tailfirst.paths import Workspace
from tailfirst.task import Task, load_task


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration that was applied, and the task before it."""

    name: str  # e.g. 0002-wheels
    migration: Migration
    before: Task


@dataclass(frozen=True, slots=True)
class Versions:
    """The way from the oldest version to that of task.yaml."""

    applied: tuple[Applied, ...]  # oldest first
    task: Task  # of task.yaml

    @classmethod
    def of(cls, ws: Workspace) -> "Versions":
        """Read the workspace's versions.

        Raises:
            TaskFolderError: task.yaml cannot be read.
            OntologyError: A migration or an older task cannot be read, or they do not fit.
        """
        return versions_of(ws, load_task(ws.task))

    @classmethod
    def if_any(cls, ws: Workspace) -> "Versions | None":
        """The same; None in a workspace whose ontology never changed."""
        return cls.of(ws) if ws.ontology_before.exists() else None

    @property
    def names(self) -> tuple[str, ...]:
        """Version names, oldest first."""
        return (*(one.migration.origin for one in self.applied), self.task.ontology_version)

    def at(self, version: str | None) -> Task | None:
        """The task of a version; None where no migration knows it."""
        if version == self.task.ontology_version:
            return self.task
        return next((one.before for one in self.applied if one.migration.origin == version), None)

    def until(self, version: str) -> "Versions":
        """The same way, ended at an older version.

        Raises:
            OntologyError: No such version.
        """
        if version not in self.names:
            raise OntologyError(f"no ontology version {version!r}; there are {', '.join(self.names)}")
        place = self.names.index(version)
        return self if place == len(self.applied) else Versions(self.applied[:place], self.applied[place].before)

    def move(self, class_id: str, version: str | None = None) -> Moved:
        """Where a class id is in the newest version.

        Args:
            class_id: As it was given.
            version: Under which; None or unknown: the oldest version that has the class.
        """
        place = self.names.index(version) if version in self.names else self._oldest(class_id)
        for one in self.applied[place:]:
            found = move(class_id, one.migration)
            if found.class_id is None:
                return replace(found, by=one.name)
            class_id = found.class_id
        return Moved(class_id)

    def _oldest(self, class_id: str) -> int:
        tasks = [*(one.before for one in self.applied), self.task]
        return next((place for place, task in enumerate(tasks) if class_id in task.class_ids), len(self.applied))


def task_at(ws: Workspace, version: str) -> Task:
    """The task of a version that is or was in force: what a round asks that was planned under it.

    Raises:
        OntologyError: No such version here.
    """
    versions = Versions.of(ws)
    task = versions.at(version)
    if task is None:
        raise OntologyError(
            f"no ontology version {version!r} in {ws.task}; there are {', '.join(versions.names)}: a version changes "
            "by `tailfirst ontology apply`, not by hand"
        )
    return task


def versions_of(ws: Workspace, task: Task) -> Versions:
    """The way to a task that was read already.

    Raises:
        OntologyError: A migration or an older task cannot be read, or they do not fit.
    """
    known = {one.migration.to: one for one in _kept(ws)}
    way: list[Applied] = []
    at = task.ontology_version
    while (step := known.pop(at, None)) is not None:
        way.insert(0, step)
        at = step.migration.origin
    _fit(way, task)
    return Versions(tuple(way), task)


def _kept(ws: Workspace) -> list[Applied]:
    found = []
    for path in sorted(ws.ontology_before.glob("[!.]*.yaml")):
        migration, before = load_migration(ws.ontology / path.name), load_task(path)
        if before.ontology_version != migration.origin:
            raise OntologyError(
                f"{path} is of version {before.ontology_version!r}, {ws.ontology / path.name} starts at "
                f"{migration.origin!r}; `dvc checkout` restores data/"
            )
        found.append(Applied(path.stem, migration, before))
    return found


def _fit(way: Sequence[Applied], task: Task) -> None:
    """Class ids must be those that the migrations lead to: an id changed by hand would lose its labels."""
    for place, one in enumerate(way):
        after = way[place + 1].before if place + 1 < len(way) else task
        made = migrated(one.before, one.migration)
        if lost := sorted(set(made.class_ids) - set(after.class_ids)):
            raise OntologyError(
                f"version {after.ontology_version!r} lacks class(es) {', '.join(lost)} that migration {one.name} left; "
                "classes change by `tailfirst ontology apply`, not by hand"
            )


def slug_of(path: Path) -> str:
    """The name of a migration without number and ending."""
    stem = path.stem
    head, _, rest = stem.partition("-")
    return (rest or "change") if head.isdigit() else stem
