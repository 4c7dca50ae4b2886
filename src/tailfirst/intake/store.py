"""Bring the bytes of items below data/: as files, in tar shards, or with the container they lie in."""

import io
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tailfirst import artifacts
from tailfirst.errors import UserError
from tailfirst.intake.records import Entry, Item, Progress
from tailfirst.items import item_id

MAX_FILES = 5_000  # above: tar shards, because DVC and file systems suffer from many small files
SHARD_BYTES = 256 << 20
_BLOCK = 16 << 20
_HEADER = 512  # bytes of a USTAR header; names here are short enough for exactly one


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of an item lie, relative to data/; all empty for texts and vectors."""

    path: str | None = None
    shard: str | None = None
    offset: int | None = None
    length: int | None = None


def store(data: Path, items: Sequence[Item], link: bool, progress: Progress) -> list[Place]:
    """Copy (or hard-link) the bytes of items; one place per item, in order.

    Raises:
        UserError: A file changed while it was being read.
    """
    containers = _store_containers(data, items, link, progress)
    n_files = sum(item.entry.file is not None for item in items)
    packed = n_files > MAX_FILES and not link
    places: list[Place] = []
    with progress("copying images", n_files or None) as tick, ShardWriter(data).opened() as shards:
        for item in items:
            entry = item.entry
            if entry.container is not None:
                places.append(Place(None, containers[entry.container], entry.offset, entry.length))
            elif entry.file is not None:
                places.append(shards.add(item, _bytes(entry)) if packed else _store_file(data, entry, link))
                tick(1)
            else:
                places.append(Place())
    return places


class ShardWriter:
    """Writes tar shards of about SHARD_BYTES with headers that depend on nothing but id and length."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._tars: dict[str, tarfile.TarFile] = {}
        self._numbers: dict[str, int] = {}

    @contextmanager
    def opened(self) -> Iterator["ShardWriter"]:
        """Closes every shard at the end."""
        try:
            yield self
        finally:
            for tar in self._tars.values():
                tar.close()

    def add(self, item: Item, data: bytes) -> Place:
        """Append one item to the current shard of its role."""
        tar = self._tars.get(item.role)
        if tar is None or tar.offset + len(data) > SHARD_BYTES:
            tar = self._next(item.role)
        info = tarfile.TarInfo(_file_name(item.entry))
        info.size = len(data)
        offset = tar.offset + _HEADER
        tar.addfile(info, io.BytesIO(data))
        return Place(None, self._name(item.role), offset, len(data))

    def _name(self, role: str) -> str:
        return f"shards/{role}-{self._numbers[role]:03d}.tar"

    def _next(self, role: str) -> tarfile.TarFile:
        if role in self._tars:
            self._tars[role].close()
        self._numbers[role] = self._numbers.get(role, -1) + 1
        path = self._data / self._name(role)
        path.parent.mkdir(exist_ok=True)
        self._tars[role] = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 (closed by `opened`)
        return self._tars[role]


def _store_file(data: Path, entry: Entry, link: bool) -> Place:
    assert entry.file is not None
    name = _file_name(entry)
    relative = f"images/{name[:2]}/{name}"
    target = data / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    if not (link and _linked(entry.file, target)):
        target.write_bytes(_bytes(entry))
    return Place(path=relative, length=entry.length)


def _bytes(entry: Entry) -> bytes:
    assert entry.file is not None
    data = entry.file.read_bytes()
    if artifacts.sha256_bytes(data) != entry.sha256:
        raise UserError(f"{entry.file} changed while it was being read; run init again when nothing writes there")
    return data


def _file_name(entry: Entry) -> str:
    suffix = entry.file.suffix.lower() if entry.file is not None else ""
    return item_id(entry.sha256) + {".jpeg": ".jpg", ".tiff": ".tif"}.get(suffix, suffix)


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:
        return False  # another file system, or one without hard links: copy
    return True


def _store_containers(data: Path, items: Sequence[Item], link: bool, progress: Progress) -> dict[Path, str]:
    paths = list(dict.fromkeys(item.entry.container for item in items if item.entry.container is not None))
    paths.sort()
    names = [path.name for path in paths]
    found: dict[Path, str] = {}
    for number, path in enumerate(paths):
        name = path.name if names.count(path.name) == 1 else f"{number:03d}-{path.name}"
        found[path] = f"shards/{name}"
        target = data / found[path]
        target.parent.mkdir(exist_ok=True)
        if not (link and _linked(path, target)):
            with progress(f"copying {path.name}", path.stat().st_size) as tick:
                _copy(path, target, tick)
    return found


def _copy(source: Path, target: Path, tick: Callable[[int], None]) -> None:
    with source.open("rb") as reader, target.open("wb") as writer:
        while block := reader.read(_BLOCK):
            writer.write(block)
            tick(len(block))
