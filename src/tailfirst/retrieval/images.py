"""Image bytes of open rows, where the corpus owns them."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tailfirst.contracts import Ints
from tailfirst.errors import TaskFolderError
from tailfirst.items import inside
from tailfirst.paths import Workspace
from tailfirst.retrieval.corpus import Shard

IMAGE_ROWS = 256  # rows of image bytes in memory at a time
IMAGE_COLUMNS = ("image", "path")


class ImageReader:
    """Image bytes of open rows; going forward it reads every part of a shard once."""

    def __init__(self, ws: Workspace, known: Sequence[Shard]) -> None:
        self.ws = ws
        self._shards = {shard.name: shard for shard in known}
        self._name = ""
        self._parts: Iterator[pa.RecordBatch] = iter(())
        self._start = 0  # row of `_part` in the shard
        self._part: pa.RecordBatch | None = None

    def read(self, name: str, rows: Ints) -> list[bytes | None]:
        """The image bytes of rows (ascending) of a shard; None where the corpus owns no image.

        Raises:
            TaskFolderError: The shard is gone, or a path leaves data/.
        """
        shard = self._shards.get(name)
        if shard is None:
            raise TaskFolderError(f"data/{name} is no shard of the open corpus; run the stage `retrieve` again")
        columns = {ours: shard.columns[ours] for ours in IMAGE_COLUMNS if ours in shard.columns}
        if not columns:
            return [None] * len(rows)
        found: list[bytes | None] = []
        for row in rows.tolist():
            values = self._row(shard, list(columns.values()), row)
            data = values.get(columns.get("image", ""))
            if isinstance(data, dict):  # {bytes, path}, as some exports nest it
                data = data.get("bytes")
            found.append(data if isinstance(data, bytes) else self._file(values.get(columns.get("path", ""))))
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

    def _file(self, path: object) -> bytes | None:
        if not isinstance(path, str):
            return None
        target = inside(self.ws.data, path)
        return target.read_bytes() if target.is_file() else None


def _parts(shard: Shard, columns: list[str], group: int) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(shard.path, pre_buffer=False) as file:
        groups = list(range(group, len(shard.starts) - 1))
        yield from file.iter_batches(IMAGE_ROWS, row_groups=groups, columns=columns)
