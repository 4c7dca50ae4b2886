"""What stands behind the vectors of a workspace: media of items and retrieved rows, prompts, and the encoder itself."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tailfirst import schemas
from tailfirst.adaptation._tuned import Tuned
from tailfirst.config import Params, Settings
from tailfirst.contracts import Ints, Media, MediaOf, Model, Source, Vectors
from tailfirst.embedding import Embeddings, VectorCache, embed_items
from tailfirst.embedding.embed import kind_of
from tailfirst.embedding.run import prompt_names
from tailfirst.encoders import load_encoder
from tailfirst.items import Items, Reads, load_items, read_media
from tailfirst.media import joined
from tailfirst.paths import Workspace
from tailfirst.retrieval.vectors import open_media
from tailfirst.task import load_task
from tailfirst.vectors import unit


@dataclass(frozen=True, slots=True)
class Behind:
    """The workspace behind its embeddings; nothing is read before it is asked for."""

    ws: Workspace
    params: Params
    settings: Settings
    found: Embeddings

    def source(self, name: str) -> Callable[[Ints], Source]:
        """From the labeled items' rows to what stands behind a training set of them and all retrieved rows.

        Args:
            name: Names the scratch folder.
        """
        task = load_task(self.ws.task)
        names = prompt_names(self.ws, task, self.params)
        encoder = functools.cache(lambda: load_encoder(self.ws, self.params, self.settings))

        def make(rows: Ints) -> Source:
            return Source(
                encoder=encoder,
                media=joined(self.items(rows), self.opened(), len(rows)),
                prompts=tuple(task.prompts(one) for one in names),
                names=tuple(one[0] for one in names),
                scratch=self.ws.fits / name / "fit",
                order=lambda: np.concatenate([np.arange(len(rows)), len(rows) + self._shard_order()]),
            )

        return make

    def items(self, rows: Ints) -> MediaOf:
        """The media of given rows of the embeddings' items."""
        table = functools.cache(lambda: self._items().table)
        reads: Reads = self.found.reads
        return lambda some: read_media(self.ws, table().take(pa.array(rows[some])), reads)

    def opened(self) -> MediaOf:
        """The media of retrieved rows."""
        table = functools.cache(lambda: schemas.read(self.ws.retrieved, schemas.RETRIEVED))

        def media(some: Ints) -> list[Media]:
            if not len(some) or self.found.reads == "row":
                return []
            return open_media(self.ws, table().take(pa.array(some)), self.found.reads)

        return media

    def features(self, model: Model) -> Vectors:
        """(N, D) features of all items; a tuned encoder's vectors go through a cache of their own.

        So a killed run does not begin anew; the cache is removed once they are all there.
        """
        if not isinstance(model, Tuned) or model.tuned is None:
            return model.features(self.found.items, None)
        encoder, items = model.tuned(self.settings), self._items()
        cache = VectorCache.of(self.ws, encoder)
        embed_items(self.ws, encoder, items, cache)
        features = unit(cache.get(kind_of(encoder), items.table["sha256"].to_pylist()))
        cache.remove()
        return features

    def _shard_order(self) -> Ints:
        """Retrieved rows as they lie in the open corpus, so that each of its files is read once."""
        table = schemas.read(self.ws.retrieved, schemas.RETRIEVED)
        keys = zip(table["shard"].to_pylist(), table["row"].to_pylist(), strict=True)
        places = [(str(shard), int(row or 0)) for shard, row in keys]
        return np.array(sorted(range(len(places)), key=places.__getitem__), np.int64)

    def _items(self) -> Items:
        items = load_items(self.ws)
        if not np.array_equal(items.item_ids, self.found.item_ids):
            order = items.take(self.found.item_ids.tolist())
            return Items(order, self.found.item_ids, self.found.is_pool)
        return items
