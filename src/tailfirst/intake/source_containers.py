"""Items that lie inside bigger files: tar shards, or a blob with an index of offsets."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tailfirst import artifacts
from tailfirst.errors import UserError
from tailfirst.intake import pictures
from tailfirst.intake.matrices import Matrix
from tailfirst.intake.records import Entry, Rejection, Role
from tailfirst.intake.rows import as_label, columns_of, first_of, need, read_rows
from tailfirst.intake.source_files import class_folder
from tailfirst.intake.source_tables import Split, role_of, with_vector

_PLACE = ("offset", "length")
_MAX_ITEM = 1 << 30  # bytes; one item is read into memory


@dataclass(frozen=True, slots=True)
class BlobSource:
    """Files end to end in one blob, and the table that says where each begins."""

    blob: Path
    index: Path
    label_column: str | None
    split: Split | None
    matrix: Matrix | None


def survey_tar(path: Path, labeled: bool) -> Iterator[Entry | Rejection]:
    """Every image of an uncompressed tar, with the offset of its bytes; sidecar files are passed over.

    Raises:
        UserError: Missing, compressed, cut, no tar, or without an image.
    """
    if not path.is_file():
        raise UserError(f"no file {path}")
    images = 0
    try:
        with tarfile.open(path, mode="r:") as tar, path.open("rb") as file:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # tarfile would keep every header in memory
                if Path(member.name).suffix.lower() in pictures.SUFFIXES:
                    images += 1
                    yield _survey_member(path, member, file, labeled)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(
            f"{path} is not a readable uncompressed tar: {error}; items are read in place by their offset, "
            "so a .tar.gz must be unpacked to .tar first"
        ) from error
    if not images:
        raise UserError(f"{path} holds no image; known: {', '.join(sorted(pictures.SUFFIXES))}")


def survey_blob(source: BlobSource) -> Iterator[Entry | Rejection]:
    """Every row of a blob's index.

    Raises:
        UserError: A file or column is missing, no row, or the matrix has another number of rows.
    """
    if not source.blob.is_file():
        raise UserError(f"no file {source.blob}")
    need(source.index, _PLACE)
    found = columns_of(source.index)
    path_column = first_of(found, ("path", "name", "file"))
    label_column = source.label_column or first_of(found, ("class_name", "label", "class", "category"))
    columns = [c for c in (*_PLACE, path_column, label_column, source.split.column if source.split else None) if c]
    columns = list(dict.fromkeys(columns))
    number = 0
    with source.blob.open("rb") as file:
        size = source.blob.stat().st_size
        for row in read_rows(source.index, columns):
            number = row.number
            values = dict(zip(columns, row.values, strict=True))
            label = as_label(values[label_column]) if label_column else None
            role = role_of(values[source.split.column], source.split, "pool") if source.split else "pool"
            key = as_label(values[path_column]) if path_column else None
            place = _place(values, size)
            if isinstance(place, str):
                yield Rejection(source.index.name, str(number), place)
                continue
            entry = _read(file, source.blob, place, source.index.name, str(number), label, role, key)
            yield with_vector(entry, source.matrix, number - 1)
    if number == 0:
        raise UserError(f"{source.index} has a header but no row")
    if source.matrix is not None:
        source.matrix.check_rows(number, source.index)


@dataclass(frozen=True, slots=True)
class _Place:
    offset: int
    length: int


def _place(values: dict[str, object], size: int) -> _Place | str:
    try:
        offset, length = (int(str(values[name])) for name in _PLACE)
    except ValueError:
        return f"offset {values['offset']!r} and length {values['length']!r} must be whole numbers"
    if offset < 0 or length <= 0 or offset + length > size:
        return f"bytes {offset:,} to {offset + length:,} do not lie in the blob of {size:,} bytes"
    return f"{length:,} bytes; one item may have {_MAX_ITEM:,}" if length > _MAX_ITEM else _Place(offset, length)


def _survey_member(path: Path, member: tarfile.TarInfo, file: BinaryIO, labeled: bool) -> Entry | Rejection:
    if not member.isreg() or member.issparse() or member.size > _MAX_ITEM:
        return Rejection(path.name, member.name, "not a plain file of at most 1 GiB (link, sparse or special member)")
    name = member.name.removeprefix("./")
    label = class_folder(name) if labeled else None
    place = _Place(member.offset_data, member.size)
    return _read(file, path, place, path.name, name, label, "pool", name)


def _read(
    file: BinaryIO,
    container: Path,
    place: _Place,
    source: str,
    row: str,
    label: str | None,
    role: Role,
    key: str | None,
) -> Entry | Rejection:
    file.seek(place.offset)
    data = file.read(place.length)
    why = pictures.fault(data) if len(data) == place.length else f"{container.name} ends inside this item"
    if why:
        return Rejection(source, row, why)
    digest = artifacts.sha256_bytes(data)
    return Entry(source, row, digest, label, role, key, None, None, container, place.offset, place.length)
