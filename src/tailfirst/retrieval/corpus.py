"""The open corpus: parquet shards below data/open, read some rows at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tailfirst import schemas
from tailfirst.contracts import Ints
from tailfirst.errors import TaskFolderError
from tailfirst.items import inside
from tailfirst.paths import Workspace
from tailfirst.takedowns import Takedowns

if TYPE_CHECKING:
    from tailfirst.retrieval.fetched import Fetched

CAPTION_ROWS = 65_536  # captions in memory at a time
IMAGE_ROWS = 256  # rows of image bytes in memory at a time
URL_COLUMNS = ("url", "URL")
IMAGE_COLUMNS: tuple[str, ...] = ("image", "path", *URL_COLUMNS)
TRAITS = ("open_id", "caption", "sha256", "licence", "nsfw", "source")  # what hygiene looks at


@dataclass(frozen=True, slots=True)
class Shard:
    """One parquet file of the open corpus."""

    name: str  # relative to data/
    path: Path
    starts: Ints  # (G + 1,) first row of each row group, then the number of rows
    columns: frozenset[str]

    @property
    def rows(self) -> int:
        """How many captions it holds."""
        return int(self.starts[-1])


@dataclass(frozen=True, slots=True)
class Slice:
    """Some consecutive captions of a shard."""

    start: int  # row in the shard
    captions: pa.LargeStringArray  # no nulls


def shards(ws: Workspace) -> tuple[Shard, ...]:
    """The shards of the open corpus by name; none where there is no data/open.

    Raises:
        TaskFolderError: A file is not parquet, or lacks open_id or caption.
    """
    return tuple(_shard(ws, path) for path in sorted(ws.open.glob("[!.]*.parquet")))


def captions(shard: Shard) -> Iterator[Slice]:
    """All captions of a shard in order; a missing caption is an empty one."""
    start = 0
    with pq.ParquetFile(shard.path, pre_buffer=False) as file:
        for batch in file.iter_batches(CAPTION_ROWS, columns=["caption"]):
            column = batch.column(0).cast(pa.large_string())
            yield Slice(start, pc.fill_null(column, "") if column.null_count else column)
            start += len(batch)


def traits(shard: Shard, rows: Ints) -> pa.Table:
    """The columns `TRAITS` of given rows (ascending); columns that the shard lacks are null."""
    present = [name for name in TRAITS if name in shard.columns]
    parts = []
    groups = np.searchsorted(shard.starts, rows, side="right") - 1
    with pq.ParquetFile(shard.path) as file:
        for group in np.unique(groups):
            table = file.read_row_group(int(group), columns=present)
            parts.append(table.take(pa.array(rows[groups == group] - shard.starts[group])))
    wanted = pa.schema([schemas.OPEN.field(name) for name in TRAITS])
    if not parts:
        return wanted.empty_table()
    found = pa.concat_tables(parts)
    for name in TRAITS:
        if name not in present:
            found = found.append_column(wanted.field(name), pa.nulls(len(found), wanted.field(name).type))
    return found.select(TRAITS).cast(pa.schema([pa.field(field.name, field.type) for field in wanted]))


class ImageReader:
    """Image bytes of open rows; going forward it reads every part of a shard once."""

    def __init__(self, ws: Workspace, known: Sequence[Shard]) -> None:
        self.ws = ws
        self._shards = {shard.name: shard for shard in known}
        self._name = ""
        self._parts: Iterator[pa.RecordBatch] = iter(())
        self._start = 0  # row of `_part` in the shard
        self._part: pa.RecordBatch | None = None
        self._urls: Fetched | None = None
        self.banned = Takedowns.of(ws)

    def read(self, name: str, rows: Ints) -> list[bytes | None]:
        """The image bytes of rows (ascending) of a shard; None where the corpus owns no image.

        Raises:
            TaskFolderError: The shard is gone, or a path leaves data/.
        """
        shard = self._shards.get(name)
        if shard is None:
            raise TaskFolderError(f"data/{name} is no shard of the open corpus; run the stage `retrieve` again")
        columns = [name for name in IMAGE_COLUMNS if name in shard.columns]
        if not columns:
            return [None] * len(rows)
        found: list[bytes | None] = []
        for row in rows.tolist():
            values = self._row(shard, columns, row)
            data = values.get("image")
            found.append(data if isinstance(data, bytes) else self._elsewhere(values))
        return found

    def _row(self, shard: Shard, columns: list[str], row: int) -> dict[str, object]:
        if shard.name != self._name or self._part is None or row < self._start:
            self._open(shard, columns, row)
        while self._part is not None and row >= self._start + len(self._part):
            self._start += len(self._part)
            self._part = next(self._parts, None)
        if self._part is None:
            raise TaskFolderError(f"data/{shard.name} has {shard.rows} rows, row {row} was asked for")
        at = row - self._start
        return {name: self._part.column(name)[at].as_py() for name in columns}

    def _open(self, shard: Shard, columns: list[str], row: int) -> None:
        group = int(np.searchsorted(shard.starts, row, side="right") - 1)
        self._name, self._start = shard.name, int(shard.starts[group])
        self._parts = _parts(shard, columns, group)
        self._part = next(self._parts, None)

    def _elsewhere(self, values: dict[str, object]) -> bytes | None:
        """The bytes of a row that holds none itself: from its file, or as they came from its URL."""
        data = self._file(values.get("path"))
        url = next((values[name] for name in URL_COLUMNS if values.get(name)), None)
        if data is not None or not isinstance(url, str):
            return data
        from tailfirst.retrieval.fetched import Fetched  # its keys live in `embedding`, which imports this module

        self._urls = self._urls or Fetched.of(self.ws)
        return self._urls.image(url)

    def _file(self, path: object) -> bytes | None:
        if not isinstance(path, str):
            return None
        target = inside(self.ws.data, path)
        return target.read_bytes() if target.is_file() else None


def _parts(shard: Shard, columns: list[str], group: int) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(shard.path, pre_buffer=False) as file:
        groups = list(range(group, len(shard.starts) - 1))
        yield from file.iter_batches(IMAGE_ROWS, row_groups=groups, columns=columns)


def _shard(ws: Workspace, path: Path) -> Shard:
    try:
        with pq.ParquetFile(path) as file:
            meta, columns = file.metadata, frozenset(file.schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise TaskFolderError(f"{path} is not a readable parquet file: {error}; try `dvc pull`") from error
    if lacking := {"open_id", "caption"} - columns:
        raise TaskFolderError(
            f"{path} lacks {', '.join(sorted(lacking))}; an open corpus has the columns {', '.join(schemas.OPEN.names)}"
        )
    counts = [meta.row_group(number).num_rows for number in range(meta.num_row_groups)]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Shard(path.relative_to(ws.data).as_posix(), path, starts, columns)
