"""A task with its answers in memory: loaded once per process, known by the sha256 of what it holds."""

import hashlib
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tailfirst import artifacts, backtest, config
from tailfirst.backtesting.grid import Grid, LongTail, Start
from tailfirst.contracts import Ints, MediaOf, Source
from tailfirst.errors import StaleArtifact
from tailfirst.evaluation.metrics import tail_classes
from tailfirst.paths import Workspace
from tailfirst.simulation import World, part

START, MISTAKES, LONG_TAIL = 14, 15, 16  # streams of random numbers, see simulation
TAIL_SHARE = 1 / 3  # of the classes, as in config.Evaluation


def read(root: Path) -> World:
    """The world of a workspace as it is now.

    Raises:
        Unavailable: No oracle.
    """
    ws = Workspace(root)
    return backtest.load_world(ws, config.load(ws.params))


@lru_cache(maxsize=4)
def load(root: Path, digest: str) -> World:
    """The world of a workspace that has this digest; kept in memory.

    Raises:
        StaleArtifact: The workspace changed while the grid ran.
    """
    world = read(root)
    if (found := digest_of(world)) != digest:
        raise StaleArtifact(f"{root} changed while the grid ran: world {digest[:12]} is now {found[:12]}; run it again")
    return world


def digest_of(world: World) -> str:
    """Hex sha256 of everything that a campaign can see: vectors, answers, open data, prototypes, classes."""
    digest = hashlib.sha256()
    _feed(digest, world)
    return digest.hexdigest()


def without_open_data(world: World) -> World:
    """The same task when nothing is retrieved: no open rows in training, no caption counts; the tail stays the same."""
    known = world.known
    kept = np.flatnonzero(~known.retrieved)
    narrowed = replace(
        known,
        vectors=known.vectors[kept],
        classes=known.classes[kept],
        retrieved=known.retrieved[kept],
        source=None if known.source is None else _narrowed(known.source, kept),
    )
    return replace(world, known=narrowed, captions=np.zeros_like(world.captions))


def starting(world: World, start: Start, share: float, seed: int) -> Ints:
    """Rows that every arm of a seed has bought before the first round, in the order of the draw.

    A class that has fewer items in the seed's part of the pool gives what it has.
    """
    rows = part(world, share, seed)
    drawn = rows[np.random.default_rng([seed, START]).permutation(len(rows))]
    if start.rule == "none" or start.labels is None:
        return drawn[:0]
    if start.rule == "random":
        return drawn[: start.labels]
    truth = world.truth[drawn]
    return np.concatenate([drawn[truth == c][: start.labels] for c in range(len(world.class_ids))])


def long_tailed(world: World, law: LongTail | None) -> World:
    """The task with a long tail: rank r of C classes keeps imbalance^(-r / (C - 1)) of the largest class's items.

    The caption counts follow the same law, and the rarest third by them is the tail. The holdout stays as it is.
    """
    if law is None:
        return world
    rng, count = np.random.default_rng([law.seed, LONG_TAIL]), len(world.class_ids)
    share = law.imbalance ** (-np.argsort(rng.permutation(count)) / max(1, count - 1))
    order = np.argsort(world.item_ids, kind="stable")
    drawn = order[rng.permutation(len(order))]
    sizes = np.bincount(world.truth, minlength=count)
    wanted = np.maximum(1, np.round(share * sizes.max())).astype(np.int64)
    kept = np.sort(np.concatenate([drawn[world.truth[drawn] == c][: wanted[c]] for c in range(count)]))
    captions = np.round(law.captions * share)
    return replace(
        world,
        item_ids=world.item_ids[kept],
        vectors=world.vectors[kept],
        truth=world.truth[kept],
        media=None if world.media is None else _chosen(world.media, kept),
        captions=captions,
        tail=tail_classes(captions, world.class_ids, TAIL_SHARE) if law.captions else world.tail,
    )


def with_mistakes(world: World, share: float, seed: int) -> World:
    """The same task with answers of which a random share names the most similar other class (asymmetric noise).

    Similar: the largest cosine between the mean vectors of the classes' items. The holdout stays right.
    """
    if share == 0:
        return world
    order = np.argsort(world.item_ids, kind="stable")
    wrong = np.zeros(len(order), np.bool_)
    wrong[order] = np.random.default_rng([seed, MISTAKES]).random(len(order)) < share
    nearest = _nearest(world)
    return replace(world, truth=np.where(wrong, nearest[world.truth], world.truth))


def _nearest(world: World) -> Ints:
    """(C,) the most similar other class that has items; a class without items is its own."""
    count = len(world.class_ids)
    sums = np.zeros((count, world.vectors.shape[1]))
    np.add.at(sums, world.truth, world.vectors)
    means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    there = np.bincount(world.truth, minlength=count) > 0
    close = np.where(there[None, :] & ~np.eye(count, dtype=np.bool_), means @ means.T, -np.inf)
    found: Ints = np.where(there & (there.sum() > 1), close.argmax(axis=1), np.arange(count))
    return found


def budget_of(grid: Grid, world: World) -> int:
    """Labels per round."""
    return len(world.class_ids) if grid.budget == "classes" else grid.budget


def _narrowed(source: Source, kept: Ints) -> Source:
    return replace(source, media=_chosen(source.media, kept))


def _chosen(media: MediaOf, kept: Ints) -> MediaOf:
    return lambda rows: media(kept[rows])


def _feed(digest: Any, value: Any) -> None:
    """Arrays by dtype, shape and bytes, everything else as JSON; functions and places are no content."""
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype.str}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    elif is_dataclass(value):
        for field in (one for one in fields(value) if one.metadata.get("hashed", True)):
            digest.update(field.name.encode() + b"\0")
            _feed(digest, getattr(value, field.name))
    elif callable(value) or isinstance(value, Path):
        digest.update(b"-")
    else:
        digest.update(artifacts.canonical_json(value).encode())
