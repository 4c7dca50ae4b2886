"""A closer look at open rows: their vectors, and how near they are to classes and to items."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tailfirst.contracts import Encoder, Ints, Vectors
from tailfirst.embedding.cache import VectorCache
from tailfirst.embedding.embed import kind_of
from tailfirst.items import Items
from tailfirst.retrieval.corpus import ImageReader
from tailfirst.retrieval.hygiene import closest
from tailfirst.retrieval.rank import cosines
from tailfirst.retrieval.select import Looked
from tailfirst.retrieval.vectors import OpenRows, embed_open_rows
from tailfirst.vectors import unit

BLOCK = 65_536  # items compared at a time


@dataclass(frozen=True, slots=True)
class Looker:
    """Embeds open rows and compares them; the items' vectors are in the cache already."""

    encoder: Encoder
    cache: VectorCache
    reader: ImageReader
    items: Items
    traits: pa.Table  # corpus.TRAITS, shard, row
    classes: Ints  # (R,) the class of each row
    prototypes: Vectors  # (C, D)

    def look(self, rows: Ints) -> Looked:
        """What these rows hold; rows without a usable image say so."""
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
        vectors = unit(self.cache.get(kind_of(self.encoder), keys))
        nearest = np.full(len(rows), -1, np.float32)
        nearest[usable] = closest(vectors, self._blocks())
        t2i = np.full(len(rows), np.nan)
        if self.encoder.reads == "image":
            t2i[usable] = cosines(vectors, np.arange(len(usable)), self.prototypes, self.classes[rows[usable]])
        return Looked(found.lost, found.shas, t2i, nearest)

    def _blocks(self) -> Iterator[Vectors]:
        kind = kind_of(self.encoder)
        for start in range(0, len(self.items), BLOCK):
            shas = self.items.table["sha256"].slice(start, BLOCK).to_pylist()
            yield unit(self.cache.get(kind, shas))
