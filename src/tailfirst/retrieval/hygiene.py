"""What may not train: every row that is dropped is counted by its reason (ALOR, section 2.1 (7))."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tailfirst.config import Retrieval
from tailfirst.contracts import Floats, Ints, Vectors
from tailfirst.embedding.keys import Keys, words
from tailfirst.items import sha256_text
from tailfirst.takedowns import Takedowns

Flags = NDArray[np.bool_]

REASONS: Mapping[str, str] = {
    "taken_down": "on the list of what was taken down (data/takedowns.parquet)",
    "nsfw": "nsfw score above retrieval.max_nsfw",
    "licence": "licence not in retrieval.licences",
    "item": "the same bytes as a pool or holdout item",
    "match_limit": "not among the retrieval.match_limit rows drawn for its classes",
    "near_tie": "two classes fit the caption equally well",
    "duplicate": "the same open id or the same bytes as another retrieved row",
    "no_image": "the corpus owns no image",
    "other_bytes": "the image is not the one whose sha256 is recorded",
    "unreadable": "the image cannot be decoded",
    "min_t2i": "image and class prototype less similar than retrieval.min_t2i",
    "near_duplicate": "nearly the same as a pool or holdout item (retrieval.max_similarity)",
    "cap": "ranked below retrieval.cap",
}


@dataclass(slots=True)
class Dropped:
    """Rows dropped so far, by reason."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, reason: str, count: int) -> None:
        """Count rows under a reason of `REASONS`."""
        assert reason in REASONS
        if count:
            self.counts[reason] += int(count)


def screen(traits: pa.Table, rules: Retrieval, items: Keys, is_text: bool, dropped: Dropped) -> Flags:
    """(R,) which rows pass the rules that need no vector; the others are counted under their first reason.

    Args:
        traits: Rows with the columns `corpus.TRAITS`.
        rules: The params.
        items: Content keys of pool and holdout.
        is_text: Whether the captions themselves are the content.
        dropped: Counts the rows that do not pass.
    """
    score = traits["nsfw"].to_numpy(zero_copy_only=False).astype(np.float64)  # unknown: NaN, which is not above
    verdicts = {
        "nsfw": score > rules.max_nsfw,
        "licence": ~_allowed(traits["licence"].to_pylist(), rules.licences),
        "item": _known(_contents(traits, is_text), items),
    }
    keep = np.ones(len(traits), np.bool_)
    for reason, bad in verdicts.items():
        dropped.add(reason, int((keep & bad).sum()))
        keep &= ~bad
    return keep


def not_taken_down(traits: pa.Table, banned: Takedowns, is_text: bool) -> Flags:
    """(R,) which rows are not on the list, neither by their id nor by their recorded content.

    Asked of what a pass over the corpus brought, not in it: a take-down must not make every shard be read again.
    """
    hits = banned.hits(traits["open_id"].to_pylist(), _contents(traits, is_text)) if banned else [False] * len(traits)
    return ~np.array(hits, np.bool_)


@dataclass(frozen=True, slots=True)
class Claims:
    """Rows and the classes that their captions name: distinct pairs, by row."""

    rows: Ints  # (P,) 0 .. R - 1, every row at least once
    classes: Ints  # (P,)
    scores: Floats  # (P,) T2T


def one_class(claims: Claims, count: int, near_tie: float) -> Ints:
    """(P,) -> (R,) the pair each row goes with: its highest score; -1 where two classes are within `near_tie`."""
    order = np.lexsort((claims.classes, -claims.scores, claims.rows))
    rows, scores = claims.rows[order], claims.scores[order]
    first = np.searchsorted(rows, np.arange(count))
    second = first + 1
    has_second = (second < len(rows)) & (rows[np.minimum(second, len(rows) - 1)] == np.arange(count))
    gap = scores[first] - scores[np.minimum(second, len(rows) - 1)]
    return np.where(has_second & (gap <= near_tie), -1, order[first])


def one_of_equals(keys: Sequence[str | None], classes: Ints, scores: Floats, near_tie: float, dropped: Dropped) -> Ints:
    """Rows that stay when rows with the same key are one item: the best one, or none where their classes nearly tie.

    Args:
        keys: (R,) open id or content key; None is equal to nothing.
        classes: (R,)
        scores: (R,) T2T of the row's own class.
        near_tie: As in params.
        dropped: Counts the others.
    """
    groups: dict[str, list[int]] = {}
    kept = [row for row, key in enumerate(keys) if key is None]
    for row, key in enumerate(keys):
        if key is not None:
            groups.setdefault(key, []).append(row)
    for rows in groups.values():
        best = max(rows, key=lambda row: (scores[row], -row))
        rivals = [row for row in rows if classes[row] != classes[best]]
        if any(scores[best] - scores[row] <= near_tie for row in rivals):
            dropped.add("near_tie", len(rows))
        else:
            dropped.add("duplicate", len(rows) - 1)
            kept.append(best)
    return np.array(sorted(kept), np.int64)


def closest(vectors: Vectors, blocks: Iterator[Vectors]) -> Vectors:
    """(R,) the highest cosine of each row to any row of the blocks; -1 where there are none."""
    best = np.full(len(vectors), -1, np.float32)
    for block in blocks:
        np.maximum(best, (vectors @ block.T).max(axis=1, initial=-1), out=best)
    return best


def _allowed(licences: Sequence[str | None], allowed: Sequence[str] | None) -> Flags:
    if allowed is None:
        return np.ones(len(licences), np.bool_)
    known = {one.strip().casefold() for one in allowed}
    return np.array([one is not None and one.strip().casefold() in known for one in licences], np.bool_)


def _contents(traits: pa.Table, is_text: bool) -> list[str | None]:
    if is_text:
        return [sha256_text(caption or "") for caption in traits["caption"].to_pylist()]
    found: list[str | None] = traits["sha256"].to_pylist()
    return found


def _known(shas: Sequence[str | None], items: Keys) -> Flags:
    found = np.zeros(len(shas), np.bool_)
    rows = [row for row, sha in enumerate(shas) if sha is not None]
    found[rows] = items.find(words([str(shas[row]) for row in rows])) >= 0
    return found
