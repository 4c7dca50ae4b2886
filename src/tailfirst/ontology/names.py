"""What a name means that comes from a vendor: a class of this version, or one of an older version, moved (row 17)."""

from dataclasses import dataclass

from tailfirst.ontology.versions import Versions


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a version and of all before it. Satisfies `port.Ontology`."""

    versions: Versions

    @property
    def version(self) -> str:
        """The version in which `resolve` answers."""
        return self.versions.task.ontology_version

    def resolve(self, name: str) -> str | None:
        """The class that an id, name or synonym of this version means, else of the newest older one that knows it."""
        task = self.versions.task
        found = task.resolve(name)
        if found is not None or task.is_doubtful(name):
            return found
        return self._moved(name)[0]

    def why_not(self, name: str) -> str:
        """What became of a name that means nothing any more, or ""."""
        return self._moved(name)[1]

    def _moved(self, name: str) -> tuple[str | None, str]:
        for one in reversed(self.versions.applied):
            old = one.before.resolve(name)
            if old is not None:
                found = self.versions.move(old, one.migration.origin)
                why = f"{found.ended} of class {old} in migration {found.by}" if found.class_id is None else ""
                return found.class_id, why
        return None, ""
