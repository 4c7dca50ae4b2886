"""Down each class's ranking until its cap is full, embedding only what is looked at."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tailfirst.config import Retrieval
from tailfirst.contracts import Floats, Ints, Vectors
from tailfirst.retrieval.hygiene import Dropped

SLACK = 1.25  # rows looked at for every row still wanted: some of them will be dropped


@dataclass(frozen=True, slots=True)
class Looked:
    """What a closer look at some rows showed."""

    lost: tuple[str | None, ...]  # (Q,) why a row is of no use: no usable image, or the bytes of an item; else None
    shas: tuple[str | None, ...]  # (Q,) content keys
    t2i: Floats  # (Q,) cosine to the own class's prototype; NaN where lost, or where there is no image
    nearest: Vectors  # (Q,) highest cosine to a pool or holdout item; -1 where lost
    vectors: Vectors  # (Q, D) unit rows; 0 where lost


Look = Callable[[Ints], Looked]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rows in class order, best first."""

    rows: Ints  # (K,)
    classes: Ints  # (K,)
    ranks: Ints  # (K,) 0 = first of its class
    shas: tuple[str, ...]
    t2i: Floats


@dataclass(slots=True)
class _Taken:
    """Rows of one class."""

    rows: list[int] = field(default_factory=list)
    shas: list[str] = field(default_factory=list)
    t2i: list[float] = field(default_factory=list)
    vectors: list[Vectors] = field(default_factory=list)  # only where rows are compared within a class

    def nearest(self, vector: Vectors) -> float:
        """The highest cosine to a row that was taken; -1 where there is none."""
        return float((np.stack(self.vectors) @ vector).max()) if self.vectors else -1.0


def select(queues: tuple[Ints, ...], look: Look, rules: Retrieval, dropped: Dropped) -> Chosen:
    """Take rows class by class in the order of their queue, until the cap is full or the queue is empty.

    Args:
        queues: (C,) rows of each class in ranking order; no row in two queues.
        look: Embeds rows and tells what is wrong with them; called with rows of several classes at a time.
        rules: The params.
        dropped: Counts the others; rows that were never looked at fall under `cap`.
    """
    taken = [_Taken() for _ in queues]
    at = [0] * len(queues)
    seen: set[str] = set()
    while any(wave := _wave(queues, at, taken, rules.cap)):
        looked = look(np.concatenate([np.array(part, np.int64) for part in wave]))
        place = 0
        for row_class, part in enumerate(wave):
            at[row_class] += len(part)
            for row in part:
                _judge(row, place, looked, rules, taken[row_class], seen, dropped)
                place += 1
    dropped.add("cap", sum(len(queue) - begun for queue, begun in zip(queues, at, strict=True)))
    return _chosen(taken)


def _wave(queues: tuple[Ints, ...], at: list[int], taken: list[_Taken], cap: int) -> list[list[int]]:
    """The rows to look at next: a little more than each class still wants."""
    wants = [cap - len(one.rows) for one in taken]
    return [
        queue[place : place + int(np.ceil(SLACK * want))].tolist() if want > 0 else []
        for queue, place, want in zip(queues, at, wants, strict=True)
    ]


def _judge(
    row: int, place: int, looked: Looked, rules: Retrieval, taken: _Taken, seen: set[str], dropped: Dropped
) -> None:
    reason = _reason(place, looked, rules, taken, seen)
    if reason is None and len(taken.rows) >= rules.cap:
        reason = "cap"
    if reason is not None:
        dropped.add(reason, 1)
        return
    sha = str(looked.shas[place])
    seen.add(sha)
    taken.rows.append(row)
    taken.shas.append(sha)
    taken.t2i.append(float(looked.t2i[place]))
    if rules.within_class_similarity is not None:
        taken.vectors.append(looked.vectors[place].copy())


def _reason(place: int, looked: Looked, rules: Retrieval, taken: _Taken, seen: set[str]) -> str | None:
    if looked.lost[place] is not None:
        return looked.lost[place]
    if rules.min_t2i is not None and looked.t2i[place] < rules.min_t2i:
        return "min_t2i"
    if looked.nearest[place] > rules.max_similarity:
        return "near_duplicate"
    if looked.shas[place] in seen:
        return "duplicate"
    limit = rules.within_class_similarity
    return "similar" if limit is not None and taken.nearest(looked.vectors[place]) > limit else None


def _chosen(taken: list[_Taken]) -> Chosen:
    counts = [len(one.rows) for one in taken]
    return Chosen(
        rows=np.array([row for one in taken for row in one.rows], np.int64),
        classes=np.repeat(np.arange(len(taken)), counts),
        ranks=np.array([rank for count in counts for rank in range(count)], np.int64),
        shas=tuple(sha for one in taken for sha in one.shas),
        t2i=np.array([value for one in taken for value in one.t2i], np.float64),
    )
