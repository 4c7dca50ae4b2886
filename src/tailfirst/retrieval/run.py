"""The `retrieve` stage: from the open corpus to retrieved.parquet, class_counts.parquet and synonym_counts.parquet."""

import logging
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tailfirst import artifacts, schemas
from tailfirst.config import Params, Settings
from tailfirst.contracts import Encoder, Floats
from tailfirst.embedding.cache import VectorCache
from tailfirst.embedding.embed import embed_items, embed_texts
from tailfirst.embedding.keys import Keys, words
from tailfirst.encoders import load_encoder
from tailfirst.items import Items, load_items
from tailfirst.paths import Workspace
from tailfirst.retrieval import corpus
from tailfirst.retrieval.assign import Assigned, assign, longest_names
from tailfirst.retrieval.counts import Counts, Lexicon, most_common_names
from tailfirst.retrieval.gather import gather
from tailfirst.retrieval.gathered import Pool
from tailfirst.retrieval.hygiene import Dropped
from tailfirst.retrieval.images import ImageReader
from tailfirst.retrieval.labeled import labeled_vectors
from tailfirst.retrieval.look import Looker
from tailfirst.retrieval.question import Question
from tailfirst.retrieval.rank import anchors, name_prototypes, queues
from tailfirst.retrieval.select import Chosen, select
from tailfirst.retrieval.shard_store import ShardStore
from tailfirst.retrieval.summary import Summary
from tailfirst.takedowns import Takedowns
from tailfirst.task import Task, load_task

logger = logging.getLogger(__name__)


def retrieve(ws: Workspace, params: Params, settings: Settings) -> Summary:
    """Write the retrieved rows, the counts and work/retrieval.json.

    Counting needs captions only; ranking needs an encoder with a text side. Where there is no open corpus, where
    retrieval is off or only counts, or where the encoder has no text side, the retrieved table is empty and the summary
    says why.

    Raises:
        UserError: Bad params, an unreadable task folder or open corpus.
    """
    task, rules = load_task(ws.task), params.retrieval
    lexicon = Lexicon.of(task)
    known = corpus.shards(ws) if rules.enabled else ()
    if not known:
        off = "data/open holds no parquet files" if rules.enabled else "retrieval.enabled is false"
        nothing = Summary(rules.enabled, off, rules.rank, unnamed_classes=task.class_ids)
        return _write(ws, lexicon, Counts.none(lexicon), schemas.RETRIEVED.empty_table(), nothing)
    items, dropped = load_items(ws), Dropped()
    keys = Keys.of(words(items.table["sha256"].to_pylist()))
    asked = Question(lexicon, rules, keys, params.campaign.seed, task.modality == "text", Takedowns.of(ws))
    store = ShardStore.of(ws, asked)
    found = gather(known, asked, store)
    dropped.counts.update(found.dropped)
    encoder = None if rules.counts_only else load_encoder(ws, params, settings)
    why = _why_not(params, encoder, found.matched)
    table: pa.Table = schemas.RETRIEVED.empty_table()
    unlabeled: tuple[str, ...] = ()
    if encoder is not None and why is None:
        stage = _Stage(ws, params, task, asked, encoder, VectorCache.of(ws, encoder), items, known, dropped)
        table, unlabeled = stage.retrieved(found.pool)
    summary = Summary(
        enabled=True,
        why=why,
        rank=rules.rank,
        encoder=None if encoder is None else encoder.fingerprint,
        shards=len(known),
        captions=found.captions,
        matched=found.matched,
        retrieved=len(table),
        dropped=dict(sorted(dropped.counts.items())),
        unnamed_classes=tuple(c for c, n in zip(task.class_ids, found.counts.freq.tolist(), strict=True) if n == 0),
        unlabeled_classes=unlabeled,
    )
    written = _write(ws, lexicon, found.counts, table, summary)
    store.forget_others()
    return written


@dataclass(frozen=True, slots=True)
class _Stage:
    """What choosing among the rows needs."""

    ws: Workspace
    params: Params
    task: Task
    asked: Question
    encoder: Encoder
    cache: VectorCache
    items: Items
    known: tuple[corpus.Shard, ...]
    dropped: Dropped

    def retrieved(self, pool: Pool) -> tuple[pa.Table, tuple[str, ...]]:
        """schemas.RETRIEVED of the rows that stay, class by class, best first; classes that i2i could not rank."""
        rules, lexicon = self.params.retrieval, self.asked.lexicon
        prototypes = name_prototypes(self.encoder, self.task, self.cache)
        captions = embed_texts(self.encoder, pool.traits["caption"].to_pylist(), self.cache)
        assigned = assign(pool, captions, prototypes, lexicon, rules, self.asked.is_text, self.dropped)
        embed_items(self.ws, self.encoder, self.items, self.cache)
        traits = assigned.pool.traits
        reader = ImageReader(self.ws, self.known)
        looker = Looker(
            self.encoder, self.cache, reader, self.items, self.asked.items, traits, assigned.classes, prototypes
        )
        scores, unlabeled = self._scores(assigned, looker)
        ranking = queues(assigned.classes, scores, traits["open_id"].to_pylist(), len(self.task.classes))
        return self._table(assigned, select(ranking, looker.look, rules, self.dropped)), unlabeled

    def _scores(self, assigned: Assigned, looker: Looker) -> tuple[Floats, tuple[str, ...]]:
        """(R,) what the rows of a class are ordered by, highest first; classes that i2i orders by t2i."""
        rank = self.params.retrieval.rank
        if rank == "random":
            return -assigned.pool.draws.astype(np.float64), ()
        if rank == "i2i":
            known = labeled_vectors(self.ws, self.task, self.items, self.encoder, self.cache)
            means = anchors(known.vectors, known.classes, looker.prototypes)
            return looker.likeness(means), known.lacking(self.task)
        if rank == "t2t" or self.encoder.reads != "image":
            return assigned.t2t, ()
        return looker.likeness(looker.prototypes), ()

    def _table(self, assigned: Assigned, chosen: Chosen) -> pa.Table:
        traits = assigned.pool.traits.take(pa.array(chosen.rows))
        ids = np.array(self.task.class_ids)
        return pa.table(
            {
                "open_id": traits["open_id"],
                "class_id": ids[chosen.classes],
                "rank": chosen.ranks,
                "synonym": pa.array(longest_names(assigned, self.asked.lexicon, chosen.rows.tolist()), pa.string()),
                "t2t": assigned.t2t[chosen.rows],
                "t2i": pa.array(chosen.t2i, from_pandas=True),  # NaN becomes null
                "caption": traits["caption"],
                "sha256": pa.array(chosen.shas, pa.string()),
                "shard": traits["shard"],
                "row": traits["row"],
                "source": traits["source"],
                "licence": traits["licence"],
                "origin": pa.array(["retrieved"] * len(chosen.rows), pa.string()),
            },
            schema=schemas.RETRIEVED,
        )


def _why_not(params: Params, encoder: Encoder | None, matched: int) -> str | None:
    if encoder is None:
        return "retrieval.counts_only is true: captions were counted, nothing was retrieved"
    if not encoder.has_text:
        return (
            f"the encoder {params.encoder.plugin!r} has no text side: captions were counted, "
            "but rows cannot be ranked or embedded"
        )
    return None if matched else "no caption names a class"


def _write(ws: Workspace, lexicon: Lexicon, counts: Counts, retrieved: pa.Table, summary: Summary) -> Summary:
    ids = [one.id for one in lexicon.classes]
    kept = Counter(retrieved["class_id"].to_pylist())
    by_class = {
        "class_id": ids,
        "freq": counts.freq,
        "retrieved": [kept[one] for one in ids],
        "most_common_name": list(most_common_names(lexicon, counts.captions)),
    }
    by_name = {
        "class_id": [ids[row] for row in lexicon.name_class.tolist()],
        "synonym": list(lexicon.names),
        "captions": counts.captions,
    }
    artifacts.write_parquet(ws.retrieved, retrieved)
    artifacts.write_parquet(ws.class_counts, pa.table(by_class, schema=schemas.CLASS_COUNTS))
    artifacts.write_parquet(ws.synonym_counts, pa.table(by_name, schema=schemas.SYNONYM_COUNTS))
    summary.write(ws)
    logger.info("retrieved %d of %d matching rows", summary.retrieved, summary.matched)
    return summary
