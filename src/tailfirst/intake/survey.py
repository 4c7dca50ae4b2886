"""Which sources a request names, and every row that they hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tailfirst.intake.matrices import Matrix, open_matrix, survey_matrix
from tailfirst.intake.records import Entry, InitRequest, Progress, Rejection, Role
from tailfirst.intake.rows import count_rows, need
from tailfirst.intake.source_containers import BlobSource, survey_blob, survey_tar
from tailfirst.intake.source_files import list_images, survey_folder
from tailfirst.intake.source_tables import Split, TableSource, survey_table
from tailfirst.task import Modality


@dataclass(frozen=True, slots=True)
class Survey:
    """Every row of every source: usable or refused."""

    entries: tuple[Entry, ...]
    rejections: tuple[Rejection, ...]
    notes: tuple[str, ...]


def modality_of(request: InitRequest) -> Modality:
    """What a person would look at: texts, images, or nothing but vectors."""
    if request.text_column:
        return "text"
    return "image" if request.images or request.path_column or request.tars or request.blob else "vector"


def survey(request: InitRequest, progress: Progress) -> Survey:
    """Read every source once, row by row; bytes are hashed and checked, never kept.

    Raises:
        UserError: A source as a whole is unusable.
    """
    entries: list[Entry] = []
    rejections: list[Rejection] = []
    notes: list[str] = []
    for stream in _streams(request, notes):
        with progress(f"reading {stream.title}", stream.total) as tick:
            for found in stream.rows:
                tick(1)
                if isinstance(found, Entry):
                    entries.append(found)
                else:
                    rejections.append(found)
    return Survey(tuple(entries), tuple(rejections), tuple(notes))


@dataclass(frozen=True, slots=True)
class _Stream:
    title: str
    total: int | None
    rows: Iterator[Entry | Rejection]


def _streams(request: InitRequest, notes: list[str]) -> Iterator[_Stream]:
    matrix = open_matrix(request.vectors) if request.vectors else None
    split = Split(request.split_column, request.holdout_value or "") if request.split_column else None
    if request.images:
        yield _folder(request.images, "pool", request.labels_from_folders, notes)
    for tar in request.tars:
        yield _Stream(tar.name, None, survey_tar(tar, request.labels_from_folders))
    if request.blob and request.index:
        source = BlobSource(request.blob, request.index, request.label_column, split, matrix)
        yield _Stream(request.blob.name, _total(request.index), survey_blob(source))
    if request.table:
        yield _table(request, request.table, "pool", split, matrix)
    elif matrix is not None and not request.blob:
        yield _Stream(matrix.path.name, len(matrix), survey_matrix(matrix, "pool"))
    if request.holdout_table:
        held = open_matrix(request.holdout_vectors) if request.holdout_vectors else None
        yield _table(request, request.holdout_table, "holdout", None, held)
    if request.holdout_images:
        yield _folder(request.holdout_images, "holdout", labeled=True, notes=notes)


def _folder(folder: Path, role: Role, labeled: bool, notes: list[str]) -> _Stream:
    listing = list_images(folder)
    if listing.ignored:
        notes.append(f"{folder}: {listing.ignored:,} other file(s) passed over (no image suffix, or hidden)")
    return _Stream(str(folder), len(listing.paths), survey_folder(folder, listing, role, labeled))


def _table(request: InitRequest, path: Path, role: Role, split: Split | None, matrix: Matrix | None) -> _Stream:
    source = TableSource(path, role, request.text_column, request.path_column, request.label_column, split, matrix)
    return _Stream(path.name, _total(path), survey_table(source))


def _total(path: Path) -> int | None:
    need(path, ())
    return count_rows(path)
