"""From what is wanted to what is stored: only contents that the cache lacks meet the encoder."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from tailfirst.contracts import Encoder, Ints, Media, Vectors
from tailfirst.embedding._progress import progress
from tailfirst.embedding.cache import SEGMENT_ROWS, Kind, VectorCache
from tailfirst.errors import TaskFolderError, Unavailable
from tailfirst.items import Items, clean_text, open_image, read_media, sha256_text
from tailfirst.paths import Workspace
from tailfirst.vectors import unit

CHUNK = 512  # items in memory at a time; a second such chunk is read while this one is encoded
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Items to embed, with their content keys; `done` counts those of the work that this batch stands for."""

    shas: Sequence[str]
    media: Sequence[Media]
    done: int


def kind_of(encoder: Encoder) -> Kind:
    """The kind under which the encoder's items are stored.

    Raises:
        Unavailable: The encoder reads rows of a matrix, which are not cached.
    """
    if encoder.reads == "row":
        raise Unavailable("vectors that are brought along are read from their own file, not from the cache")
    return encoder.reads


def embed(
    encoder: Encoder,
    ids: Sequence[str],
    shas: Sequence[str],
    media_of: Callable[[Ints], Sequence[Media]],
    cache: VectorCache,
    chunk: int = CHUNK,
) -> int:
    """Make sure that the cache holds the vector of every item.

    Args:
        encoder: Reads images or texts.
        ids: (N,) what items are called in messages.
        shas: (N,) hex sha256 of each item's bytes or text.
        media_of: The media of given rows (ascending); called in another thread, one call at a time.
        cache: Where vectors are stored.
        chunk: Items in memory at a time.

    Returns:
        How many items were embedded now.

    Raises:
        TaskFolderError: An item cannot be decoded; names it.
    """
    rows = cache.missing(kind_of(encoder), shas)

    def batches() -> Iterator[Batch]:
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            yield Batch([shas[row] for row in part], media_of(part), len(part))

    count = embed_batches(encoder, batches(), cache, len(rows))
    logger.info("embedded %d of %d items", count, len(ids))
    return count


def embed_batches(
    encoder: Encoder, batches: Iterable[Batch], cache: VectorCache, total: int, tolerant: bool = False
) -> int:
    """Encode batches and store them in segments; the next batch is made while one is encoded.

    Args:
        encoder: Reads images or texts.
        batches: Made in another thread, one at a time.
        cache: Where vectors are stored; a kill loses at most one segment.
        total: What the `done` of all batches adds up to.
        tolerant: Leave out media that cannot be decoded, in place of an error.

    Returns:
        How many vectors were made.
    """
    store = _Store(cache, kind_of(encoder))
    coming = iter(batches)
    with progress("embedding", total) as advance, ThreadPoolExecutor(1, thread_name_prefix="read") as reader:
        future = reader.submit(next, coming, None)
        while (batch := future.result()) is not None:
            future = reader.submit(next, coming, None)
            _encode(encoder, batch, store, tolerant)
            advance(batch.done)
    store.flush()
    return store.count


def embed_texts(encoder: Encoder, texts: Sequence[str], cache: VectorCache) -> Vectors:
    """(N, D) unit vectors of texts through the cache, rounded as it stores them."""
    cleaned = [clean_text(text) for text in texts]
    shas = [sha256_text(text) for text in cleaned]
    rows = cache.missing("text", shas)
    with progress("embedding texts", len(rows)) as advance:
        for start in range(0, len(rows), SEGMENT_ROWS):
            part = rows[start : start + SEGMENT_ROWS]
            cache.add("text", [shas[row] for row in part], encoder.texts([cleaned[row] for row in part]))
            advance(len(part))
    return unit(cache.get("text", shas))


def embed_items(ws: Workspace, encoder: Encoder, items: Items, cache: VectorCache) -> int:
    """Make sure that the cache holds the vector of every item of the task; gives how many were embedded now.

    Raises:
        TaskFolderError: An item cannot be read or decoded; names it.
    """
    shas = items.table["sha256"].to_pylist()
    ids: list[str] = items.item_ids.tolist()
    return embed(encoder, ids, shas, lambda rows: read_media(ws, items.table.take(rows), encoder.reads), cache)


class _Store:
    """Collects vectors until a segment is full."""

    def __init__(self, cache: VectorCache, kind: Kind) -> None:
        self.cache, self.kind, self.count = cache, kind, 0
        self._shas: list[str] = []
        self._vectors: list[Vectors] = []

    def put(self, shas: Sequence[str], vectors: Vectors) -> None:
        self._shas.extend(shas)
        self._vectors.append(vectors)
        self.count += len(shas)
        if len(self._shas) >= SEGMENT_ROWS:
            self.flush()

    def flush(self) -> None:
        if self._shas:
            self.cache.add(self.kind, self._shas, np.concatenate(self._vectors))
            self._shas, self._vectors = [], []


def _encode(encoder: Encoder, batch: Batch, store: _Store, tolerant: bool) -> None:
    rows = list(range(len(batch.media)))
    if not rows:
        return
    try:
        vectors = encoder.items(batch.media)
    except TaskFolderError:
        readable = [row for row in rows if _readable(batch.media[row])]
        if not tolerant or len(readable) == len(rows):
            raise
        rows, vectors = readable, encoder.items([batch.media[row] for row in readable])
    store.put([batch.shas[row] for row in rows], vectors)


def _readable(media: Media) -> bool:
    if media.data is None:
        return True
    try:
        open_image(media.data)
    except TaskFolderError:
        return False
    return True
