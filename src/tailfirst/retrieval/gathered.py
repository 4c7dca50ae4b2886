"""What a pass over captions found, in one shard or in many: counts of everything, some rows of each class."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from tailfirst.contracts import Ints
from tailfirst.retrieval.corpus import TRAITS, schema_of
from tailfirst.retrieval.counts import Counts, Lexicon

POOL_SCHEMA = pa.schema([*schema_of(TRAITS), ("shard", pa.string()), ("row", pa.int64())])


@dataclass(frozen=True, slots=True)
class Pool:
    """Rows of the open corpus that name a class and passed the first screen."""

    traits: pa.Table  # (R,) POOL_SCHEMA
    draws: Ints  # (R,) a seeded random number each
    rows: Ints  # (P,) which row ...
    names: Ints  # (P,) ... holds which name of the lexicon; by row, then name

    @classmethod
    def none(cls) -> "Pool":
        """No rows."""
        empty = np.empty(0, np.int64)
        return cls(POOL_SCHEMA.empty_table(), empty, empty, empty)

    @classmethod
    def of(cls, pools: Sequence["Pool"]) -> "Pool":
        """All rows of several pools, in their order."""
        pools = [pool for pool in pools if len(pool.traits)]
        if not pools:
            return cls.none()
        starts = np.cumsum([0, *(len(pool.traits) for pool in pools)])
        return cls(
            pa.concat_tables([pool.traits for pool in pools]),
            np.concatenate([pool.draws for pool in pools]),
            np.concatenate([pool.rows + start for pool, start in zip(pools, starts[:-1], strict=True)]),
            np.concatenate([pool.names for pool in pools]),
        )

    def take(self, keep: Ints) -> "Pool":
        """Only some rows (ascending)."""
        place = np.full(len(self.traits), -1, np.int64)
        place[keep] = np.arange(len(keep))
        pairs = place[self.rows] >= 0
        return Pool(self.traits.take(pa.array(keep)), self.draws[keep], place[self.rows[pairs]], self.names[pairs])

    def drawn(self, lexicon: Lexicon, limit: int) -> "Pool":
        """The rows that are among the lowest `limit` draws of any of their classes.

        A row that one class draws keeps all of its classes, so that its best class is found among all of them. What is
        drawn from a part of the rows never decides what is drawn from all of them: `drawn` of joined pools is the same
        whether or not each of them was drawn from before.
        """
        if len(self.traits) <= limit:
            return self
        pairs = np.unique(np.stack([lexicon.name_class[self.names], self.rows]), axis=1)
        order = np.lexsort((pairs[1], self.draws[pairs[1]], pairs[0]))
        classes, rows = pairs[0][order], pairs[1][order]
        rank = np.arange(len(classes)) - np.searchsorted(classes, classes)
        return self.take(np.unique(rows[rank < limit]))


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the pass found."""

    counts: Counts
    pool: Pool
    captions: int = 0  # read
    matched: int = 0  # that name a class
    dropped: Mapping[str, int] = field(default_factory=dict)  # reason (hygiene.REASONS) -> rows; no key is 0

    @classmethod
    def none(cls, lexicon: Lexicon) -> "Gathered":
        """Nothing read."""
        return cls(Counts.none(lexicon), Pool.none())

    @classmethod
    def of(cls, parts: Sequence["Gathered"]) -> "Gathered":
        """The sum of one or more."""
        dropped: Counter[str] = Counter()
        for part in parts:
            dropped.update(part.dropped)
        return cls(
            counts=Counts(
                np.sum([part.counts.freq for part in parts], axis=0),
                np.sum([part.counts.captions for part in parts], axis=0),
            ),
            pool=Pool.of([part.pool for part in parts]),
            captions=sum(part.captions for part in parts),
            matched=sum(part.matched for part in parts),
            dropped=dict(dropped),
        )

    def limited(self, lexicon: Lexicon, limit: int) -> "Gathered":
        """With at most `limit` rows drawn per class; the others are dropped as `match_limit`."""
        pool = self.pool.drawn(lexicon, limit)
        gone = len(self.pool.traits) - len(pool.traits)
        if not gone:
            return self
        dropped = {**self.dropped, "match_limit": self.dropped.get("match_limit", 0) + gone}
        return replace(self, pool=pool, dropped=dropped)


class Gathering:
    """Adds up what is found, drawing so often that the rows held stay few."""

    SPARE = 100_000  # rows that may wait before the next draw
    PARTS = 64  # parts that may wait before their counts are added up

    def __init__(self, lexicon: Lexicon, limit: int) -> None:
        self._lexicon, self._limit = lexicon, limit
        self._parts = [Gathered.none(lexicon)]
        self._waiting = 0

    def add(self, part: Gathered) -> None:
        """Count what a part found and hold its rows."""
        self._parts.append(part)
        self._waiting += len(part.pool.traits)
        if self._waiting > max(self.SPARE, len(self._parts[0].pool.traits)) or len(self._parts) > self.PARTS:
            self.total()

    def total(self) -> Gathered:
        """Everything so far."""
        self._parts = [Gathered.of(self._parts).limited(self._lexicon, self._limit)]
        self._waiting = 0
        return self._parts[0]
