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
from tailfirst.retrieval.gather import Pool, gather
from tailfirst.retrieval.hygiene import Dropped, not_taken_down
from tailfirst.retrieval.look import Looker
from tailfirst.retrieval.rank import name_prototypes, queues
from tailfirst.retrieval.select import Chosen, select
from tailfirst.retrieval.summary import Summary
from tailfirst.takedowns import Takedowns
from tailfirst.task import Task, load_task

logger = logging.getLogger(__name__)


def retrieve(ws: Workspace, params: Params, settings: Settings) -> Summary:
    """Write the retrieved rows, the counts and work/retrieval.json.

    Counting needs captions only; ranking needs an encoder with a text side. Where there is no open corpus, where
    retrieval is off, or where the encoder has no text side, the retrieved table is empty and the summary says why.

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
    is_text = task.modality == "text"
    found = gather(known, lexicon, rules, keys, params.campaign.seed, is_text, dropped)
    encoder = load_encoder(ws, params, settings)
    why = _why_not(params, encoder, found.matched)
    table = schemas.RETRIEVED.empty_table()
    if why is None:
        fit = np.flatnonzero(not_taken_down(found.pool.traits, Takedowns.of(ws), is_text))
        dropped.add("taken_down", len(found.pool.traits) - len(fit))
        stage = _Stage(ws, params, task, lexicon, encoder, VectorCache.of(ws, encoder), items, known, dropped)
        table = stage.retrieved(found.pool.take(fit))
    summary = Summary(
        enabled=True,
        why=why,
        rank=rules.rank,
        encoder=encoder.fingerprint,
        shards=len(known),
        captions=found.captions,
        matched=found.matched,
        retrieved=len(table),
        dropped=dict(sorted(dropped.counts.items())),
        unnamed_classes=tuple(c for c, n in zip(task.class_ids, found.counts.freq.tolist(), strict=True) if n == 0),
    )
    return _write(ws, lexicon, found.counts, table, summary)


@dataclass(frozen=True, slots=True)
class _Stage:
    """What choosing among the rows needs."""

    ws: Workspace
    params: Params
    task: Task
    lexicon: Lexicon
    encoder: Encoder
    cache: VectorCache
    items: Items
    known: tuple[corpus.Shard, ...]
    dropped: Dropped

    def retrieved(self, pool: Pool) -> pa.Table:
        """schemas.RETRIEVED of the rows that stay: class by class, best first."""
        rules, is_text = self.params.retrieval, self.task.modality == "text"
        prototypes = name_prototypes(self.encoder, self.task, self.cache)
        captions = embed_texts(self.encoder, pool.traits["caption"].to_pylist(), self.cache)
        assigned = assign(pool, captions, prototypes, self.lexicon, rules.near_tie, is_text, self.dropped)
        embed_items(self.ws, self.encoder, self.items, self.cache)
        traits = assigned.pool.traits
        reader = corpus.ImageReader(self.ws, self.known)
        looker = Looker(self.encoder, self.cache, reader, self.items, traits, assigned.classes, prototypes)
        scores = self._scores(assigned, looker)
        ranking = queues(assigned.classes, scores, traits["open_id"].to_pylist(), len(self.task.classes))
        return self._table(assigned, select(ranking, looker.look, rules, self.dropped))

    def _scores(self, assigned: Assigned, looker: Looker) -> Floats:
        """(R,) what the rows of a class are ordered by, highest first."""
        rank = self.params.retrieval.rank
        if rank == "random":
            return -assigned.pool.draws.astype(np.float64)
        if rank == "t2t" or self.encoder.reads != "image":
            return assigned.t2t
        t2i = looker.look(np.arange(len(assigned.classes))).t2i
        return np.where(np.isnan(t2i), -np.inf, t2i)

    def _table(self, assigned: Assigned, chosen: Chosen) -> pa.Table:
        traits = assigned.pool.traits.take(pa.array(chosen.rows))
        ids = np.array(self.task.class_ids)
        return pa.table(
            {
                "open_id": traits["open_id"],
                "class_id": ids[chosen.classes],
                "rank": chosen.ranks,
                "synonym": pa.array(longest_names(assigned, self.lexicon, chosen.rows.tolist()), pa.string()),
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


def _why_not(params: Params, encoder: Encoder, matched: int) -> str | None:
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
