"""Reading the demo's pictures back as arrays, and leaving out open pictures that copy an item."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from tailfirst import schemas
from tailfirst.demo.palette import SIDE
from tailfirst.errors import TaskFolderError
from tailfirst.paths import Workspace

_GRID = 12
_COPY = 6.0
"""Mean difference of two thumbnails, grey levels, below which one picture copies the other."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """The open corpus in memory.

    Attributes:
        captions: one per picture.
        pixels: (N, SIDE, SIDE, 3) uint8.
    """

    captions: tuple[str, ...]
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ItemPixels:
    """Items in memory, in the order of ``items.parquet``.

    Attributes:
        item_ids: (N,) ids.
        roles: (N,) ``pool`` or ``holdout``.
        pixels: (N, SIDE, SIDE, 3) uint8.
    """

    item_ids: tuple[str, ...]
    roles: tuple[str, ...]
    pixels: NDArray[np.uint8]


def decode(png: bytes) -> NDArray[np.uint8]:
    """Return a demo picture's pixels, (SIDE, SIDE, 3)."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"), dtype=np.uint8)


def open_corpus(ws: Workspace) -> Corpus:
    """Read every open picture and caption.

    Raises:
        TaskFolderError: There is no open corpus.
    """
    shards = sorted(ws.open.glob("[!.]*.parquet"))
    if not shards:
        raise TaskFolderError(f"{ws.open} has no *.parquet; run `python -m tailfirst.demo.make --root {ws.root}` first")
    tables = [pq.read_table(shard, columns=["caption", "image"]) for shard in shards]
    captions = [text for table in tables for text in table["caption"].to_pylist()]
    pixels = np.empty((len(captions), SIDE, SIDE, 3), dtype=np.uint8)
    images = (png for table in tables for png in table["image"].to_pylist())
    for row, png in enumerate(images):
        pixels[row] = decode(png)
    return Corpus(tuple(captions), pixels)


def item_pixels(ws: Workspace, role: str | None = None) -> ItemPixels:
    """Read the items of one role, or of both."""
    table = schemas.read(ws.items, schemas.ITEMS)
    rows = [row for row in table.to_pylist() if role in {None, row["role"]}]
    shards = {name: (ws.data / name).read_bytes() for name in sorted({row["shard"] for row in rows})}
    pixels = np.empty((len(rows), SIDE, SIDE, 3), dtype=np.uint8)
    for k, row in enumerate(rows):
        start = row["offset"]
        pixels[k] = decode(shards[row["shard"]][start : start + row["length"]])
    return ItemPixels(tuple(r["item_id"] for r in rows), tuple(r["role"] for r in rows), pixels)


def without_copies(corpus: Corpus, items: NDArray[np.uint8]) -> Corpus:
    """Leave out open pictures whose thumbnail is that of an item, up to light and grain.

    Args:
        corpus: the open corpus.
        items: (M, SIDE, SIDE, 3) pictures that nobody may train on.

    Returns:
        The rest of the corpus.
    """
    ours, theirs = _thumbnails(corpus.pixels), _thumbnails(items)
    squares = np.square(theirs).sum(1)
    kept = np.ones(len(ours), dtype=bool)
    for start in range(0, len(ours), 2048):
        part = ours[start : start + 2048]
        distance = np.square(part).sum(1)[:, None] - 2.0 * (part @ theirs.T) + squares
        kept[start : start + 2048] = distance.min(1) > _COPY**2 * ours.shape[1]
    return Corpus(tuple(c for c, keep in zip(corpus.captions, kept, strict=True) if keep), corpus.pixels[kept])


def _thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (N, GRID * GRID) grey thumbnails with their mean removed."""
    cell = SIDE // _GRID
    grey = pixels.astype(np.float32).mean(3).reshape(len(pixels), _GRID, cell, _GRID, cell).mean((2, 4))
    flat: NDArray[np.float32] = grey.reshape(len(pixels), -1)
    centered: NDArray[np.float32] = flat - flat.mean(1, keepdims=True)
    return centered
