"""What the demo consists of: one plan per picture, made without drawing any of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tailfirst.demo import captions
from tailfirst.demo.classes import CLASSES, STRANGER_NAMES

SEED = 20260
"""Seed of the whole world."""

_POOL, _HOLDOUT, _OPEN, _PLAN = 1, 2, 3, 4
"""First word of every random stream after the seed."""

LICENCES = (("cc0-1.0", 30), ("cc-by-4.0", 36), ("cc-by-sa-4.0", 20), ("cc-by-nc-4.0", 10), ("all-rights-reserved", 4))
SOURCES = ("sketchbook", "sticker-sheet", "school-wall", "postcards", "clip-art-cd")


@dataclass(frozen=True, slots=True)
class Size:
    """How many pictures the demo has.

    Attributes:
        open_head: open pictures of the most frequent class.
        open_imbalance: ratio of the most to the least frequent class in the open corpus.
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
    strangers: int
    copies: int
    pool: int
    pool_imbalance: float
    holdout_head: int
    holdout_tail: int
    sensitive: int


DEMO = Size(3000, 200.0, 5300, 360, 6000, 30.0, 140, 45, 60)
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
        return [SEED, _POOL if self.role == "pool" else _HOLDOUT, self.number]


@dataclass(frozen=True, slots=True)
class OpenPlan:
    """One captioned picture of the open corpus.

    Attributes:
        number: its random stream.
        thing: what is shown.
        beside: a second thing shown small, or None.
        caption: what is written under it.
        kind: named, silent, misleading or paired.
        nsfw: score, 0 to 1.
        licence: licence of the picture.
        source: where it comes from.
        copy_of: the item that the picture copies, or None.
        exact: whether the copy keeps the bytes.
    """

    number: int
    thing: str
    beside: str | None
    caption: str
    kind: str
    nsfw: float
    licence: str
    source: str
    copy_of: ItemPlan | None = None
    exact: bool = False

    @property
    def stream(self) -> list[int]:
        """Return the seed of the picture's random stream."""
        return [SEED, _OPEN, self.number]


def falling(head: float, imbalance: float, positions: list[int]) -> list[int]:
    """Return geometrically falling counts, at least 1, for ranks ``positions`` of the classes."""
    last = max(len(CLASSES) - 1, 1)
    return [max(1, round(head * imbalance ** (-position / last))) for position in positions]


def open_counts(size: Size) -> list[int]:
    """Return the number of open pictures of each class, in the order of ``CLASSES``."""
    return falling(size.open_head, size.open_imbalance, list(range(len(CLASSES))))


def pool_counts(size: Size) -> list[int]:
    """Return the number of pool items of each class: nearly the open corpus's order, adding up to ``size.pool``."""
    rng = np.random.default_rng([SEED, _PLAN, 0])
    moved = np.argsort(
        np.argsort(np.arange(len(CLASSES)) * 4 + rng.integers(-10, 11, size=len(CLASSES)), kind="stable")
    )
    shape = falling(10_000, size.pool_imbalance, [int(k) for k in moved])
    counts = [max(1, size.pool * part // sum(shape)) for part in shape]
    counts[int(np.argmax(counts))] += size.pool - sum(counts)
    return counts


def holdout_counts(size: Size) -> list[int]:
    """Return the number of holdout items of each class."""
    return falling(size.holdout_head, size.holdout_head / size.holdout_tail, list(range(len(CLASSES))))


def plan_items(role: str, size: Size) -> list[ItemPlan]:
    """Plan the pool or the holdout, shuffled."""
    counts = pool_counts(size) if role == "pool" else holdout_counts(size)
    rng = np.random.default_rng([SEED, _PLAN, _POOL if role == "pool" else _HOLDOUT])
    things = [c.id for c, count in zip(CLASSES, counts, strict=True) for _ in range(count)]
    order = rng.permutation(len(things))
    return [ItemPlan(role, n, things[int(k)], "cc0-1.0", f"field-{rng.integers(1, 4)}") for n, k in enumerate(order)]


def plan_open(size: Size, items: list[ItemPlan]) -> list[OpenPlan]:
    """Plan the open corpus, shuffled.

    Args:
        size: how many pictures.
        items: the pool and the holdout, of which some open pictures are copies.

    Returns:
        One plan per open picture.
    """
    rng = np.random.default_rng([SEED, _PLAN, _OPEN])
    counts = open_counts(size)
    shown = [(c.id, k) for k, (c, count) in enumerate(zip(CLASSES, counts, strict=True)) for _ in range(count)]
    strangers = tuple(STRANGER_NAMES)
    shown += [(strangers[int(rng.integers(len(strangers)))], -1) for _ in range(size.strangers)]
    mentions = np.sqrt(np.array(counts, dtype=np.float64))
    plans = [_plan_shown(n, thing, k, mentions, rng) for n, (thing, k) in enumerate(shown)]
    plans += _plan_copies(len(plans), size, items, counts, rng)
    flagged = set(rng.choice(len(plans), size=min(size.sensitive, len(plans)), replace=False).tolist())
    order = rng.permutation(len(plans))
    return [_scored(plans[int(k)], flagged=int(k) in flagged, rng=rng) for k in order]


def _plan_shown(number: int, thing: str, position: int, mentions: np.ndarray, rng: np.random.Generator) -> OpenPlan:
    """Choose what is written under one picture."""
    stranger = position < 0
    kind = _weighted(
        (("named", 72), ("silent", 16), ("misleading", 12))
        if stranger
        else (("named", 83), ("silent", 9), ("paired", 5), ("misleading", 3)),
        rng,
    )
    name = captions.stranger_name(thing, rng) if stranger else captions.class_name(position, rng)
    beside: str | None = None
    if kind == "named":
        caption = captions.named(name, rng)
    elif kind == "silent":
        caption = captions.silent(rng)
    elif kind == "paired":
        beside = tuple(STRANGER_NAMES)[int(rng.integers(len(STRANGER_NAMES)))]
        caption = captions.paired(name, captions.stranger_name(beside, rng), rng)
    else:
        caption = captions.misleading(captions.class_name(_absent(position, mentions, rng), rng), rng)
    return OpenPlan(
        number, thing, beside, caption, kind, 0.0, _weighted(LICENCES, rng), SOURCES[int(rng.integers(len(SOURCES)))]
    )


def _plan_copies(
    first: int, size: Size, items: list[ItemPlan], counts: list[int], rng: np.random.Generator
) -> list[OpenPlan]:
    """Repost pool and holdout pictures, frequent classes more often, half of them re-encoded."""
    plans = []
    ends = np.cumsum(counts)
    by_class = {
        (role, c.id): [i for i in items if i.role == role and i.thing == c.id]
        for role in ("pool", "holdout")
        for c in CLASSES
    }
    for k in range(size.copies):
        position = int(np.searchsorted(ends, rng.integers(ends[-1]), side="right"))
        choices = by_class["pool" if k % 2 else "holdout", CLASSES[position].id]
        item = choices[int(rng.integers(len(choices)))]
        caption = captions.named(captions.class_name(position, rng), rng)
        licence, source = _weighted(LICENCES, rng), SOURCES[int(rng.integers(len(SOURCES)))]
        plans.append(
            OpenPlan(first + k, item.thing, None, caption, "named", 0.0, licence, source, item, exact=k % 4 < 2)
        )
    return plans


def _absent(position: int, mentions: np.ndarray, rng: np.random.Generator) -> int:
    """Choose a class that is not shown; rare classes are mentioned more often than they are shown."""
    while True:
        other = int(np.searchsorted(np.cumsum(mentions), rng.random() * mentions.sum(), side="right"))
        if other != position:
            return other


def _scored(plan: OpenPlan, *, flagged: bool, rng: np.random.Generator) -> OpenPlan:
    percent = int(rng.integers(52, 99)) if flagged else int(rng.integers(0, 20))
    return OpenPlan(
        plan.number,
        plan.thing,
        plan.beside,
        plan.caption,
        plan.kind,
        percent / 100,
        plan.licence,
        plan.source,
        plan.copy_of,
        plan.exact,
    )


def _weighted(options: tuple[tuple[str, int], ...], rng: np.random.Generator) -> str:
    ends = np.cumsum([weight for _, weight in options])
    return options[int(np.searchsorted(ends, rng.integers(ends[-1]), side="right"))][0]
