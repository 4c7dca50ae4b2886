"""One pass over the open corpus: counts of everything, and a bounded number of rows per class."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tailfirst.config import Retrieval
from tailfirst.contracts import Ints
from tailfirst.embedding.keys import Keys
from tailfirst.retrieval import corpus
from tailfirst.retrieval.counts import Counts, Lexicon, Mentions, mentions
from tailfirst.retrieval.hygiene import Dropped, screen
from tailfirst.retrieval.match import Matcher


@dataclass(frozen=True, slots=True)
class Pool:
    """Rows of the open corpus that name a class and passed the first screen."""

    traits: pa.Table  # (R,) corpus.TRAITS, shard, row
    draws: Ints  # (R,) a seeded random number each
    rows: Ints  # (P,) which row ...
    names: Ints  # (P,) ... holds which name of the lexicon

    def take(self, keep: Ints) -> "Pool":
        """Only some rows (ascending)."""
        place = np.full(len(self.traits), -1, np.int64)
        place[keep] = np.arange(len(keep))
        pairs = place[self.rows] >= 0
        return Pool(self.traits.take(pa.array(keep)), self.draws[keep], place[self.rows[pairs]], self.names[pairs])


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the pass found."""

    counts: Counts
    pool: Pool
    captions: int  # read
    matched: int  # that name a class


def gather(
    known: Sequence[corpus.Shard],
    lexicon: Lexicon,
    rules: Retrieval,
    items: Keys,
    seed: int,
    is_text: bool,
    dropped: Dropped,
) -> Gathered:
    """Count all captions; keep of the matching rows, class by class, at most `match_limit` drawn with the seed.

    A row that any of its classes draws keeps all of its classes, so that its best class is found among all of them.

    Args:
        known: The shards.
        lexicon: The names to look for.
        rules: The params.
        items: Content keys of pool and holdout.
        seed: Of the campaign; the draw depends on it and on open ids, not on the order of shards.
        is_text: Whether the captions themselves are the content.
        dropped: Counts rows that are left out.
    """
    matcher, counts, pool = Matcher(lexicon.phrases), Counts.none(lexicon), _nothing()
    read = matched = 0
    for shard in known:
        parts = []
        for piece in corpus.captions(shard):
            found = mentions(lexicon, matcher.find(piece.captions))
            counts = counts.plus(lexicon, found)
            read += len(piece.captions)
            parts.append(Mentions(found.captions + piece.start, found.names))
        new = _pool(shard, parts, seed)
        matched += len(new.traits)
        fit = screen(new.traits, rules, items, is_text, dropped)
        joined = _joined(pool, new.take(np.flatnonzero(fit)))
        pool = joined.take(_drawn(joined, lexicon, rules.match_limit))
        dropped.add("match_limit", len(joined.traits) - len(pool.traits))
    return Gathered(counts, pool, read, matched)


def _pool(shard: corpus.Shard, parts: Sequence[Mentions], seed: int) -> Pool:
    captions = np.concatenate([np.empty(0, np.int64), *(part.captions for part in parts)])
    names = np.concatenate([np.empty(0, np.int64), *(part.names for part in parts)])
    rows, places = np.unique(captions, return_inverse=True)
    traits = corpus.traits(shard, rows)
    traits = traits.append_column("shard", pa.array([shard.name] * len(rows), pa.string()))
    traits = traits.append_column("row", pa.array(rows, pa.int64()))
    return Pool(traits, _draws(traits["open_id"].to_pylist(), seed), places.astype(np.int64), names)


def _nothing() -> Pool:
    empty = np.empty(0, np.int64)
    return Pool(pa.table({}), empty, empty, empty)


def _joined(old: Pool, new: Pool) -> Pool:
    if not len(old.traits):
        return new
    return Pool(
        pa.concat_tables([old.traits, new.traits]),
        np.concatenate([old.draws, new.draws]),
        np.concatenate([old.rows, new.rows + len(old.traits)]),
        np.concatenate([old.names, new.names]),
    )


def _draws(open_ids: Sequence[str], seed: int) -> Ints:
    """(R,) numbers that depend on the seed and on each row's id only."""
    key = str(seed).encode()[:64]
    digests = b"".join(hashlib.blake2b(one.encode(), digest_size=8, key=key).digest() for one in open_ids)
    return (np.frombuffer(digests, ">u8") >> np.uint64(1)).astype(np.int64)


def _drawn(pool: Pool, lexicon: Lexicon, limit: int) -> Ints:
    """Rows that are among the lowest `limit` draws of any of their classes."""
    pairs = np.unique(np.stack([lexicon.name_class[pool.names], pool.rows]), axis=1)
    order = np.lexsort((pairs[1], pool.draws[pairs[1]], pairs[0]))
    classes, rows = pairs[0][order], pairs[1][order]
    rank = np.arange(len(classes)) - np.searchsorted(classes, classes)
    return np.unique(rows[rank < limit])
