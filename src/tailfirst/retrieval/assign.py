"""From rows that name some classes to rows of one class each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tailfirst.config import Retrieval
from tailfirst.contracts import Floats, Ints, Vectors
from tailfirst.items import sha256_text
from tailfirst.retrieval.counts import Lexicon
from tailfirst.retrieval.gathered import Pool
from tailfirst.retrieval.hygiene import Claims, Dropped, one_class, one_of_equals
from tailfirst.retrieval.rank import cosines


@dataclass(frozen=True, slots=True)
class Assigned:
    """Rows with the class that they stand for."""

    pool: Pool
    classes: Ints  # (R,)
    t2t: Floats  # (R,)

    def take(self, keep: Ints) -> "Assigned":
        """Only some rows (ascending)."""
        return Assigned(self.pool.take(keep), self.classes[keep], self.t2t[keep])


def assign(
    pool: Pool,
    captions: Vectors,
    prototypes: Vectors,
    lexicon: Lexicon,
    rules: Retrieval,
    is_text: bool,
    dropped: Dropped,
) -> Assigned:
    """One class per row by T2T, one row per open id and per content.

    Args:
        pool: Rows and the names their captions hold.
        captions: (R, D) vectors of the captions.
        prototypes: (C, D) t_c^alt.
        lexicon: Whose names the pool holds.
        rules: The params: T2T below `min_t2t` is too little, two classes within `near_tie` cannot be told apart.
        is_text: Whether the captions themselves are the content.
        dropped: Counts the rows that are left out.
    """
    pairs = np.unique(np.stack([pool.rows, lexicon.name_class[pool.names]]), axis=1)
    claims = Claims(pairs[0], pairs[1], cosines(captions, pairs[0], prototypes, pairs[1]))
    pair = one_class(claims, len(pool.traits), rules.near_tie)
    keep = np.flatnonzero(pair >= 0)
    dropped.add("near_tie", len(pair) - len(keep))
    found = Assigned(pool.take(keep), claims.classes[pair[keep]], claims.scores[pair[keep]])
    if rules.min_t2t is not None:
        fit = np.flatnonzero(found.t2t >= rules.min_t2t)
        dropped.add("min_t2t", len(found.t2t) - len(fit))
        found = found.take(fit)
    for column in ("open_id", "caption" if is_text else "sha256"):
        keys: list[str | None] = found.pool.traits[column].to_pylist()
        if column == "caption":
            keys = [sha256_text(str(caption)) for caption in keys]
        found = found.take(one_of_equals(keys, found.classes, found.t2t, rules.near_tie, dropped))
    return found


def longest_names(assigned: Assigned, lexicon: Lexicon, rows: Sequence[int]) -> list[str]:
    """For each row the longest name of its class that its caption holds, as task.yaml writes it."""
    pool = assigned.pool
    best: dict[int, int] = {}
    for row, name in zip(pool.rows.tolist(), pool.names.tolist(), strict=True):
        if lexicon.name_class[name] != assigned.classes[row]:
            continue
        if row not in best or _length(lexicon, name) > _length(lexicon, best[row]):
            best[row] = name
    return [lexicon.names[best[row]] for row in rows]


def _length(lexicon: Lexicon, name: int) -> tuple[int, int, int]:
    phrase = lexicon.phrases[lexicon.name_phrase[name]]
    return len(phrase.split()), len(phrase), -name
