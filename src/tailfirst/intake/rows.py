"""Tables that people bring, read in batches: csv, tsv and parquet behind one function."""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from tailfirst.errors import UserError

_BLOCK = 16 << 20  # bytes; a csv row must fit
_BATCH = 8192  # rows
_MISSING = frozenset({"", "nan", "NaN"})


@dataclass(frozen=True, slots=True)
class Row:
    """One data row; `number` counts from 1 below the header."""

    number: int
    values: tuple[object, ...]  # in the order of the columns asked


def columns_of(path: Path) -> tuple[str, ...]:
    """The column names of a csv, tsv or parquet file.

    Raises:
        UserError: No such file, no such format, empty, unreadable, or with two columns of one name.
    """
    if not path.is_file():
        beside = sorted(p.name for p in path.parent.glob("*"))[:8] if path.parent.is_dir() else []
        raise UserError(f"no file {path}; beside it: {', '.join(beside) or 'nothing'}")
    names = _parquet_columns(path) if path.suffix == ".parquet" else _csv_columns(path)
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise UserError(f"{path} has more than one column named {', '.join(doubled)}; rename them")
    return names


def need(path: Path, columns: Sequence[str]) -> None:
    """Make sure that a table has columns.

    Raises:
        UserError: A column is missing; the message lists those there are.
    """
    found = columns_of(path)
    missing = [name for name in columns if name not in found]
    if missing:
        raise UserError(f"{path} has no column {', '.join(map(repr, missing))}; it has: {', '.join(found)}")


def first_of(found: Sequence[str], wanted: Sequence[str]) -> str | None:
    """The first of the wanted column names that the table has."""
    return next((name for name in wanted if name in found), None)


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a table, batch by batch in bounded memory; csv values arrive as text.

    Raises:
        UserError: A column is missing, or the file cannot be parsed to its end.
    """
    need(path, columns)
    number = 0
    for batch in _batches(path, list(columns)):
        lists = [batch.column(name).to_pylist() for name in columns]
        for values in zip(*lists, strict=True):
            number += 1
            yield Row(number, values)


def count_rows(path: Path) -> int | None:
    """Rows of a parquet file; None for csv, where only reading tells."""
    return int(pq.ParquetFile(path).metadata.num_rows) if path.suffix == ".parquet" else None


def as_label(value: object) -> str | None:
    """A label as text; None where it is missing (null, NaN, empty). Whole floats lose their `.0`."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
    return None if text in _MISSING else text


def _batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    try:
        if path.suffix == ".parquet":
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(_BATCH, columns=columns)
            return
        single = len(columns_of(path)) == 1  # there an empty line is an empty value, not a gap
        with pacsv.open_csv(
            path,
            read_options=pacsv.ReadOptions(block_size=_BLOCK, use_threads=False),
            parse_options=pacsv.ParseOptions(
                delimiter=_delimiter(path), newlines_in_values=True, ignore_empty_lines=not single
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), include_columns=columns, strings_can_be_null=False
            ),
        ) as reader:
            yield from reader
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} cannot be read to its end: {error}; it must be UTF-8 csv, tsv or parquet") from error


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix == ".tsv" else ","


def _parquet_columns(path: Path) -> tuple[str, ...]:
    try:
        return tuple(pq.read_schema(path).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} is not a readable parquet file ({path.stat().st_size} bytes): {error}") from error


def _csv_columns(path: Path) -> tuple[str, ...]:
    if path.suffix not in {".csv", ".tsv"}:
        raise UserError(f"{path}: tables are read from .csv, .tsv and .parquet; found {path.suffix or 'no suffix'!r}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file, delimiter=_delimiter(path)), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not UTF-8 text: {error}; convert it, for example with iconv") from error
    if not header:
        raise UserError(f"{path} is empty; its first line must name the columns")
    return tuple(header)
