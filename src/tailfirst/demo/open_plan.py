"""One plan per picture of the open corpus: what is shown and what is written under it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tailfirst.demo import captions
from tailfirst.demo.classes import CLASSES
from tailfirst.demo.corpus import OPEN, PLAN, RARE, SEED, ItemPlan, Size, open_counts, vague_counts
from tailfirst.demo.names import STRANGER_NAMES, TAKEN_FOR
from tailfirst.demo.palette import pick

LICENCES = (("CC0-1.0", 30), ("CC-BY-4.0", 36), ("CC-BY-SA-4.0", 20), ("CC-BY-NC-4.0", 10), ("all-rights-reserved", 4))
SOURCES = ("sketchbook", "sticker-sheet", "school-wall", "postcards", "clip-art-cd")


_COMMON = (("named", 83), ("silent", 9), ("paired", 5), ("misleading", 3))
_RARE = (("named", 92), ("paired", 8))
_STRANGERS = (("named", 72), ("silent", 16), ("misleading", 12))
"""Kinds of captions and their shares, percent."""


_MENTIONED = 25
"""Rare things are mentioned as if they had this many pictures: they are talked about more than they are shown."""


@dataclass(frozen=True, slots=True)
class OpenPlan:
    """One captioned picture of the open corpus.

    Attributes:
        number: its random stream.
        thing: what is shown.
        beside: a second thing shown small, or None.
        caption: what is written under it.
        kind: named, vague, tagged, silent, misleading or paired.
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
        return [SEED, OPEN, self.number]


def plan_open(size: Size, items: list[ItemPlan]) -> list[OpenPlan]:
    """Plan the open corpus, shuffled.

    Args:
        size: how many pictures.
        items: the pool and the holdout, of which some open pictures are copies.

    Returns:
        One plan per open picture.
    """
    rng = np.random.default_rng([SEED, PLAN, OPEN])
    counts = open_counts(size)
    shown = [(c.id, k) for k, (c, count) in enumerate(zip(CLASSES, counts, strict=True)) for _ in range(count)]
    dim = [
        (c.id, k) for k, (c, count) in enumerate(zip(CLASSES, vague_counts(size), strict=True)) for _ in range(count)
    ]
    strangers = tuple(STRANGER_NAMES)
    shown += [(pick(strangers, rng), -1) for _ in range(size.strangers)]
    mentions = np.sqrt(np.maximum(np.array(counts, dtype=np.float64), _MENTIONED))
    plans = [_plan_shown(n, thing, k, mentions, rng) for n, (thing, k) in enumerate(shown)]
    plans += [_plan_vague(len(plans) + n, thing, k, rng) for n, (thing, k) in enumerate(dim)]
    mistaken = [thing for thing in TAKEN_FOR for _ in range(size.tagged)]
    plans += [_plan_tagged(len(plans) + n, thing, rng) for n, thing in enumerate(mistaken)]
    plans += _plan_copies(len(plans), size, items, counts, rng)
    flagged = set(rng.choice(len(plans), size=min(size.sensitive, len(plans)), replace=False).tolist())
    order = rng.permutation(len(plans))
    return [_scored(plans[int(k)], flagged=int(k) in flagged, rng=rng) for k in order]


def _plan_shown(number: int, thing: str, position: int, mentions: np.ndarray, rng: np.random.Generator) -> OpenPlan:
    """Choose what is written under one picture."""
    stranger = position < 0
    kind = _weighted(_STRANGERS if stranger else _COMMON if position < len(CLASSES) - RARE else _RARE, rng)
    name = captions.stranger_name(thing, rng) if stranger else captions.class_name(position, rng)
    beside: str | None = None
    if kind == "named":
        caption = captions.named(name, rng)
    elif kind == "silent":
        caption = captions.silent(rng)
    elif kind == "paired":
        beside = pick(tuple(STRANGER_NAMES), rng)
        caption = captions.paired(name, captions.stranger_name(beside, rng), rng)
    else:
        caption = captions.misleading(captions.class_name(_absent(position, mentions, rng), rng), rng)
    return OpenPlan(number, thing, beside, caption, kind, 0.0, _weighted(LICENCES, rng), pick(SOURCES, rng))


def _plan_vague(number: int, thing: str, position: int, rng: np.random.Generator) -> OpenPlan:
    caption = captions.vague(position, rng)
    return OpenPlan(number, thing, None, caption, "vague", 0.0, _weighted(LICENCES, rng), pick(SOURCES, rng))


def _plan_tagged(number: int, thing: str, rng: np.random.Generator) -> OpenPlan:
    common = next(k for k, chosen in enumerate(CLASSES) if chosen.id == TAKEN_FOR[thing])
    caption = captions.named(captions.class_name(common, rng), rng)
    return OpenPlan(number, thing, None, caption, "tagged", 0.0, _weighted(LICENCES, rng), pick(SOURCES, rng))


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
        licence, source = _weighted(LICENCES, rng), pick(SOURCES, rng)
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
    return replace(plan, nsfw=percent / 100)


def _weighted(options: tuple[tuple[str, int], ...], rng: np.random.Generator) -> str:
    ends = np.cumsum([weight for _, weight in options])
    return options[int(np.searchsorted(ends, rng.integers(ends[-1]), side="right"))][0]
