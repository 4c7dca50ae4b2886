"""Vectors that people bring as .npy: opened without pickles, read row by row from disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailfirst import artifacts
from tailfirst.errors import UserError
from tailfirst.intake.records import Entry, Rejection, Role


@dataclass(frozen=True, slots=True)
class Matrix:
    """A (N, D) matrix of float16, float32 or float64 that stays on disk."""

    path: Path
    values: NDArray[Any]

    def __len__(self) -> int:
        return int(self.values.shape[0])

    @property
    def dim(self) -> int:
        """D."""
        return int(self.values.shape[1])

    def fault(self, row: int) -> str | None:
        """Why a row cannot become a unit vector; None when it can."""
        values = np.asarray(self.values[row], dtype=np.float64)
        if not np.isfinite(values).all():
            return f"{int((~np.isfinite(values)).sum())} value(s) are not finite"
        return None if values.any() else "all zeros"

    def row_bytes(self, row: int) -> bytes:
        """The little-endian bytes of a row: what an item without any other media is identified by."""
        return bytes(np.ascontiguousarray(self.values[row]).astype(self.values.dtype.newbyteorder("<")).tobytes())

    def check_rows(self, n: int, rows_of: Path) -> None:
        """Make sure that there is one row per row of a table.

        Raises:
            UserError: Another number of rows.
        """
        if len(self) != n:
            raise UserError(f"{self.path} has {len(self):,} rows, but {rows_of} has {n:,}; they must match row by row")


def open_matrix(path: Path) -> Matrix:
    """A matrix on disk.

    Raises:
        UserError: Missing, no .npy file, pickled, not two-dimensional, empty, or not of floats.
    """
    if not path.is_file():
        raise UserError(f"no file {path}; vectors and prototypes are .npy matrices")
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path} is not a readable .npy matrix: {error}") from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or 0 in values.shape or values.dtype.kind != "f":
        found = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else "an archive of arrays"
        raise UserError(f"{path} must be a (rows, dimensions) matrix of floats; found {found}")
    return Matrix(path, values)


def survey_matrix(matrix: Matrix, role: Role) -> Iterator[Entry | Rejection]:
    """Items that are nothing but vectors, without any table."""
    for row in range(len(matrix)):
        why = matrix.fault(row)
        name, number = matrix.path.name, str(row)
        if why:
            yield Rejection(name, number, why)
        else:
            digest = artifacts.sha256_bytes(matrix.row_bytes(row))
            yield Entry(name, number, digest, None, role, vectors=matrix.path, vector_row=row)


def write_rows(path: Path, sources: Sequence[tuple[Matrix, int]]) -> None:
    """Write rows of some matrices as one .npy file, in the order given, without holding them in memory.

    Raises:
        UserError: The matrices differ in width or precision.
    """
    shapes = {(matrix.dim, str(matrix.values.dtype)) for matrix, _ in sources}
    if len(shapes) != 1:
        found = ", ".join(f"{dim} x {kind}" for dim, kind in sorted(shapes))
        raise UserError(f"vectors of pool and holdout must have the same width and precision; found {found}")
    kind = sources[0][0].values.dtype.newbyteorder("<")
    out = np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=(len(sources), sources[0][0].dim))
    for row, (matrix, at) in enumerate(sources):
        out[row] = matrix.values[at]
    out.flush()
