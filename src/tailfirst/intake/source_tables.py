"""Items that are rows of a table: texts, paths of images, or rows of a matrix of vectors."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tailfirst import artifacts
from tailfirst.errors import UserError
from tailfirst.intake.matrices import Matrix
from tailfirst.intake.records import Entry, Rejection, Role
from tailfirst.intake.rows import Row, as_label, read_rows
from tailfirst.intake.source_files import image_entry
from tailfirst.items import clean_text, sha256_text


@dataclass(frozen=True, slots=True)
class Split:
    """Which rows are the holdout: those whose column has this value."""

    column: str
    holdout_value: str


@dataclass(frozen=True, slots=True)
class TableSource:
    """A table and which of its columns mean what; with neither text nor path the item is its vector."""

    path: Path
    role: Role
    text_column: str | None
    path_column: str | None
    label_column: str | None
    split: Split | None
    matrix: Matrix | None


def survey_table(source: TableSource) -> Iterator[Entry | Rejection]:
    """Every row of a table.

    Raises:
        UserError: A column is missing, no row at all, or the matrix has another number of rows.
    """
    media = source.text_column or source.path_column
    columns = [c for c in (media, source.label_column, source.split.column if source.split else None) if c]
    number = 0
    for row in _rows(source, list(dict.fromkeys(columns))):
        number = row.number
        yield _survey_row(source, dict(zip(dict.fromkeys(columns), row.values, strict=True)), number)
    if number == 0:
        raise UserError(f"{source.path} has a header but no row")
    if source.matrix is not None:
        source.matrix.check_rows(number, source.path)


def role_of(value: object, split: Split | None, role: Role) -> Role:
    """The role of a row from its split column, or the role of the whole source."""
    if split is None:
        return role
    return "holdout" if as_label(value) == split.holdout_value else "pool"


def with_vector(entry: Entry | Rejection, matrix: Matrix | None, row: int) -> Entry | Rejection:
    """The entry with its row of the matrix, or a rejection when that row is unusable."""
    if matrix is None or isinstance(entry, Rejection) or row >= len(matrix):
        return entry  # too few rows are reported for the table as a whole
    why = matrix.fault(row)
    if why:
        return Rejection(entry.source, entry.row, f"row {row} of {matrix.path.name}: {why}")
    return replace(entry, vectors=matrix.path, vector_row=row)


def _rows(source: TableSource, columns: list[str]) -> Iterator[Row]:
    if columns:
        return read_rows(source.path, columns)
    raise UserError(f"{source.path}: say what its rows are with --text-column or --path-column, or give --label-column")


def _survey_row(source: TableSource, values: dict[str, object], number: int) -> Entry | Rejection:
    label = as_label(values[source.label_column]) if source.label_column else None
    role = role_of(values[source.split.column], source.split, source.role) if source.split else source.role
    name, row = source.path.name, str(number)
    if source.text_column:
        entry = _text_entry(values[source.text_column], name, row, label, role)
    elif source.path_column:
        relative = as_label(values[source.path_column])
        if relative is None:
            return Rejection(name, row, f"column {source.path_column!r} is empty")
        entry = image_entry(source.path.parent, relative, name, row, label, role)
    else:
        entry = _vector_entry(source, name, number, label, role)
    return with_vector(entry, source.matrix, number - 1)


def _text_entry(value: object, source: str, row: str, label: str | None, role: Role) -> Entry | Rejection:
    text = clean_text(value) if isinstance(value, str) else ""
    if not text:
        return Rejection(source, row, "empty text" if isinstance(value, str | None) else f"no text but {value!r}")
    return Entry(source, row, sha256_text(text), label, role, text=text)


def _vector_entry(source: TableSource, name: str, number: int, label: str | None, role: Role) -> Entry | Rejection:
    if source.matrix is None:
        raise UserError(f"{source.path}: say what its rows are with --text-column, --path-column or --vectors")
    if number > len(source.matrix):
        return Rejection(name, str(number), f"no such row in {source.matrix.path.name}")
    return Entry(name, str(number), artifacts.sha256_bytes(source.matrix.row_bytes(number - 1)), label, role)
