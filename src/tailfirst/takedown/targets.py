"""What a request for a take-down means: every item, row, address and content that is the same thing."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from tailfirst import schemas
from tailfirst.errors import UserError
from tailfirst.items import sha256_text
from tailfirst.paths import Workspace
from tailfirst.retrieval import corpus
from tailfirst.takedown.open_rows import all_fetched, identities
from tailfirst.takedown.rows import named

SHA256 = re.compile(r"^[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Marks:
    """The content and the address of an id, where known."""

    sha: str | None
    url: str | None = None


@dataclass(slots=True)
class Targets:
    """Everything that goes. Two things are the same if they have the same bytes (or text) or the same address."""

    item_ids: set[str] = field(default_factory=set)
    open_ids: set[str] = field(default_factory=set)
    shas: set[str] = field(default_factory=set)
    urls: set[str] = field(default_factory=set)  # keys of addresses
    captions: set[str] = field(default_factory=set)  # keys of captions of open rows: their vectors go too
    marks: dict[str, Marks] = field(default_factory=dict)  # of every id that is really here
    sha_of_url: dict[str, str] = field(default_factory=dict)  # what was fetched
    items: pa.Table = field(default_factory=schemas.ITEMS.empty_table)  # rows of items.parquet

    @property
    def ids(self) -> set[str]:
        """Ids of items and of open rows."""
        return self.item_ids | self.open_ids

    @property
    def size(self) -> int:
        """Grows with every new identity."""
        return sum(map(len, (self.item_ids, self.open_ids, self.shas, self.urls)))

    def meet(self, table: pa.Table) -> pa.ChunkedArray:
        """(N,) which rows of identities go; a row goes as soon as one of its marks does."""
        return named(table, {"id": self.open_ids, "sha": self.shas, "url": self.urls})

    def add(self, table: pa.Table) -> None:
        """All marks of the rows of identities that go."""
        part = table.filter(self.meet(table))
        self.captions.update(map(sha256_text, part["caption"].drop_null().to_pylist()))
        for column, known in (("id", self.open_ids), ("sha", self.shas), ("url", self.urls)):
            known.update(part[column].drop_null().to_pylist())
        for row in part.to_pylist():
            if row["id"] is not None:
                self.marks[row["id"]] = Marks(row["sha"], row["url"])
            elif row["url"] is not None and row["sha"] is not None:
                self.sha_of_url[row["url"]] = row["sha"]

    def add_recorded(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """All marks of rows of the list that name something of this take-down: it may be half done."""
        for row in rows:
            marks = {row["id"], row["sha256"], row["url_sha256"]} - {None}
            if marks & (self.ids | self.shas | self.urls):
                self.open_ids.add(row["id"])
                self.item_ids.add(row["id"])
                self.shas |= {row["sha256"]} - {None}
                self.urls |= {row["url_sha256"]} - {None}


def resolve(ws: Workspace, references: Sequence[str], is_text: bool) -> Targets:
    """What goes when these item ids, open ids or sha256 are taken down.

    Ids that an earlier take-down recorded are known, so that one that was killed can be finished.

    Raises:
        UserError: A reference names nothing here; a sha256 may, so that its bytes cannot come in later.
    """
    found = Targets()
    found.shas |= {one for one in references if SHA256.match(one)}
    found.item_ids |= set(references) - found.shas
    found.open_ids |= found.item_ids
    complete(ws, found, is_text)
    known_ids = set(found.marks) | {row["id"] for row in recorded(ws)}
    unknown = [one for one in references if not SHA256.match(one) and one not in known_ids]
    if unknown:
        raise UserError(
            f"nothing here is called {', '.join(map(repr, unknown[:10]))}; give an item id (20 hex digits), an open id "
            "or a sha256 (64 hex digits)"
        )
    return found


def complete(ws: Workspace, found: Targets, is_text: bool) -> None:
    """Add what is the same as something that goes, until a whole pass over everything adds nothing."""
    known, listed, before = corpus.shards(ws), recorded(ws), -1
    while found.size > before:
        before = found.size
        found.add_recorded(listed)
        for table in (table for shard in known for table in identities(ws, shard, is_text)):
            found.add(table)
        for table in all_fetched(ws):
            found.add(table)
        _add_items(ws, found)


def recorded(ws: Workspace) -> list[dict[str, Any]]:
    """The rows of the list of what was taken down."""
    if not ws.takedowns.exists():
        return []
    rows: list[dict[str, Any]] = schemas.read(ws.takedowns, schemas.TAKEDOWNS).to_pylist()
    return rows


def _add_items(ws: Workspace, found: Targets) -> None:
    table = schemas.read(ws.items, schemas.ITEMS)
    found.items = table.filter(named(table, {"item_id": found.item_ids, "sha256": found.shas}))
    found.item_ids.update(found.items["item_id"].to_pylist())
    for one, sha in zip(found.items["item_id"].to_pylist(), found.items["sha256"].to_pylist(), strict=True):
        found.marks[one] = Marks(sha)
    found.shas.update(found.items["sha256"].to_pylist())
