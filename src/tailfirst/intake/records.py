"""What travels through `tailfirst init`: the request, what was found, what was refused, the report."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import pyarrow as pa

Role = Literal["pool", "holdout"]
Kind = Literal["fault", "duplicate", "overlap", "takedown"]  # only faults count against --max-rejected
REJECTED = pa.schema([("row", pa.string()), ("source", pa.string()), ("kind", pa.string()), ("reason", pa.string())])


@dataclass(frozen=True, slots=True)
class InitRequest:
    """What people have, and how to read it; the fields are the options of `tailfirst init`."""

    images: Path | None = None  # a folder, searched recursively
    table: Path | None = None  # csv, tsv or parquet
    text_column: str | None = None
    path_column: str | None = None  # paths relative to the table's folder
    tars: tuple[Path, ...] = ()  # uncompressed
    blob: Path | None = None  # files end to end, found by `index`
    index: Path | None = None  # columns path, offset, length
    vectors: Path | None = None  # (N, D) .npy, rows as in the table or index
    prototypes: Path | None = None  # (C, D) .npy, rows as the classes
    label_column: str | None = None
    labels_from_folders: bool = False
    holdout_table: Path | None = None
    holdout_images: Path | None = None  # one folder per class
    holdout_vectors: Path | None = None  # rows as in holdout_table
    holdout_share: float | None = None
    split_column: str | None = None
    holdout_value: str | None = None
    classes: Path | None = None
    synonyms: Path | None = None
    templates: tuple[str, ...] = ()
    open: tuple[Path, ...] = ()
    seed_labels: Path | None = None
    takedowns: Path | None = None  # the takedowns.parquet of another workspace: nothing on it is taken
    name: str | None = None  # default: the workspace folder's name
    ontology_version: str = "1"
    source: str | None = None  # where the items come from, kept with each of them
    licence: str | None = None
    link: bool = False  # hard links in place of copies, where the file system can
    max_rejected: float = 0.05


@dataclass(frozen=True, slots=True)
class Entry:
    """One readable row of a source. Exactly one of text, file, container and (alone) vectors says what the item is."""

    source: str  # the file or folder it was found in, for messages
    row: str  # data row (1 = the first below the header) or path inside the source
    sha256: str
    label: str | None = None  # as written; None = not known
    role: Role = "pool"
    key: str | None = None  # the path by which seed labels may name it
    text: str | None = None
    file: Path | None = None
    container: Path | None = None  # a tar or blob that holds the bytes at [offset, offset + length)
    offset: int = 0
    length: int = 0
    vectors: Path | None = None
    vector_row: int | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """One row that is not taken, and why."""

    source: str
    row: str
    reason: str
    kind: Kind = "fault"


@dataclass(frozen=True, slots=True)
class Item:
    """An entry that was taken, with its class where it is known."""

    entry: Entry
    role: Role
    class_id: str | None


@dataclass(frozen=True, slots=True)
class InitReport:
    """What `init` made of what it was given."""

    n_pool: int
    n_holdout: int
    n_open: int
    n_classes: int
    n_seed: int
    n_known: int  # pool items with a known answer, seen by the simulated vendor only
    rejected: pa.Table  # schema REJECTED
    notes: tuple[str, ...]


class Progress(Protocol):
    """Shows work that could take more than two seconds."""

    def __call__(self, title: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
        """A block whose callable is told how many units were just done."""


@contextmanager
def quiet(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Progress that shows nothing."""
    del title, total
    yield lambda _done: None


def rejected_table(rejections: Iterable[Rejection]) -> pa.Table:
    """Rejections as a table with the schema REJECTED."""
    rows = [{"row": r.row, "source": r.source, "kind": r.kind, "reason": r.reason} for r in rejections]
    return pa.Table.from_pylist(rows, schema=REJECTED)
