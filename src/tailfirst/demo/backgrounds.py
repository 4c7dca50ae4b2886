"""Backgrounds of the demo world: small integer arrays, no text, no photographs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.int32]
"""(H, W, 3) colours, 0 to 255 but not yet clipped."""

SKIES = ((176, 216, 240), (206, 226, 240), (244, 214, 186), (250, 232, 200), (120, 160, 206), (52, 60, 96))
GROUNDS = ((136, 184, 110), (206, 186, 140), (118, 168, 206), (168, 160, 152), (236, 240, 246), (110, 92, 78))


def plain(base: NDArray[np.int32], side: int, _rng: np.random.Generator) -> Pixels:
    """One colour."""
    return np.broadcast_to(base, (side, side, 3)).copy()


def gradient(base: NDArray[np.int32], side: int, rng: np.random.Generator) -> Pixels:
    """A linear fade across, down or along a diagonal."""
    across, down = ((1, 0), (0, 1), (1, 1), (1, -1))[int(rng.integers(4))]
    ys, xs = np.mgrid[0:side, 0:side]
    ramp = (xs * across + ys * down) * int(rng.integers(20, 70)) // side
    tint = rng.integers(-1, 2, size=3)
    pixels: Pixels = (base + ramp[:, :, None] * np.where(tint == 0, 1, tint) - 20).astype(np.int32)
    return pixels


def landscape(_base: NDArray[np.int32], side: int, rng: np.random.Generator) -> Pixels:
    """A band of sky over a band of ground, sea, sand or floor, with a sloping edge."""
    sky = np.array(SKIES[int(rng.integers(len(SKIES)))], dtype=np.int32)
    ground = np.array(GROUNDS[int(rng.integers(len(GROUNDS)))], dtype=np.int32)
    ys, xs = np.mgrid[0:side, 0:side]
    edge = int(rng.integers(side * 45 // 100, side * 85 // 100)) + (xs - side // 2) * int(rng.integers(-3, 4)) // 12
    below = (ys > edge)[:, :, None]
    pixels: Pixels = np.where(below, ground - (ys - edge)[:, :, None], sky + (ys[:, :, None] // 3)).astype(np.int32)
    return pixels


def stripes(base: NDArray[np.int32], side: int, rng: np.random.Generator) -> Pixels:
    """Soft stripes across, down or slanted."""
    across, down = ((1, 0), (0, 1), (1, 1))[int(rng.integers(3))]
    period = int(rng.integers(5, 14))
    ys, xs = np.mgrid[0:side, 0:side]
    on = ((xs * across + ys * down) % period) < period // 2
    return (base + np.where(on, int(rng.integers(-30, -10)), 0)[:, :, None]).astype(np.int32)


def checks(base: NDArray[np.int32], side: int, rng: np.random.Generator) -> Pixels:
    """A soft checkerboard, such as a table cloth or tiles."""
    cell = int(rng.integers(5, 13))
    ys, xs = np.mgrid[0:side, 0:side]
    on = (xs // cell + ys // cell) % 2 == 0
    return (base + np.where(on, int(rng.integers(-28, -10)), 0)[:, :, None]).astype(np.int32)


def paper(base: NDArray[np.int32], side: int, rng: np.random.Generator) -> Pixels:
    """Ruled or squared paper."""
    step = int(rng.integers(6, 11))
    ys, xs = np.mgrid[0:side, 0:side]
    line = (ys % step == 0) if rng.random() < 0.5 else ((ys % step == 0) | (xs % step == 0))
    return (base + np.where(line, -26, 0)[:, :, None]).astype(np.int32)


def speckle(base: NDArray[np.int32], side: int, rng: np.random.Generator) -> Pixels:
    """Coarse grain, such as carpet or gravel."""
    coarse = rng.integers(-18, 19, size=(side // 4 + 1, side // 4 + 1))
    return (base + np.kron(coarse, np.ones((4, 4), dtype=np.int64))[:side, :side, None]).astype(np.int32)


BACKGROUNDS: tuple[Callable[[NDArray[np.int32], int, np.random.Generator], Pixels], ...] = (
    plain,
    gradient,
    landscape,
    landscape,
    stripes,
    checks,
    paper,
    speckle,
)
"""All kinds, each as likely as often as it is listed."""
