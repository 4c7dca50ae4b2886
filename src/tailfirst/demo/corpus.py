"""How many pictures the demo has, and one plan per pool and holdout item, made without drawing any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tailfirst.demo.classes import CLASSES

SEED = 20260
"""Seed of the whole world."""

POOL, HOLDOUT, OPEN, PLAN = 1, 2, 3, 4
"""First word of every random stream after the seed."""


RARE = len(CLASSES) // 3
"""Number of rare classes: the last ones of ``CLASSES``."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many pictures the demo has.

    Attributes:
        open_head: open pictures of the most frequent class.
        open_imbalance: ratio of the most to the least frequent of the common classes in the open corpus.
        rare_head: open pictures that name the most frequent rare class; misleading mentions come on top.
        rare_tail: open pictures that name the least frequent rare class.
        vague: further open pictures of each rare class whose caption knows only the kind of thing.
        tagged: further open pictures of each rare class that a tagger took for a common class.
        strangers: open pictures of things outside the task.
        copies: open copies of pool and holdout pictures, half of them exact.
        pool: pool items.
        pool_imbalance: ratio of the most to the least frequent class in the pool.
        holdout_head: holdout items of the most frequent class.
        holdout_tail: holdout items of the least frequent class.
        sensitive: open pictures with a high nsfw score (the pictures are harmless).
    """

    open_head: int
    open_imbalance: float
    rare_head: float
    rare_tail: float
    vague: int
    tagged: int
    strangers: int
    copies: int
    pool: int
    pool_imbalance: float
    holdout_head: int
    holdout_tail: int
    sensitive: int


DEMO = Size(3000, 20.0, 10, 5, 70, 90, 3000, 360, 6000, 30.0, 140, 45, 60)
"""The demo as it ships."""


@dataclass(frozen=True, slots=True)
class ItemPlan:
    """One picture of the pool or the holdout.

    Attributes:
        role: ``pool`` or ``holdout``.
        number: position within its role, also its random stream.
        thing: class id.
        licence: licence of the picture.
        source: where it comes from.
    """

    role: str
    number: int
    thing: str
    licence: str
    source: str

    @property
    def stream(self) -> list[int]:
        """Return the seed of the picture's random stream."""
        return [SEED, POOL if self.role == "pool" else HOLDOUT, self.number]


def falling(head: float, imbalance: float, positions: Sequence[int], last: int) -> list[int]:
    """Return geometrically falling counts, at least 1: ``head`` at position 0, ``head / imbalance`` at ``last``."""
    return [max(1, round(head * imbalance ** (-position / last))) for position in positions]


def open_counts(size: Size) -> list[int]:
    """Return the number of open pictures of each class that people named or left silent, by class."""
    common = len(CLASSES) - RARE
    head = falling(size.open_head, size.open_imbalance, range(common), common - 1)
    return head + falling(size.rare_head, size.rare_head / size.rare_tail, range(RARE), RARE - 1)


def vague_counts(size: Size) -> list[int]:
    """Return the number of vaguely captioned open pictures of each class: few people know the name of a rare thing."""
    common = len(CLASSES) - RARE
    return [size.vague // 5] * common + [size.vague] * RARE


def pool_counts(size: Size) -> list[int]:
    """Return the number of pool items of each class: nearly the open corpus's order, adding up to ``size.pool``."""
    rng = np.random.default_rng([SEED, PLAN, 0])
    moved = np.argsort(
        np.argsort(np.arange(len(CLASSES)) * 4 + rng.integers(-10, 11, size=len(CLASSES)), kind="stable")
    )
    shape = falling(10_000, size.pool_imbalance, [int(k) for k in moved], len(CLASSES) - 1)
    counts = [max(1, size.pool * part // sum(shape)) for part in shape]
    counts[int(np.argmax(counts))] += size.pool - sum(counts)
    return counts


def holdout_counts(size: Size) -> list[int]:
    """Return the number of holdout items of each class."""
    last = len(CLASSES) - 1
    return falling(size.holdout_head, size.holdout_head / size.holdout_tail, range(len(CLASSES)), last)


def plan_items(role: str, size: Size) -> list[ItemPlan]:
    """Plan the pool or the holdout, shuffled."""
    counts = pool_counts(size) if role == "pool" else holdout_counts(size)
    rng = np.random.default_rng([SEED, PLAN, POOL if role == "pool" else HOLDOUT])
    things = [c.id for c, count in zip(CLASSES, counts, strict=True) for _ in range(count)]
    order = rng.permutation(len(things))
    return [ItemPlan(role, n, things[int(k)], "CC0-1.0", f"field-{rng.integers(1, 4)}") for n, k in enumerate(order)]
