"""A content-addressed store of vectors: one folder per encoder, segments that are only ever added.

A segment is `seg-<digest of its keys>.npy` (float16 rows) and, written after it, the `.parquet` of the same name with
the rows' keys. A killed process leaves at most a `.npy` without a `.parquet`, which nobody reads.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tailfirst import artifacts
from tailfirst.contracts import Encoder, Ints, Vectors
from tailfirst.embedding.keys import Keys, Words, words
from tailfirst.errors import StaleArtifact, TailfirstError
from tailfirst.paths import Workspace

Kind = Literal["image", "text"]
Halves = NDArray[np.float16]
SEGMENT_ROWS = 2048
LEVELS = 16
SCHEMA = pa.schema([pa.field("sha256", pa.string(), nullable=False), pa.field("kind", pa.string(), nullable=False)])
_TEXT = np.uint64(0x9E3779B97F4A7C15)  # tells a text from an image whose bytes are the same


class VectorCache:
    """Vectors by the sha256 of what they were made from."""

    def __init__(self, folder: Path, dim: int) -> None:
        self.folder = folder
        self.dim = dim
        self._segments: list[Path] = []
        self._levels: list[Keys] | None = None  # what is stored when first asked, then what was added since

    @classmethod
    def of(cls, ws: Workspace, encoder: Encoder) -> "VectorCache":
        """The cache of an encoder in a workspace."""
        return cls(ws.cache / "embeddings" / encoder.fingerprint[:16], encoder.dim)

    def missing(self, kind: Kind, shas: Sequence[str]) -> Ints:
        """Rows of `shas` that are not stored, ascending; of equal ones only the first."""
        keys = _keyed(kind, shas)
        rows = np.flatnonzero(self._find(keys) < 0)
        _, firsts = np.unique(keys[rows, 0], return_index=True)
        return np.sort(rows[firsts])

    def add(self, kind: Kind, shas: Sequence[str], vectors: Vectors) -> None:
        """Store vectors as one segment, whole or not at all.

        Raises:
            TailfirstError: A vector is not finite.
        """
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(bad):
            raise TailfirstError(
                f"the encoder gave a vector that is not finite for sha256 {shas[bad[0]]} ({len(bad)} of "
                f"{len(vectors)}); try encoder dtype float32"
            )
        if self._levels is None:
            self._load()
        stem = self.folder / f"seg-{artifacts.sha256_bytes((kind + ''.join(shas)).encode())[:16]}"
        artifacts.write_array(stem.with_suffix(".npy"), vectors.astype(np.float16))
        table = pa.table({"sha256": list(shas), "kind": [kind] * len(shas)}, schema=SCHEMA)
        artifacts.write_parquet(stem.with_suffix(".parquet"), table)
        self._note(stem.with_suffix(".npy"), _keyed(kind, shas))

    def has(self, kind: Kind, shas: Sequence[str]) -> NDArray[np.bool_]:
        """(N,) whether each is stored."""
        return self._find(_keyed(kind, shas)) >= 0

    def fill(self, kind: Kind, shas: Sequence[str], out: NDArray[Any]) -> None:
        """Write the stored vectors of `shas` into `out` (N, D).

        Raises:
            StaleArtifact: A vector is not stored; `missing` tells before.
        """
        places = self._find(_keyed(kind, shas))
        if len(places) and places.min() < 0:
            raise StaleArtifact(
                f"{self.folder} lost the vector of sha256 {shas[int(places.argmin())]}; run the stage again"
            )
        segments, rows = places >> 32, places & 0xFFFFFFFF
        for segment in np.unique(segments):
            here = np.flatnonzero(segments == segment)
            stored: Halves = np.load(self._segments[segment], mmap_mode="r", allow_pickle=False)
            out[here] = stored[rows[here]]

    def get(self, kind: Kind, shas: Sequence[str]) -> Halves:
        """(N, D) float16 stored vectors of `shas`."""
        out = np.empty((len(shas), self.dim), np.float16)
        self.fill(kind, shas, out)
        return out

    def remove(self) -> None:
        """Delete all that is stored: for an encoder that nobody will ask again."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._segments, self._levels = [], None

    def _find(self, keys: Words) -> Ints:
        """(N,) segment number * 2^32 + row in it, or -1."""
        found = np.full(len(keys), -1, np.int64)
        for level in self._levels if self._levels is not None else self._load():
            found = np.where(found < 0, level.find(keys), found)
        return found

    def _load(self) -> list[Keys]:
        levels = [Keys.of(np.empty((0, 2), np.uint64))]
        for ids in sorted(self.folder.glob("seg-*.parquet")):
            matrix = ids.with_suffix(".npy")
            if (keys := _segment_keys(ids, matrix, self.dim)) is not None:
                levels.append(Keys.of(keys, len(self._segments) << 32))
                self._segments.append(matrix)
        self._levels = [Keys.joined(levels)]
        return self._levels

    def _note(self, matrix: Path, keys: Words) -> None:
        """Remember a segment written just now; small sets are joined before they become many."""
        levels = [*(self._levels or ())]
        levels.append(Keys.of(keys, len(self._segments) << 32))
        self._segments.append(matrix)
        self._levels = levels if len(levels) <= LEVELS else [Keys.joined(levels)]


def _keyed(kind: Kind, shas: Sequence[str]) -> Words:
    keys = words(shas)
    if kind == "text":
        keys[:, 0] ^= _TEXT
    return keys


def _segment_keys(ids: Path, matrix: Path, dim: int) -> Words | None:
    """The keys of a segment; None where its files do not belong together, so that its items are embedded again."""
    try:
        table = pq.read_table(ids, schema=SCHEMA)
        shape = np.load(matrix, mmap_mode="r", allow_pickle=False).shape
    except (OSError, ValueError, EOFError, pa.ArrowException):
        return None
    if shape != (len(table), dim):
        return None
    keys = words(table["sha256"].to_pylist())
    texts = np.asarray(table["kind"].to_numpy(zero_copy_only=False) == "text", dtype=np.bool_)
    keys[texts, 0] ^= _TEXT
    return keys
