"""What was taken down: the list that init, fetch and retrieval ask, so that nothing on it comes back."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from tailfirst import schemas
from tailfirst.artifacts import sha256_bytes
from tailfirst.paths import Workspace


@dataclass(frozen=True, slots=True)
class Takedowns:
    """The list in memory."""

    ids: frozenset[str] = frozenset()
    shas: frozenset[str] = frozenset()
    urls: frozenset[str] = frozenset()  # sha256 of each

    @classmethod
    def of(cls, ws: Workspace) -> "Takedowns":
        """The list of a workspace; empty where nothing was taken down.

        Raises:
            TaskFolderError: The file cannot be read.
        """
        return cls.read(ws.takedowns) if ws.takedowns.exists() else cls()

    @classmethod
    def read(cls, path: Path) -> "Takedowns":
        """A list from its file.

        Raises:
            TaskFolderError: Missing or unreadable.
        """
        table = schemas.read(path, schemas.TAKEDOWNS)
        return cls(*(frozenset(table[name].drop_null().to_pylist()) for name in ("id", "sha256", "url_sha256")))

    def __bool__(self) -> bool:
        return bool(self.ids or self.shas or self.urls)

    def has_url(self, url: str) -> bool:
        """Whether an address was taken down."""
        return bool(self.urls) and url_key(url) in self.urls

    def hits(self, open_ids: Iterable[str | None], shas: Iterable[str | None]) -> list[bool]:
        """Which rows are on the list, by id or by content."""
        return [one in self.ids or sha in self.shas for one, sha in zip(open_ids, shas, strict=True)]


NOTHING = Takedowns()


def url_key(url: str) -> str:
    """How an address stands in the list."""
    return sha256_bytes(url.strip().encode(errors="surrogatepass"))


def as_table(rows: Iterable[dict[str, object]]) -> pa.Table:
    """Rows with the schema of the list, by id."""
    return pa.Table.from_pylist(sorted(rows, key=lambda row: str(row["id"])), schema=schemas.TAKEDOWNS)
