"""One pass over the open corpus, shard by shard; a shard that was read once for the same question is not read again."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tailfirst.contracts import Ints
from tailfirst.errors import TaskFolderError
from tailfirst.retrieval import corpus
from tailfirst.retrieval.counts import Counts, Mentions, mentions
from tailfirst.retrieval.gathered import Gathered, Gathering, Pool
from tailfirst.retrieval.hygiene import Dropped, screen
from tailfirst.retrieval.match import Matcher
from tailfirst.retrieval.question import Question
from tailfirst.retrieval.shard_store import ShardStore


def gather(known: Sequence[corpus.Shard], asked: Question, store: ShardStore) -> Gathered:
    """Count all captions; keep of the matching rows, class by class, at most `match_limit` drawn with the seed.

    With `counts_only` no row is kept. A run that ends in the middle goes on at the shard it was at.

    Raises:
        TaskFolderError: A caption that is no UTF-8.
    """
    matcher = Matcher(asked.lexicon.phrases)
    whole = Gathering(asked.lexicon, asked.rules.match_limit)
    for shard in known:
        found = store.load(shard)
        if found is None:
            found = gather_shard(shard, asked, matcher)
            store.save(shard, found)
        whole.add(found)
    return whole.total()


def gather_shard(shard: corpus.Shard, asked: Question, matcher: Matcher) -> Gathered:
    """What one shard holds, in memory that does not depend on its size.

    Raises:
        TaskFolderError: A caption that is no UTF-8.
    """
    whole = Gathering(asked.lexicon, asked.rules.match_limit)
    try:
        for piece in corpus.slices(shard, asked.columns):
            found = mentions(asked.lexicon, matcher.find(piece.captions))
            whole.add(_gathered(piece, found, asked))
    except UnicodeDecodeError as error:
        raise TaskFolderError(f"data/{shard.name} holds a caption that is not UTF-8: {error}") from error
    return whole.total()


def _gathered(piece: corpus.Slice, found: Mentions, asked: Question) -> Gathered:
    lexicon, dropped = asked.lexicon, Dropped()
    counts = Counts.none(lexicon).plus(lexicon, found)
    rows, places = np.unique(found.captions, return_inverse=True)
    pool = Pool.none()
    if len(rows) and asked.columns:
        traits = piece.traits(rows, asked.columns)
        fit = screen(traits, asked.rules, asked.items, asked.is_text, dropped, asked.banned)
        traits = traits.select(corpus.TRAITS)
        traits = traits.append_column("shard", pa.array([piece.shard.name] * len(rows), pa.string()))
        traits = traits.append_column("row", pa.array(rows + piece.start, pa.int64()))
        draws = _draws(traits["open_id"].to_pylist(), asked.seed)
        pool = Pool(traits, draws, places.astype(np.int64), found.names).take(np.flatnonzero(fit))
    return Gathered(counts, pool, len(piece.captions), len(rows), dict(dropped.counts))


def _draws(open_ids: Sequence[str], seed: int) -> Ints:
    """(R,) numbers that depend on the seed and on each row's id only."""
    key = str(seed).encode()[:64]
    digests = b"".join(hashlib.blake2b(one.encode(), digest_size=8, key=key).digest() for one in open_ids)
    return (np.frombuffer(digests, ">u8") >> np.uint64(1)).astype(np.int64)
