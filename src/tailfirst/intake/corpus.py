"""The open corpus: caption tables of any known shape become parquet shards with one schema."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from tailfirst import artifacts, schemas
from tailfirst.errors import TaskFolderError, UserError
from tailfirst.intake import pictures
from tailfirst.intake.records import Progress
from tailfirst.intake.rows import Row, as_label, columns_of, count_rows, first_of, read_rows
from tailfirst.items import clean_text, inside, sha256_text
from tailfirst.retrieval.columns import ACCEPTED, UNKNOWN, nsfw_number
from tailfirst.takedowns import NOTHING, Takedowns

PART_ROWS = 100_000
PART_BYTES = 256 << 20
ALIASES: dict[str, tuple[str, ...]] = {
    name: ACCEPTED[name] for name in ("caption", "url", "nsfw", "licence", "source", "path", "image")
} | {"open_id": ("open_id",)}  # an id of somebody else's is not kept: ours follows from what the row holds


@dataclass(slots=True)
class Corpus:
    """What was written: kept rows, and why others were not."""

    n: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


def write_corpus(files: Sequence[Path], folder: Path, progress: Progress, banned: Takedowns = NOTHING) -> Corpus:
    """Write `part-NNN.parquet` shards with `schemas.OPEN`; rows without a caption and exact doubles are left out.

    What was taken down is left out too, by id, bytes or address.

    Raises:
        UserError: A file is missing, unreadable, of another kind, or has no caption column.
    """
    corpus, seen = Corpus(), set[str]()
    parts = _Parts(folder)
    for path in files:
        with progress(f"open corpus {path.name}", _count(path)) as tick:
            for record in _records(path, corpus):
                tick(1)
                if record["open_id"] in seen:
                    corpus.dropped["doubled rows"] += 1
                    continue
                seen.add(str(record["open_id"]))
                if _is_banned(record, banned):
                    corpus.dropped["rows that were taken down"] += 1
                    continue
                parts.add(record)
                corpus.n += 1
    parts.flush()
    return corpus


def _is_banned(record: dict[str, object], banned: Takedowns) -> bool:
    """By open id, by the bytes of the image, by the caption where that is the content, or by the address."""
    if not banned:
        return False
    url, contents = record["url"], (record["sha256"], sha256_text(str(record["caption"])))
    known = record["open_id"] in banned.ids or any(one in banned.shas for one in contents)
    return known or (isinstance(url, str) and banned.has_url(url))


class _Parts:
    """Collects records and writes a shard whenever enough came together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._records: list[dict[str, object]] = []
        self._bytes = 0
        self._number = 0

    def add(self, record: dict[str, object]) -> None:
        self._records.append(record)
        image = record["image"]
        self._bytes += len(image) if isinstance(image, bytes) else 0
        if len(self._records) >= PART_ROWS or self._bytes >= PART_BYTES:
            self.flush()

    def flush(self) -> None:
        if not self._records:
            return
        table = pa.Table.from_pylist(self._records, schema=schemas.OPEN)
        artifacts.write_parquet(self._folder / f"part-{self._number:03d}.parquet", table)
        self._records, self._bytes, self._number = [], 0, self._number + 1


def _count(path: Path) -> int | None:
    try:
        return count_rows(path)
    except (OSError, pa.ArrowInvalid):
        return None  # read_rows says what is wrong


def _records(path: Path, corpus: Corpus) -> Iterator[dict[str, object]]:
    columns, rows = _open(path)
    for row in rows:
        values = dict(zip(columns, row.values, strict=True))
        caption = values["caption"]
        caption = clean_text(caption) if isinstance(caption, str) else ""
        if not caption:
            corpus.dropped["rows without a caption"] += 1
            continue
        yield _record(path, values, caption, corpus)


def _open(path: Path) -> tuple[list[str], Iterator[Row]]:
    if path.suffix == ".txt":
        if not path.is_file():
            raise UserError(f"no file {path}")
        return ["caption"], _lines(path)
    found = columns_of(path)
    mapping = {ours: name for ours, aliases in ALIASES.items() if (name := first_of(found, aliases)) is not None}
    if "caption" not in mapping:
        wanted = ", ".join(ALIASES["caption"])
        raise UserError(f"{path} has no caption column; wanted one of {wanted}; it has: {', '.join(found)}")
    return list(mapping), read_rows(path, list(mapping.values()))


def _lines(path: Path) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                yield Row(number, (line,))
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: {error}") from error


def _record(path: Path, values: dict[str, object], caption: str, corpus: Corpus) -> dict[str, object]:
    url, relative = as_label(values.get("url")), as_label(values.get("path"))
    image = _image(path.parent, values.get("image"), relative, corpus)
    sha256 = artifacts.sha256_bytes(image) if image is not None else None
    identity = artifacts.sha256_bytes(artifacts.canonical_json([caption, url, relative, sha256]).encode())
    return {
        "open_id": as_label(values.get("open_id")) or "o" + identity[:19],
        "caption": caption,
        "sha256": sha256,
        "image": image,
        "path": relative,
        "url": url,
        "licence": _known(values.get("licence")),
        "nsfw": _nsfw(values.get("nsfw")),
        "source": as_label(values.get("source")) or path.name,
    }


def _image(root: Path, value: object, relative: str | None, corpus: Corpus) -> bytes | None:
    if isinstance(value, dict):  # {bytes, path}, as some dataset exports nest it
        value = value.get("bytes")
    data = value if isinstance(value, bytes) else _file(root, relative, corpus)
    if data is not None and (why := pictures.fault(data)):
        corpus.dropped[f"images ({why.split(':', maxsplit=1)[0]}), their captions kept"] += 1
        return None
    return data


def _file(root: Path, relative: str | None, corpus: Corpus) -> bytes | None:
    if relative is None:
        return None
    try:
        path = inside(root, relative)
    except TaskFolderError:
        corpus.dropped["image paths that leave the corpus folder, their captions kept"] += 1
        return None
    return path.read_bytes() if path.is_file() else None


def _known(value: object) -> str | None:
    text = as_label(value)
    return None if text is None or text.lower() in UNKNOWN else text


def _nsfw(value: object) -> float | None:
    if isinstance(value, str):
        return nsfw_number(value)
    return float(value) if isinstance(value, bool | int | float) and not math.isnan(value) else None
