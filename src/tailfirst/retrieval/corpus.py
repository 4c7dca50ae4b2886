"""The open corpus: parquet shards below data/open, read in place and some rows at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tailfirst import schemas
from tailfirst.contracts import Ints
from tailfirst.errors import TaskFolderError
from tailfirst.paths import Workspace
from tailfirst.retrieval import columns

SLICE_ROWS = 65_536  # rows in memory at a time, at most
SLICE_BYTES = 32 << 20  # of the columns read, about
BUFFER = 1 << 20  # bytes read from a column at a time: a row group may hold a whole shard
TRAITS = ("open_id", "caption", "sha256", "licence", "nsfw", "source")  # what retrieval keeps of a row
RULED = ("watermark", "similarity", "width", "height")  # what only rules look at


@dataclass(frozen=True, slots=True)
class Shard:
    """One parquet file of the open corpus."""

    name: str  # relative to data/
    path: Path
    starts: Ints  # (G + 1,) first row of each row group, then the number of rows
    columns: Mapping[str, str]  # our names of the known columns, with those that the file gives them

    @property
    def rows(self) -> int:
        """How many captions it holds."""
        return int(self.starts[-1])


@dataclass(frozen=True, slots=True)
class Slice:
    """Some consecutive rows of a shard."""

    shard: Shard
    start: int  # row in the shard
    batch: pa.RecordBatch  # the columns asked for, as the file has them
    captions: pa.StringArray  # no nulls

    def traits(self, rows: Ints, names: Sequence[str] = TRAITS) -> pa.Table:
        """Columns of given rows (counted in the slice, ascending); those that the shard lacks are null.

        A shard without a source names the URL in its place.
        """
        part = self.batch.take(pa.array(rows))
        return pa.table({name: self._column(name, part, rows) for name in names}, schema=schema_of(names))

    def _column(self, name: str, part: pa.RecordBatch, rows: Ints) -> pa.Array:
        own = _column_of(self.shard.columns, name)
        if own is None:
            return pa.nulls(len(rows), schema_of([name]).field(name).type)
        ours, theirs = own
        if ours == "open_id":
            places = [f"{self.shard.name} {self.start + row}" for row in rows.tolist()]
            return columns.open_ids(theirs, part[theirs], places)
        return columns.as_ours(ours, part[theirs])


def shards(ws: Workspace) -> tuple[Shard, ...]:
    """The shards of the open corpus by name; none where there is no data/open.

    Raises:
        TaskFolderError: A file is not parquet, or has no id or caption under any known name.
    """
    return tuple(_shard(ws, path) for path in sorted(ws.open.glob("[!.]*.parquet")))


def slices(shard: Shard, names: Sequence[str] = ("caption",)) -> Iterator[Slice]:
    """All rows of a shard in order, in memory that depends neither on its rows nor on its row groups.

    Args:
        shard: What to read.
        names: Our names of the columns to read; those that the shard lacks are left out. A missing caption is empty.
    """
    start = 0
    found = (_column_of(shard.columns, name) for name in ("caption", *names))
    wanted = list(dict.fromkeys(theirs for one in found if one is not None for theirs in one[1:]))
    with pq.ParquetFile(shard.path, pre_buffer=False, buffer_size=BUFFER) as file:
        rows = _rows_at_once(file.metadata, wanted)
        for batch in file.iter_batches(rows, columns=wanted, use_threads=False):
            captions = columns.as_ours("caption", batch[shard.columns["caption"]])
            yield Slice(shard, start, batch, pc.fill_null(captions, "") if captions.null_count else captions)
            start += len(batch)


def _rows_at_once(meta: pq.FileMetaData, wanted: Sequence[str]) -> int:
    """So few rows that a slice has about `SLICE_BYTES`, by the sizes that the file records."""
    size = 0
    for number in range(meta.num_row_groups):
        group = meta.row_group(number)
        chunks = (group.column(k) for k in range(group.num_columns))
        size += sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] in wanted)
    return int(np.clip(SLICE_BYTES * meta.num_rows // max(size, 1), 1, SLICE_ROWS))


def _column_of(known: Mapping[str, str], name: str) -> tuple[str, str] | None:
    """Our name and the file's name of what stands for a column of ours."""
    if name == "source" and name not in known:
        name = "url"
    return (name, known[name]) if name in known else None


def schema_of(names: Sequence[str]) -> pa.Schema:
    """The schema of `Slice.traits`."""
    ruled = {name: pa.field(name, pa.float32()) for name in RULED}
    fields = [ruled[name] if name in ruled else schemas.OPEN.field(name) for name in names]
    return pa.schema([pa.field(field.name, field.type) for field in fields])


def _shard(ws: Workspace, path: Path) -> Shard:
    try:
        with pq.ParquetFile(path) as file:
            meta, found = file.metadata, file.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise TaskFolderError(f"{path} is not a readable parquet file: {error}; try `dvc pull`") from error
    counts = [meta.row_group(number).num_rows for number in range(meta.num_row_groups)]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Shard(path.relative_to(ws.data).as_posix(), path, starts, columns.mapping(found, str(path)))
