"""Turning plans into PNG bytes, in this process or in several: the bytes do not depend on how many."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from PIL import Image

from tailfirst.demo.corpus import ItemPlan
from tailfirst.demo.look import ALBUM, FIELD
from tailfirst.demo.open_plan import OpenPlan
from tailfirst.demo.world import encode, picture

_Plan = TypeVar("_Plan")
_CHUNK = 64


def item_bytes(plan: ItemPlan) -> bytes:
    """Draw one pool or holdout item."""
    return encode(picture(plan.thing, FIELD, np.random.default_rng(plan.stream)))


def open_bytes(plan: OpenPlan) -> bytes:
    """Draw one open picture, or copy or re-encode the item that it copies."""
    if plan.copy_of is None:
        return encode(picture(plan.thing, ALBUM, np.random.default_rng(plan.stream), beside=plan.beside))
    if plan.exact:
        return item_bytes(plan.copy_of)
    original = picture(plan.copy_of.thing, FIELD, np.random.default_rng(plan.copy_of.stream))
    return encode(_reposted(original, np.random.default_rng(plan.stream)))


def drawn(
    draw: Callable[[_Plan], bytes], plans: Sequence[_Plan], workers: int, advance: Callable[[int], None]
) -> Iterator[bytes]:
    """Yield the bytes of every plan, in order.

    Args:
        draw: module-level function that draws one plan.
        plans: what to draw.
        workers: processes; 1 draws here.
        advance: called with the number of pictures that were finished since the last call.

    Yields:
        PNG bytes, one per plan, in the order of ``plans``.
    """
    if workers <= 1:
        for plan in plans:
            yield draw(plan)
            advance(1)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as processes:
        for png in processes.imap(draw, plans, chunksize=_CHUNK):
            yield png
            advance(1)


def _reposted(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Change light and a few pixels, as sites do that re-encode what they host."""
    pixels = np.asarray(image, dtype=np.int32)
    light = int(rng.integers(-10, 11))
    noise = rng.integers(-3, 4, size=pixels.shape)
    return Image.fromarray(np.clip(pixels + light + noise, 0, 255).astype(np.uint8))
