"""The items of a task folder: ids, roles, and the bytes, text or vector row behind each of them."""

import io
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from tailfirst import artifacts, schemas
from tailfirst.contracts import Ids, Ints, Media
from tailfirst.errors import StaleArtifact, TaskFolderError
from tailfirst.paths import Workspace

Reads = Literal["image", "text", "row"]
ID_DIGITS = 20
MAX_PIXELS = 50_000_000
# Formats that Pillow decodes by itself; EPS and others would start outside programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")


@dataclass(frozen=True, slots=True)
class Items:
    """items.parquet in memory, rows in file order (the order of work/embeddings/items.npy)."""

    table: pa.Table  # schemas.ITEMS
    item_ids: Ids  # (N,)
    is_pool: NDArray[np.bool_]  # (N,)

    def __len__(self) -> int:
        return len(self.item_ids)

    @property
    def is_holdout(self) -> NDArray[np.bool_]:
        """(N,) True where the item only measures."""
        return ~self.is_pool

    @property
    def pool_ids(self) -> Ids:
        """Item ids of the pool."""
        return self.item_ids[self.is_pool]

    @property
    def holdout_ids(self) -> Ids:
        """Item ids of the holdout."""
        return self.item_ids[self.is_holdout]

    def rows(self, item_ids: Iterable[str]) -> Ints:
        """Rows of items, in the order asked.

        Raises:
            TaskFolderError: Items that are not in items.parquet; names the first ones.
        """
        wanted = pa.array(list(item_ids), pa.string())
        found = pc.index_in(wanted, value_set=self.table["item_id"].combine_chunks())
        if found.null_count:
            lost = wanted.filter(pc.is_null(found)).to_pylist()
            raise TaskFolderError(f"{len(lost)} item(s) not in items.parquet: {', '.join(map(str, lost[:10]))}")
        rows: Ints = found.to_numpy(zero_copy_only=False).astype(np.int64)
        return rows

    def take(self, item_ids: Iterable[str]) -> pa.Table:
        """The table rows of items, in the order asked: what `read_media` takes.

        Raises:
            TaskFolderError: Items that are not in items.parquet.
        """
        return self.table.take(pa.array(self.rows(item_ids)))


def item_id(sha256: str) -> str:
    """The id of an item: the first 20 hex digits of the sha256 of its bytes."""
    return sha256[:ID_DIGITS]


def clean_text(text: str) -> str:
    """A text as it is stored and hashed: Unicode NFC, without spaces at its ends."""
    return unicodedata.normalize("NFC", text).strip()


def sha256_text(text: str) -> str:
    """Hex sha256 of the UTF-8 bytes of a cleaned text."""
    return artifacts.sha256_bytes(clean_text(text).encode())


def load_items(ws: Workspace) -> Items:
    """Read items.parquet.

    Raises:
        TaskFolderError: Missing, lacking columns, with doubled ids, or with another role than pool and holdout.
    """
    return items_of(schemas.read(ws.items, schemas.ITEMS), str(ws.items))


def items_of(table: pa.Table, where: str = "items") -> Items:
    """Items from a table with the columns of `schemas.ITEMS`; `where` names it in messages.

    Raises:
        TaskFolderError: Doubled ids, or another role than pool and holdout.
    """
    ids = table["item_id"]
    if pc.count_distinct(ids).as_py() != len(ids):
        counts = pc.value_counts(ids)
        doubled = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").to_pylist()
        raise TaskFolderError(f"{where}: {len(doubled)} item_id(s) occur more than once: {', '.join(doubled[:10])}")
    roles = set(pc.unique(table["role"]).to_pylist())
    if unknown := sorted(map(str, roles - {"pool", "holdout"})):
        raise TaskFolderError(f"{where}: role(s) {', '.join(unknown)}; known: pool, holdout")
    is_pool = pc.equal(table["role"], "pool").to_numpy(zero_copy_only=False).astype(np.bool_)
    return Items(table, ids.to_numpy(zero_copy_only=False).astype(np.str_), is_pool)


def read_media(ws: Workspace, rows: pa.Table, reads: Reads, check: bool = True) -> list[Media]:
    """What an encoder needs of items, in the order of the rows; every shard is opened once.

    Args:
        ws: The workspace.
        rows: Some rows of items.parquet (for example `items.take(ids)` or `items.table.slice(...)`).
        reads: image: bytes; text: the text; row: the row of data/vectors.npy.
        check: Compare image bytes with their recorded sha256.

    Raises:
        TaskFolderError: An item has no such media, a file is missing or too short, or a path leaves data/.
        StaleArtifact: The bytes of an image are no longer those recorded.
    """
    ids = rows["item_id"].to_pylist()
    if reads == "image":
        data = _read_images(ws, rows)
        if check:
            _check_bytes(ids, data, rows["sha256"].to_pylist())
        return [Media(one, data=value) for one, value in zip(ids, data, strict=True)]
    column = "text" if reads == "text" else "vector_row"
    values = rows[column].to_pylist()
    if None in values:
        raise TaskFolderError(f"item {ids[values.index(None)]} has no {column}, but the encoder reads {reads}s")
    if reads == "text":
        return [Media(one, text=value) for one, value in zip(ids, values, strict=True)]
    return [Media(one, vector_row=value) for one, value in zip(ids, values, strict=True)]


def inside(root: Path, relative: str) -> Path:
    """A path below `root`, symbolic links followed.

    Raises:
        TaskFolderError: Absolute, with `..`, or leading out of `root` through a link.
    """
    parts = PurePosixPath(relative)
    windows = PureWindowsPath(relative)
    if not relative or parts.is_absolute() or windows.drive or windows.root or ".." in windows.parts:
        raise TaskFolderError(f"path {relative!r} must be relative and stay below {root}")
    path = (root / parts).resolve()
    if not path.is_relative_to(root.resolve()):
        raise TaskFolderError(f"path {relative!r} leads out of {root} (to {path})")
    return path


def open_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """An upright RGB image from bytes; transparent parts become white.

    Raises:
        TaskFolderError: Not an image of a known format, damaged, or larger than `max_pixels`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise TaskFolderError(f"image of {image.width} x {image.height} pixels; the cap is {max_pixels:,}")
            upright = ImageOps.exif_transpose(image)
            if upright.has_transparency_data:
                color = upright.convert("RGBA")
                return Image.alpha_composite(Image.new("RGBA", color.size, "white"), color).convert("RGB")
            return upright.convert("RGB")
    except UnidentifiedImageError as error:
        raise TaskFolderError(f"not an image of a known format ({len(data)} bytes)") from error
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise TaskFolderError(f"unreadable image ({len(data)} bytes): {error}") from error


@dataclass(frozen=True, slots=True)
class _Place:
    row: int
    offset: int
    length: int


def _read_images(ws: Workspace, rows: pa.Table) -> list[bytes]:
    data: list[bytes] = [b""] * len(rows)
    shards: dict[str, list[_Place]] = {}
    columns = [rows[name].to_pylist() for name in ("item_id", "path", "shard", "offset", "length")]
    for row, (one, path, shard, offset, length) in enumerate(zip(*columns, strict=True)):
        if path is not None:
            data[row] = _read_file(ws, one, path)
        elif shard is not None:
            if offset is None or length is None:
                raise TaskFolderError(f"item {one} lies in data/{shard}, but its offset or length is missing")
            shards.setdefault(shard, []).append(_Place(row, offset, length))
        else:
            raise TaskFolderError(f"item {one} has no image (neither path nor shard), but the encoder reads images")
    for shard, places in shards.items():
        _read_shard(ws, shard, sorted(places, key=lambda p: p.offset), data)
    return data


def _read_file(ws: Workspace, one: str, relative: str) -> bytes:
    try:
        return inside(ws.data, relative).read_bytes()
    except OSError as error:
        raise TaskFolderError(f"item {one}: cannot read data/{relative}: {error.strerror}; try `dvc pull`") from error


def _read_shard(ws: Workspace, shard: str, places: Sequence[_Place], data: list[bytes]) -> None:
    try:
        with inside(ws.data, shard).open("rb") as file:
            for place in places:
                file.seek(place.offset)
                data[place.row] = file.read(place.length)
                if len(data[place.row]) != place.length:
                    end = place.offset + place.length
                    raise TaskFolderError(f"data/{shard} ends before byte {end:,}, where an item ends; try `dvc pull`")
    except OSError as error:
        raise TaskFolderError(f"cannot read data/{shard}: {error.strerror}; try `dvc pull`") from error


def _check_bytes(ids: Sequence[str], data: Sequence[bytes], recorded: Sequence[str]) -> None:
    changed = [one for one, value, sha in zip(ids, data, recorded, strict=True) if artifacts.sha256_bytes(value) != sha]
    if changed:
        raise StaleArtifact(
            f"{len(changed)} image(s) are not the bytes recorded in items.parquet: {', '.join(changed[:10])}; "
            "restore them with `dvc checkout`"
        )
