"""Vectors of open rows: images (or captions, in a text task) through the same cache as the items."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from tailfirst import artifacts
from tailfirst.contracts import Encoder, Ints, Media
from tailfirst.embedding.cache import VectorCache
from tailfirst.embedding.embed import CHUNK, Batch, embed_batches, kind_of
from tailfirst.errors import StaleArtifact
from tailfirst.items import clean_text, sha256_text
from tailfirst.paths import Workspace
from tailfirst.retrieval.corpus import Shard, shards
from tailfirst.retrieval.images import ImageReader


@dataclass(frozen=True, slots=True)
class OpenRows:
    """Rows of the open corpus."""

    ids: Sequence[str]  # open ids
    shards: Sequence[str]  # names, relative to data/
    rows: Ints  # row in the shard
    captions: Sequence[str]
    shas: Sequence[str | None]  # recorded sha256 of the image, where there is one

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class OpenVectors:
    """What became of open rows: the content key of each, or why it has no vector."""

    shas: tuple[str | None, ...]
    lost: tuple[str | None, ...]  # no_image | other_bytes | taken_down | unreadable


def embed_open_rows(encoder: Encoder, rows: OpenRows, known: ImageReader, cache: VectorCache) -> OpenVectors:
    """Make sure that the cache holds the vectors of open rows; a row without a usable image is no error.

    The bytes are read even of rows that are already stored: whether a row is usable must not depend on the cache.
    """
    shas: list[str | None] = [None] * len(rows)
    lost: list[str | None] = [None] * len(rows)
    order = np.array(sorted(range(len(rows)), key=lambda r: (rows.shards[r], rows.rows[r])), np.int64)

    def batches() -> Iterator[Batch]:
        for start in range(0, len(order), CHUNK):
            part = order[start : start + CHUNK]
            media = _media(encoder.reads, rows, part, known, shas, lost)
            usable = [row for row in part.tolist() if shas[row] is not None]
            keys = [str(shas[row]) for row in usable]
            news = cache.missing(kind_of(encoder), keys).tolist()
            yield Batch([keys[k] for k in news], [media[usable[k]] for k in news], len(part))

    embed_batches(encoder, batches(), cache, len(rows), tolerant=True)
    keyed = [(row, sha) for row, sha in enumerate(shas) if sha is not None]
    stored = cache.has(kind_of(encoder), [sha for _, sha in keyed])
    for (row, _), is_stored in zip(keyed, stored.tolist(), strict=True):
        if not is_stored:
            lost[row], shas[row] = "unreadable", None
    return OpenVectors(tuple(shas), tuple(lost))


def embed_open(ws: Workspace, encoder: Encoder, retrieved: pa.Table, cache: VectorCache) -> None:
    """Make sure that the cache holds the vector of every row of work/retrieved.parquet.

    Raises:
        StaleArtifact: The open corpus changed after the retrieval.
    """
    missing = cache.missing(kind_of(encoder), retrieved["sha256"].to_pylist())
    rows = _rows_of(retrieved.take(pa.array(missing)))
    found = embed_open_rows(encoder, rows, ImageReader(ws, _known(ws, rows)), cache)
    _refuse_changed(rows, found.shas)


def open_media(ws: Workspace, retrieved: pa.Table, reads: Literal["image", "text"]) -> list[Media]:
    """The media of rows of work/retrieved.parquet, in their order.

    Raises:
        StaleArtifact: The open corpus changed after the retrieval.
    """
    rows = _rows_of(retrieved)
    shas: list[str | None] = [None] * len(rows)
    lost: list[str | None] = [None] * len(rows)
    order = np.array(sorted(range(len(rows)), key=lambda r: (rows.shards[r], rows.rows[r])), np.int64)
    found = _media(reads, rows, order, ImageReader(ws, _known(ws, rows)), shas, lost)
    _refuse_changed(rows, shas)
    return [found[row] for row in range(len(rows))]


def _rows_of(table: pa.Table) -> OpenRows:
    return OpenRows(
        ids=table["open_id"].to_pylist(),
        shards=table["shard"].to_pylist(),
        rows=table["row"].to_numpy().astype(np.int64),
        captions=table["caption"].to_pylist(),
        shas=table["sha256"].to_pylist(),
    )


def _refuse_changed(rows: OpenRows, shas: Sequence[str | None]) -> None:
    bad = [one for one, now, sha in zip(rows.ids, shas, rows.shas, strict=True) if now != sha]
    if bad:
        raise StaleArtifact(
            f"{len(bad)} retrieved row(s) are no longer in data/open as retrieved: {', '.join(bad[:10])}; "
            "run the stage `retrieve` again"
        )


def _known(ws: Workspace, rows: OpenRows) -> tuple[Shard, ...]:
    return shards(ws) if len(rows) else ()


def _media(
    reads: Literal["image", "text", "row"],
    rows: OpenRows,
    part: Ints,
    known: ImageReader,
    shas: list[str | None],
    lost: list[str | None],
) -> dict[int, Media]:
    """The media of some rows; notes their keys in `shas` and what is wrong with the others in `lost`."""
    if reads == "text":
        for row in part.tolist():
            shas[row] = sha256_text(rows.captions[row])
        return {row: Media(rows.ids[row], text=clean_text(rows.captions[row])) for row in part.tolist()}
    found: dict[int, Media] = {}
    names = [rows.shards[row] for row in part.tolist()]
    for name in dict.fromkeys(names):
        here = part[np.array([one == name for one in names])]
        for row, data in zip(here.tolist(), known.read(name, rows.rows[here]), strict=True):
            if data is None:
                lost[row] = "no_image"
                continue
            sha, recorded = artifacts.sha256_bytes(data), rows.shas[row]
            if recorded is not None and recorded != sha:
                lost[row] = "other_bytes"
                continue
            if sha in known.banned.shas:
                lost[row] = "taken_down"
                continue
            shas[row] = sha
            found[row] = Media(rows.ids[row], data=data)
    return found
