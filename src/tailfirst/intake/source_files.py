"""Items that are files: a folder of images, or a table with a column of paths."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tailfirst import artifacts
from tailfirst.errors import TaskFolderError, UserError
from tailfirst.intake import pictures
from tailfirst.intake.records import Entry, Rejection, Role
from tailfirst.items import inside


@dataclass(frozen=True, slots=True)
class Listing:
    """The image files of a folder, sorted, and how many other files lie beside them."""

    paths: tuple[str, ...]  # relative, with forward slashes
    ignored: int


def list_images(folder: Path) -> Listing:
    """Image files below a folder by their suffix; hidden files and folders and linked folders are passed over.

    Raises:
        UserError: No such folder, or no image in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; --images and --holdout-images want a folder of image files")
    paths: list[str] = []
    ignored = 0
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if Path(name).suffix.lower() in pictures.SUFFIXES and not name.startswith("."):
                paths.append((Path(where) / name).relative_to(folder).as_posix())
            else:
                ignored += 1
    if not paths:
        raise UserError(
            f"{folder} holds no image ({ignored} other files); known: {', '.join(sorted(pictures.SUFFIXES))}"
        )
    return Listing(tuple(sorted(paths)), ignored)


def class_folder(relative: str) -> str | None:
    """The first folder of a relative path, which names the class; None for a file that lies at the top."""
    first, slash, _ = relative.partition("/")
    return first if slash else None


def survey_folder(folder: Path, listing: Listing, role: Role, labeled: bool) -> Iterator[Entry | Rejection]:
    """Every image of a folder; `labeled`: the first folder of a path names its class."""
    for relative in listing.paths:
        label = class_folder(relative) if labeled else None
        yield image_entry(folder, relative, folder.name, relative, label, role)


def image_entry(root: Path, relative: str, source: str, row: str, label: str | None, role: Role) -> Entry | Rejection:
    """One image file below `root`, read once and checked."""
    try:
        path = inside(root, relative)
        data = path.read_bytes()
    except TaskFolderError as error:
        return Rejection(source, row, str(error))
    except OSError as error:
        return Rejection(source, row, f"cannot read {relative}: {error.strerror or error}")
    why = pictures.fault(data)
    if why:
        return Rejection(source, row, f"{relative}: {why}")
    return Entry(source, row, artifacts.sha256_bytes(data), label, role, key=relative, file=path, length=len(data))
