"""Passes of a linear softmax head with dropout on its input features, in blocks (specs/methods.md M1 and M3).

A feature is dropped with probability `rate`, taken in steps of 1/256; what is kept is scaled by 1 / (1 - rate), so the
expected logits are those without dropout. A released DropQuery does not rescale: harmless for a head without bias, as
scaling all logits changes no argmax, but wrong for the probabilities that BALD needs.
"""

from collections.abc import Iterator

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.contracts import Head, Ints, PoolView, Vectors
from tailfirst.errors import Unavailable

BLOCK = 1024  # rows whose masks and products stay in the cache
STEPS = 256


class Passes(BaseModel):
    """How often features are dropped, and how many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    passes: int = Field(ge=1)
    rate: float = Field(ge=0, le=0.99)


def head_of(view: PoolView) -> Head:
    """The view's head.

    Raises:
        Unavailable: There is no model yet, or its head was not handed over.
    """
    if view.probs is None:
        raise Unavailable("this strategy needs class probabilities and there is no model yet")
    if view.head is None:
        raise Unavailable("this strategy needs the head behind the class probabilities and the view brings none")
    return view.head


def class_order(view: PoolView) -> Ints:
    """(C,) classes by id: ties go to the smaller id whatever the order of classes."""
    return np.argsort(np.array(view.class_ids), kind="stable").astype(np.int64)


def blocks(view: PoolView, params: Passes, rng: np.random.Generator) -> Iterator[tuple[slice, Iterator[Vectors]]]:
    """Blocks of rows, each with an iterator over its passes: (n, C) logits, classes by id.

    The array of a pass is written over by the next one.

    Args:
        view: Rows by item id, so that a row's masks do not depend on the order of the pool.
        params: Passes and rate.
        rng: Draws the masks.

    Raises:
        Unavailable: There is no head.
    """
    head = head_of(view)
    dropped = round(params.rate * STEPS)
    factor = np.float32(head.scale * STEPS / (STEPS - dropped))
    weights = np.ascontiguousarray(head.weights[class_order(view)].T) * factor
    for start in range(0, len(view.vectors), BLOCK):
        block = view.vectors[start : start + BLOCK]
        yield slice(start, start + len(block)), _passes(block, weights, dropped, params.passes, rng)


def _passes(block: Vectors, weights: Vectors, dropped: int, count: int, rng: np.random.Generator) -> Iterator[Vectors]:
    thinned = np.empty(block.shape, np.float32)
    logits = np.empty((len(block), weights.shape[1]), np.float32)
    for _ in range(count):
        bits = rng.integers(0, 2**64, size=-(-block.size // 8), dtype=np.uint64)  # eight masks in one draw: 3x faster
        keep = bits.astype("<u8", copy=False).view(np.uint8)[: block.size].reshape(block.shape) >= dropped
        yield np.matmul(np.multiply(block, keep, out=thinned), weights, out=logits)
