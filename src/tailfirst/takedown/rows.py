"""Rows of tables that name what goes, and tables without them; a file is replaced whole or not at all."""

from collections.abc import Collection, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tailfirst import artifacts
from tailfirst.errors import TaskFolderError

Names = Mapping[str, Collection[str]]  # column -> the values that go; any of them is enough


def named(table: pa.Table, names: Names) -> pa.ChunkedArray:
    """(N,) True where a row has one of the values in one of the columns; absent columns name nothing."""
    found = pa.chunked_array([pa.array([False] * len(table), pa.bool_())])
    for column, values in names.items():
        if column in table.column_names:
            hits = pc.is_in(table[column], value_set=pa.array(sorted(values), table[column].type))
            found = pc.or_(found, hits)
    return found


def count(path: Path, names: Names) -> int:
    """How many rows of a table name something; 0 where there is no such file.

    Raises:
        TaskFolderError: The file cannot be read.
    """
    if not path.exists():
        return 0
    table = _read(path, [name for name in names if name in _columns(path)])
    return int(pc.sum(named(table, names)).as_py() or 0)


def drop(path: Path, names: Names) -> None:
    """Replace a table by one without the rows that name something; a file without such rows keeps its bytes.

    Raises:
        TaskFolderError: The file cannot be read.
    """
    if count(path, names):
        table = _read(path, None)
        artifacts.write_parquet(path, table.filter(pc.invert(named(table, names))))


def _columns(path: Path) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise TaskFolderError(f"{path} cannot be read, so nobody knows what it holds: {error}") from error


def _read(path: Path, columns: list[str] | None) -> pa.Table:
    try:
        return pq.read_table(path, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise TaskFolderError(f"{path} cannot be read, so nobody knows what it holds: {error}") from error
