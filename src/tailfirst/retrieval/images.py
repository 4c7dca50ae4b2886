"""Image bytes of open rows: from the row itself, from a file that it names, or as they came from its URL."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tailfirst.contracts import Ints
from tailfirst.errors import TaskFolderError
from tailfirst.items import inside
from tailfirst.paths import Workspace
from tailfirst.retrieval import columns
from tailfirst.retrieval.corpus import Shard
from tailfirst.takedowns import Takedowns

if TYPE_CHECKING:
    from tailfirst.retrieval.fetched import Fetched

IMAGE_ROWS = 256  # rows of image bytes in memory at a time
OWNED = ("image", "path")  # our names of the columns that lead to an image without a network


class ImageReader:
    """Image bytes of open rows; going forward it reads every part of a shard once."""

    def __init__(self, ws: Workspace, known: Sequence[Shard]) -> None:
        self.ws = ws
        self._shards = {shard.name: shard for shard in known}
        self._name = ""
        self._parts: Iterator[pa.RecordBatch] = iter(())
        self._start = 0  # row of `_part` in the shard
        self._part: pa.RecordBatch | None = None
        self.banned = Takedowns.of(ws)

    def read(self, name: str, rows: Ints) -> list[bytes | None]:
        """The image bytes of rows (ascending) of a shard; None where the corpus owns no image.

        Raises:
            TaskFolderError: The shard is gone, or a path leaves data/.
        """
        shard = self._shards.get(name)
        if shard is None:
            raise TaskFolderError(f"data/{name} is no shard of the open corpus; run the stage `retrieve` again")
        names = [ours for ours in (*OWNED, "url") if ours in shard.columns and (ours != "url" or self._fetched.paths)]
        if not names:
            return [None] * len(rows)
        found: list[bytes | None] = []
        for row in rows.tolist():
            values = self._row(shard, names, row)
            data = values.get("image")
            found.append(data if isinstance(data, bytes) else self._elsewhere(values))
        return found

    @cached_property
    def _fetched(self) -> "Fetched":
        from tailfirst.retrieval.fetched import Fetched  # its keys live in `embedding`, which imports this module

        return Fetched.of(self.ws)

    def _row(self, shard: Shard, names: Sequence[str], row: int) -> Mapping[str, object]:
        """What a row says, by our names."""
        if shard.name != self._name or self._part is None or row < self._start:
            self._open(shard, [shard.columns[name] for name in names], row)
        while self._part is not None and row >= self._start + len(self._part):
            self._start += len(self._part)
            self._part = next(self._parts, None)
        if self._part is None:
            raise TaskFolderError(f"data/{shard.name} has {shard.rows} rows, row {row} was asked for")
        part = self._part.slice(row - self._start, 1)
        return {name: _ours(name, part[shard.columns[name]]) for name in names}

    def _open(self, shard: Shard, theirs: list[str], row: int) -> None:
        group = int(np.searchsorted(shard.starts, row, side="right") - 1)
        self._name, self._start = shard.name, int(shard.starts[group])
        self._parts = _parts(shard, theirs, group)
        self._part = next(self._parts, None)

    def _elsewhere(self, values: Mapping[str, object]) -> bytes | None:
        """The bytes of a row that holds none itself."""
        data, url = self._file(values.get("path")), values.get("url")
        return self._fetched.image(url) if data is None and isinstance(url, str) else data

    def _file(self, path: object) -> bytes | None:
        if not isinstance(path, str):
            return None
        target = inside(self.ws.data, path)
        return target.read_bytes() if target.is_file() else None


def _ours(name: str, column: pa.Array) -> object:
    values = columns.image_bytes(column) if name == "image" else columns.as_ours(name, column)
    value: object = values[0].as_py()
    return value


def _parts(shard: Shard, theirs: list[str], group: int) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(shard.path, pre_buffer=False) as file:
        groups = list(range(group, len(shard.starts) - 1))
        yield from file.iter_batches(IMAGE_ROWS, row_groups=groups, columns=theirs)
