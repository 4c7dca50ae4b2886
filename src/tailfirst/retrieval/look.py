"""A closer look at open rows: their vectors, and how near they are to classes and to items."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tailfirst.contracts import Encoder, Floats, Ints, Vectors
from tailfirst.embedding.cache import VectorCache
from tailfirst.embedding.embed import kind_of
from tailfirst.embedding.keys import Keys, words
from tailfirst.items import Items
from tailfirst.retrieval.hygiene import closest
from tailfirst.retrieval.images import ImageReader
from tailfirst.retrieval.rank import SPAN, cosines
from tailfirst.retrieval.select import Looked
from tailfirst.retrieval.vectors import OpenRows, OpenVectors, embed_open_rows
from tailfirst.vectors import unit

BLOCK = 65_536  # items compared at a time


@dataclass(frozen=True, slots=True)
class Looker:
    """Embeds open rows and compares them; the items' vectors are in the cache already."""

    encoder: Encoder
    cache: VectorCache
    reader: ImageReader
    items: Items
    contents: Keys  # of the items
    traits: pa.Table  # gathered.POOL_SCHEMA
    classes: Ints  # (R,) the class of each row
    prototypes: Vectors  # (C, D)

    def look(self, rows: Ints) -> Looked:
        """What these rows hold; rows without a usable image say so, and those that are a pool or holdout item."""
        found, usable, own = self._vectors(rows)
        vectors = np.zeros((len(rows), own.shape[1]), np.float32)
        vectors[usable] = own
        nearest = np.full(len(rows), -1, np.float32)
        nearest[usable] = closest(own, self._blocks())
        t2i = np.full(len(rows), np.nan)
        if self.encoder.reads == "image":
            t2i[usable] = cosines(own, np.arange(len(usable)), self.prototypes, self.classes[rows[usable]])
        lost = list(found.lost)
        is_item = self.contents.find(words([str(found.shas[place]) for place in usable.tolist()])) >= 0
        for place in usable[is_item].tolist():  # its sha256 was not recorded, or it would not have come here
            lost[place] = "item"
        return Looked(tuple(lost), found.shas, t2i, nearest, vectors)

    def likeness(self, anchors: Vectors) -> Floats:
        """(R,) cosine of the vector of every row to the anchor (C, D) of its class; -inf without a usable image."""
        out = np.full(len(self.classes), -np.inf)
        for start in range(0, len(out), SPAN):
            rows = np.arange(start, min(start + SPAN, len(out)))
            _, usable, own = self._vectors(rows)
            out[rows[usable]] = cosines(own, np.arange(len(usable)), anchors, self.classes[rows[usable]])
        return out

    def _vectors(self, rows: Ints) -> tuple[OpenVectors, Ints, Vectors]:
        """What became of the rows, which of them are usable, and the unit vectors of those."""
        part = self.traits.take(pa.array(rows))
        asked = OpenRows(
            ids=part["open_id"].to_pylist(),
            shards=part["shard"].to_pylist(),
            rows=part["row"].to_numpy().astype(np.int64),
            captions=part["caption"].to_pylist(),
            shas=part["sha256"].to_pylist(),
        )
        found = embed_open_rows(self.encoder, asked, self.reader, self.cache)
        usable = np.array([place for place, sha in enumerate(found.shas) if sha is not None], np.int64)
        keys = [str(found.shas[place]) for place in usable.tolist()]
        return found, usable, unit(self.cache.get(kind_of(self.encoder), keys))

    def _blocks(self) -> Iterator[Vectors]:
        kind = kind_of(self.encoder)
        for start in range(0, len(self.items), BLOCK):
            shas = self.items.table["sha256"].slice(start, BLOCK).to_pylist()
            yield unit(self.cache.get(kind, shas))
