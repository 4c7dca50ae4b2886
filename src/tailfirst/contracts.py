"""Dataclasses and Protocols across seams.

Shape letters, everywhere: N rows of the pool view, M training rows, D dimensions, C classes, B picks (the budget).
`vectors` are float32 unit rows (N, D). `probs` are float64 (N, C), rows sum to 1. Scores: higher = more worth a label.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]
Ints = NDArray[np.int64]
Ids = NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Media:
    """What an encoder gets for one item: exactly one of data (image bytes), text and vector_row is set."""

    item_id: str
    data: bytes | None = None
    text: str | None = None
    vector_row: int | None = None


class Encoder(Protocol):
    """Turns items and prompts into vectors."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever a vector could change: weights, preprocessing, precision, code version."""

    @property
    def dim(self) -> int:
        """D."""

    @property
    def logit_scale(self) -> float:
        """The s in softmax(s * z . t); 100 where the model does not say."""

    @property
    def reads(self) -> Literal["image", "text", "row"]:
        """Which part of a Media `items` looks at."""

    @property
    def has_text(self) -> bool:
        """Whether `texts` works."""

    def items(self, batch: Sequence[Media]) -> Vectors:
        """Unit vectors (N, D) of items; a row never depends on its neighbors in the batch."""

    def texts(self, batch: Sequence[str]) -> Vectors:
        """Unit vectors (N, D) of texts.

        Raises:
            Unavailable: The encoder has no text side.
        """

    def prototypes(self, prompts: Sequence[Sequence[str]]) -> Vectors | None:
        """Unit class prototypes (C, D) from the prompts of each class; None where there is no text side."""


@dataclass(frozen=True, slots=True)
class Head:
    """A linear softmax over unit features: p = softmax(scale * W z). Every model ends in one."""

    weights: Vectors  # (C, D)
    scale: float


MediaOf = Callable[[Ints], Sequence[Media]]  # rows of a matrix of vectors -> the media behind them


@dataclass(frozen=True, slots=True)
class Searched:
    """What one earlier round's search for members of one class brought (acquisition/_search.py)."""

    class_row: int  # index into class_ids
    round_no: int
    answers: int  # of its picks, those that people could answer: with a class, or with "none of these"
    members: int  # of the answers, those that named the class
    pool_size: int | None  # items of the pool at that time, taken-down ones included; None: not recorded


@dataclass(frozen=True, slots=True)
class PoolView:
    """What an acquisition strategy may see: no label of an unlabeled item, no index space but its own rows."""

    item_ids: Ids  # (N,)
    vectors: Vectors  # (N, D) unit rows
    class_ids: tuple[str, ...]  # (C,)
    probs: Floats | None  # (N, C); None: no model yet, or `head` makes them block by block (acquisition/_probs.py)
    labeled_vectors: Vectors  # (M, D)
    labeled_classes: Ints  # (M,) index into class_ids
    n_labeled: Floats  # (C,) TRAIN labels so far
    n_pending: Floats  # (C,) expected counts of what is ordered and not yet delivered
    n_retrieved: Floats  # (C,) freq: matching captions before any cap
    prototypes: Vectors | None  # (C, D)
    head: Head | None = None  # what makes probabilities of `vectors`; None: no model yet, or only `probs` is known
    pool_size: int = 0  # items of the pool before the first purchase; 0 = not known
    n_kept: Floats | None = None  # (C,) retrieved rows after cap and hygiene; None: not known
    relevance: Floats | None = None  # (C,) mean t2t score of the kept rows, in [0, 1], NaN without one; None: not known
    searches: tuple[Searched, ...] = ()  # of earlier rounds, oldest first
    taken_down: int = 0  # items that left the pool by a take-down: pool_size + taken_down only ever grows


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of a view in buying order, with why."""

    rows: Ints  # (B,) distinct rows of the view
    scores: Floats  # (B,)
    inclusion_probabilities: Floats  # (B,) NaN = deterministic pick
    reasons: tuple[str, ...]  # (B,) e.g. "tail:umbrella"
    stages: tuple[str, ...]  # (B,) audit | control | quota | diversify | search | score | fill | cold_start
    starved: tuple[str, ...] = ()  # class ids that had no candidate left
    capped: tuple[str, ...] = ()  # class ids that reached the share cap
    exhausted: tuple[str, ...] = ()  # class ids that are not searched for until the pool grows
    retrieved_weight: float | None = None  # w: labels that a retrieved item stood for; None: the strategy has no such w
    counts_before: Mapping[str, float] = field(default_factory=dict)  # class id -> n used by the rule
    counts_after: Mapping[str, float] = field(default_factory=dict)


class Strategy(Protocol):
    """A module `acquisition/<name>.py`; optional attributes `Params` and `score`.

    `score(view, params, rng) -> Floats` gives every row of the view a number, (N,), higher = more worth a label. A
    strategy that offers it can be combined with a quota and a diversity stage by the strategy `compose`. Any strategy
    can serve `compose` as the diversity stage: it then selects among the best rows of a class.
    """

    def select(self, view: PoolView, budget: int, params: Any, rng: np.random.Generator) -> Selection:
        """Exactly `budget` distinct rows.

        Raises:
            PoolExhausted: The view has fewer rows than the budget.
        """


@dataclass(frozen=True, slots=True)
class Source:
    """What stands behind vectors, for adaptations that change the encoder itself."""

    encoder: Callable[[], Encoder]  # the encoder that made the vectors; loaded on the first call
    media: MediaOf  # of rows of TrainSet.vectors
    prompts: tuple[tuple[str, ...], ...]  # (C,) prompts of each class
    names: tuple[str, ...]  # (C,) what a class is called in its prompts
    scratch: Path  # a folder of this fit's own; what lies there survives a kill and is used by the next try
    order: Callable[[], Ints] | None = None  # all rows in the order in which media are read fastest; None: any


@dataclass(frozen=True, slots=True)
class TrainSet:
    """What an adaptation learns from; it never holds a holdout, audit or test label."""

    vectors: Vectors  # (M, D) labeled and retrieved rows
    classes: Ints  # (M,) index into class_ids
    retrieved: NDArray[np.bool_]  # (M,) True = open data, False = human label
    class_ids: tuple[str, ...]
    prototypes: Vectors | None  # (C, D)
    logit_scale: float
    encoder: str  # fingerprint
    source: Source | None = None  # None: only the vectors are there
    rounds: Ints | None = None  # (M,) round in which a label was bought, 0 = seed, -1 = retrieved; None: not known
    unlabeled: Callable[[], Vectors] | None = None  # (U, D) pool rows without any label; made when asked for


class Model(Protocol):
    """A fitted candidate: features of its own, and a head on them."""

    encoder: str  # fingerprint of the encoder whose vectors `features` takes
    class_ids: tuple[str, ...]

    @property
    def head(self) -> Head:
        """What turns features into probabilities."""

    def features(self, vectors: Vectors, media: MediaOf | None) -> Vectors:
        """(N, D) unit features; the vectors themselves where only a head was fitted.

        Args:
            vectors: (N, D) unit vectors of the base encoder.
            media: The media behind the rows; None where there are only vectors.

        Raises:
            Unavailable: The model encodes anew and there are no media.
        """

    def probs(self, features: Vectors) -> Floats:
        """(N, C) class probabilities of features, rows sum to 1."""

    def save(self, folder: Path) -> None:
        """Write safetensors + JSON, never a pickle."""


class Adaptation(Protocol):
    """A module `adaptation/<name>.py`; optional attribute `Params`; `load(folder)` reads what `Model.save` wrote."""

    def fit(self, train: TrainSet, params: Any, rng: np.random.Generator) -> Model:
        """A model from a training set.

        Raises:
            Unavailable: The training set lacks what the method needs (e.g. prototypes); says what.
        """

    def load(self, folder: Path) -> Model:
        """The model that `Model.save` wrote."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Neighbors:
    """(Q, k) rows of the index and their inner products, best first; -1 pads."""

    rows: Ints
    scores: Vectors


class Index(Protocol):
    """A module `indexes/<name>.py` offers `build(vectors, params) -> Index`."""

    def search(self, queries: Vectors, k: int) -> Neighbors:
        """The k nearest rows by inner product."""
