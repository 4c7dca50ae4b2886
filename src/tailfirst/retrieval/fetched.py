"""Images that came by their URLs: an index over the shards below data/open/fetched, and their bytes.

A shard is `<digest>.parquet` (schemas.FETCHED), written whole and never changed but by a take-down; each run of
`tailfirst fetch` adds some. Where a URL was asked more than once its newest row counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tailfirst import schemas
from tailfirst.artifacts import sha256_bytes
from tailfirst.contracts import Ints
from tailfirst.embedding.keys import Keys, Words, words
from tailfirst.errors import TaskFolderError
from tailfirst.paths import Workspace

GROUP_ROWS = 64  # per row group: one image is read with its 63 neighbors
UNKNOWN, DONE, FINAL, RETRY = range(4)


def url_words(urls: Sequence[str]) -> Words:
    """(N, 2) keys of addresses."""
    return words([sha256_bytes(url.encode(errors="surrogatepass")) for url in urls])


def segments(ws: Workspace) -> list[Path]:
    """The shards, by name; hidden ones are what a killed process had not finished."""
    return sorted(path for path in ws.fetched.glob("*.parquet") if not path.name.startswith("."))


@dataclass(slots=True)
class Fetched:
    """Which URLs were asked, and the image of each that came."""

    paths: list[Path]
    keys: Keys  # places are rows of the arrays below
    states: NDArray[np.uint8]  # DONE | FINAL | RETRY
    shards: Ints  # place in `paths`
    rows: Ints  # in the shard
    _group: tuple[int, int] = (-1, -1)
    _images: pa.ChunkedArray | None = None

    @classmethod
    def of(cls, ws: Workspace) -> "Fetched":
        """The index of a workspace, without any image in memory.

        Raises:
            TaskFolderError: A shard cannot be read.
        """
        paths = segments(ws)
        empty = np.empty(0, np.int64)
        keys, states, times, shards, rows = np.empty((0, 2), np.uint64), empty.astype(np.uint8), empty, empty, empty
        for number, path in enumerate(paths):
            table = _outcomes(path)
            keys = np.concatenate([keys, url_words(table["url"].to_pylist())])
            states = np.concatenate([states, _states(table)])
            times = np.concatenate([times, table["at"].cast(pa.int64()).to_numpy()])
            shards = np.concatenate([shards, np.full(len(table), number, np.int64)])
            rows = np.concatenate([rows, np.arange(len(table))])
        newest = np.argsort(-times, kind="stable")  # of equal keys the first is found
        order = newest[np.argsort(states[newest] != DONE, kind="stable")]
        return cls(paths, Keys.of(keys[order]), states[order], shards[order], rows[order])

    def known(self, urls: Sequence[str]) -> NDArray[np.uint8]:
        """(N,) what became of each: UNKNOWN, DONE, FINAL (refused or failed for good) or RETRY."""
        found = self.keys.find(url_words(urls))
        states = np.full(len(urls), UNKNOWN, np.uint8)
        states[found >= 0] = self.states[found[found >= 0]]
        return states

    def image(self, url: str) -> bytes | None:
        """The bytes that came for a URL; None where none did."""
        place = int(self.keys.find(url_words([url]))[0]) if len(self.states) else -1
        if place < 0 or self.states[place] != DONE:
            return None
        shard, group = int(self.shards[place]), int(self.rows[place]) // GROUP_ROWS
        if (shard, group) != self._group or self._images is None:
            with pq.ParquetFile(self.paths[shard]) as file:
                self._images = file.read_row_group(group, columns=["image"])["image"]
            self._group = (shard, group)
        found: bytes | None = self._images[int(self.rows[place]) % GROUP_ROWS].as_py()
        return found


def write_segment(path: Path, table: pa.Table) -> None:
    """Write rows (schemas.FETCHED) so that `image` finds them; the caller makes it atomic."""
    pq.write_table(table, path, compression="zstd", row_group_size=GROUP_ROWS)


def _outcomes(path: Path) -> pa.Table:
    columns = ["url", "status", "retryable", "at"]
    try:
        return pq.read_table(path, columns=columns).cast(pa.schema([schemas.FETCHED.field(name) for name in columns]))
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise TaskFolderError(f"{path} is no shard of fetched images: {error}; try `dvc checkout`") from error


def _states(table: pa.Table) -> NDArray[np.uint8]:
    done = np.asarray(table["status"].to_numpy(zero_copy_only=False) == "done", dtype=np.bool_)
    retry = table["retryable"].to_numpy(zero_copy_only=False).astype(np.bool_)
    return np.where(done, DONE, np.where(retry, RETRY, FINAL)).astype(np.uint8)
