"""Campaigns in memory: a strategy or random draws against known answers (pure; `backtest` brings the answers).

Every arm of a seed starts from the same part of the pool (a random `pool_share` of it, so that deterministic strategies
vary over seeds too), learns with the same adaptation, and gets perfect answers.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tailfirst import plugins
from tailfirst.acquisition import _rows
from tailfirst.config import Plugin
from tailfirst.contracts import (
    Floats,
    Ids,
    Ints,
    MediaOf,
    Model,
    PoolView,
    Searched,
    Selection,
    Source,
    TrainSet,
    Vectors,
)
from tailfirst.errors import Unavailable
from tailfirst.evaluation import summary
from tailfirst.evaluation.intervals import values
from tailfirst.evaluation.metrics import Scores
from tailfirst.media import joined
from tailfirst.vectors import unit

SUBPOOL, PICKS, FIT, CONTROL = 10, 11, 12, 13  # streams of random numbers


@dataclass(frozen=True, slots=True)
class World:
    """A task with all answers known, in memory."""

    class_ids: tuple[str, ...]
    item_ids: Ids  # (N,) pool items with an oracle answer
    vectors: Vectors  # (N, D)
    truth: Ints  # (N,)
    known: TrainSet  # seed labels and retrieved rows, prototypes, encoder: what every arm starts with
    captions: Floats  # (C,)
    holdout_ids: Ids
    holdout: Vectors  # (n, D)
    holdout_truth: Ints
    tail: NDArray[np.bool_]  # (C,)
    media: MediaOf | None = None  # of rows of `vectors`; None: adaptations that encode anew are unavailable
    holdout_media: MediaOf | None = None  # of rows of `holdout`
    # (C,) mean t2t score of the retrieved rows of each class; follows from these rows and the encoder, which are hashed
    relevance: Floats | None = field(default=None, metadata={"hashed": False})


@dataclass(frozen=True, slots=True)
class Point:
    """The holdout scores after some labels; None where there was no model yet."""

    n_labels: int  # seed labels included
    scores: Scores | None
    classes_seen: int
    tail_bought: int  # labels of tail classes
    label_entropy: float = 0.0  # of the labels' class distribution, over ln C: 1 = balanced
    acquire_s: float = 0.0  # wall seconds that the choice took, the features of the pool included
    adapt_s: float = 0.0  # wall seconds of the fit


@dataclass(frozen=True, slots=True)
class Bought:
    """What one round bought, in buying order."""

    item_ids: Ids  # (B,)
    chances: Floats  # (B,) inclusion probabilities, NaN = deterministic pick


@dataclass(frozen=True, slots=True)
class Curve:
    """One arm with one seed; the first point is the one before any round."""

    strategy: str
    seed: int
    points: tuple[Point, ...]
    rounds: tuple[Bought, ...] = ()


def simulate(
    world: World,
    strategy: Plugin,
    adaptation: Plugin,
    *,
    rounds: int,
    budget: int,
    seed: int,
    cold_start: str = "kmeans",
    pool_share: float = 0.8,
    start: Ints | None = None,
) -> Curve:
    """A whole campaign with perfect answers: no audit, no control slice, no money.

    Args:
        world: The task.
        strategy: Chooses the items.
        adaptation: Fitted before the first and after every round.
        rounds: How many.
        budget: Items per round.
        seed: Of the part of the pool, the picks and the fits.
        cold_start: The strategy while there is no model.
        pool_share: The part of the pool that this seed may buy from, (0, 1].
        start: Rows of the part that are bought before the first round; None: none.

    Raises:
        PoolExhausted: The part of the pool is smaller than rounds * budget and the start.
    """
    rows = part(world, pool_share, seed)
    bought = np.zeros(0, np.int64) if start is None else start
    clock = time.perf_counter
    began = clock()
    ends = [len(bought)] if len(bought) else []
    model = _fit(world, bought, adaptation, seed, ends)
    fitted = clock()
    points = [replace(_point(world, bought, model), adapt_s=fitted - began)]
    selected = []
    searches: tuple[Searched, ...] = ()
    for round_no in range(1, rounds + 1):
        began = clock()
        free = rows[~np.isin(rows, bought)]
        view = replace(_view(world, free, bought, model), searches=searches)
        picks = _select(view, strategy, cold_start, budget, [seed, PICKS, round_no])
        chosen = clock()
        searches += _searched(world, free, picks, round_no, view.pool_size)
        selected.append(Bought(world.item_ids[free[picks.rows]], picks.inclusion_probabilities))
        bought = np.concatenate([bought, free[picks.rows]])
        ends.append(len(bought))
        model = _fit(world, bought, adaptation, seed, ends)
        fitted = clock()
        points.append(replace(_point(world, bought, model), acquire_s=chosen - began, adapt_s=fitted - chosen))
    return Curve(strategy.plugin, seed, tuple(points), tuple(selected))


def _searched(world: World, free: Ints, picks: Selection, round_no: int, pool_size: int) -> tuple[Searched, ...]:
    """What the searches of a round brought, by the answers of the world."""
    places = {class_id: row for row, class_id in enumerate(world.class_ids)}
    found: dict[int, list[bool]] = {}
    for row, why, stage in zip(free[picks.rows].tolist(), picks.reasons, picks.stages, strict=True):
        if stage == "search":
            wanted = places[why.removeprefix("search:")]
            found.setdefault(wanted, []).append(bool(world.truth[row] == wanted))
    return tuple(Searched(c, round_no, len(told), sum(told), pool_size) for c, told in found.items())


def part(world: World, share: float, seed: int) -> Ints:
    """Rows of the world that a seed may buy from, sorted: the same for every arm."""
    order = _rows.by_id(world.item_ids)
    size = round(share * len(order))
    return np.sort(order[np.random.default_rng([seed, SUBPOOL]).choice(len(order), size, replace=False)])


def random_control(world: World, bought: Sequence[int], adaptation: Plugin, seeds: Sequence[int]) -> list[list[Point]]:
    """For each number of bought labels one point per seed; a seed's draws are nested, as a campaign's are."""
    result = []
    for count in bought:
        points = []
        for seed in seeds:
            order = _rows.by_id(world.item_ids)
            drawn = order[np.random.default_rng([seed, CONTROL]).permutation(len(order))][:count]
            points.append(_point(world, drawn, _fit(world, drawn, adaptation, seed, bought)))
        result.append(points)
    return result


def fit(world: World, bought: Ints, adaptation: Plugin, seed: int, ends: Sequence[int] = ()) -> Model:
    """The model of bought rows and of what every arm starts with.

    Args:
        world: The task.
        bought: Rows of the world in buying order.
        adaptation: What is fitted.
        seed: Of the fit.
        ends: How many rows were bought after each round, for adaptations that train over rounds.

    Raises:
        Unavailable: The adaptation lacks what it needs; says what.
    """
    known, numbers = world.known, np.searchsorted(np.array(ends, np.int64), np.arange(len(bought)), side="right") + 1
    train = replace(
        known,
        vectors=np.concatenate([world.vectors[bought], known.vectors]),
        classes=np.concatenate([world.truth[bought], known.classes]),
        retrieved=np.concatenate([np.zeros(len(bought), np.bool_), known.retrieved]),
        source=_source(world, bought, seed),
        rounds=None if known.rounds is None else np.concatenate([numbers, known.rounds]),
        unlabeled=lambda: world.vectors[~np.isin(np.arange(len(world.vectors)), bought)],
    )
    rng = np.random.default_rng([seed, FIT])
    fitted: Model = plugins.load("adaptation", adaptation.plugin).fit(train, adaptation.params("adaptation"), rng)
    return fitted


def _fit(world: World, bought: Ints, adaptation: Plugin, seed: int, ends: Sequence[int]) -> Model | None:
    try:
        return fit(world, bought, adaptation, seed, ends)
    except Unavailable:
        return None


def _source(world: World, bought: Ints, seed: int) -> Source | None:
    """The media behind the training rows: bought items, then what every arm starts with."""
    known, pool = world.known.source, world.media
    if known is None or pool is None:
        return None

    known_order = known.order

    def order() -> Ints:
        rest = np.arange(len(world.known.classes)) if known_order is None else known_order()
        return np.concatenate([np.arange(len(bought)), len(bought) + rest])

    digest = hashlib.sha256("\n".join(world.item_ids[bought].tolist()).encode()).hexdigest()[:16]
    media = joined(_behind(pool, bought), known.media, len(bought))
    return replace(known, media=media, scratch=known.scratch / f"{seed}-{len(bought)}-{digest}", order=order)


def _behind(media: MediaOf, rows: Ints) -> MediaOf:
    return lambda some: media(rows[some])


def _point(world: World, bought: Ints, model: Model | None) -> Point:
    seeds = int((~world.known.retrieved).sum())
    scores = None
    if model is not None:
        probs = model.probs(model.features(world.holdout, world.holdout_media))
        scores = values(summary.answers(world.holdout_ids, world.holdout_truth, probs, world.tail))
    labels = np.concatenate([world.truth[bought], world.known.classes[~world.known.retrieved]])
    counts = np.bincount(labels, minlength=len(world.class_ids))
    tail_bought = int(world.tail[world.truth[bought]].sum())
    return Point(seeds + len(bought), scores, int((counts > 0).sum()), tail_bought, balance(counts))


def balance(counts: Ints) -> float:
    """Entropy of a class distribution over ln C: 1 = every class alike, 0 = one class, or nothing at all."""
    shares = counts[counts > 0] / max(1, counts.sum())
    return max(0.0, float(-(shares * np.log(shares)).sum() / np.log(len(counts)))) if len(counts) > 1 else 0.0


def _view(world: World, free: Ints, bought: Ints, model: Model | None) -> PoolView:
    """The rows that can be bought, in the space of the model."""
    human = ~world.known.retrieved
    labeled = np.concatenate([world.vectors[bought], world.known.vectors[human]])
    classes = np.concatenate([world.truth[bought], world.known.classes[human]])
    vectors, prototypes = world.vectors[free], world.known.prototypes
    media = None if world.media is None else _behind(world.media, free)
    features = vectors if model is None else model.features(vectors, media)
    if model is not None and features is not vectors:
        source = _source(world, bought, 0)
        rows = np.concatenate([np.arange(len(bought)), len(bought) + np.flatnonzero(human)])
        labeled = model.features(labeled, None if source is None else _behind(source.media, rows))
        prototypes = unit(model.head.weights)
    return PoolView(
        item_ids=world.item_ids[free],
        vectors=features,
        class_ids=world.class_ids,
        probs=None if model is None else model.probs(features),
        labeled_vectors=labeled,
        labeled_classes=classes,
        n_labeled=np.bincount(classes, minlength=len(world.class_ids)).astype(np.float64),
        n_pending=np.zeros(len(world.class_ids)),
        n_retrieved=world.captions,
        prototypes=prototypes,
        head=None if model is None else model.head,
        pool_size=len(free) + len(bought),
        n_kept=np.bincount(world.known.classes[~human], minlength=len(world.class_ids)).astype(np.float64),
        relevance=world.relevance,
    )


def _select(view: PoolView, strategy: Plugin, cold_start: str, budget: int, stream: list[int]) -> Selection:
    for plugin in (strategy, Plugin(plugin=cold_start)):
        try:
            module, options = plugins.load("acquisition", plugin.plugin), plugin.params("acquisition")
            selection: Selection = module.select(view, budget, options, np.random.default_rng(stream))
        except Unavailable:
            if view.probs is not None:
                raise
            continue
        return selection
    raise Unavailable(f"neither {strategy.plugin} nor {cold_start} can choose without a model")
