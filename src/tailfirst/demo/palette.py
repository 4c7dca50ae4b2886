"""Sizes and colours of the demo world."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from tailfirst.demo.pen import RGB

_T = TypeVar("_T")

SIDE = 48
"""Width and height of a picture, pixels."""

SUPER = 4
"""Supersampling factor."""

CANVAS = SIDE * SUPER
"""Side of the supersampled canvas, pixels."""

PAPERS: tuple[RGB, ...] = (
    (246, 243, 234),
    (226, 236, 244),
    (240, 226, 220),
    (224, 238, 222),
    (238, 232, 200),
    (206, 208, 214),
    (182, 200, 196),
)
NIGHTS: tuple[RGB, ...] = ((44, 48, 66), (58, 44, 58), (36, 62, 66), (70, 66, 62))
BODIES: tuple[RGB, ...] = (
    (206, 56, 52), (232, 120, 48), (240, 190, 60), (120, 170, 70), (48, 136, 92), (52, 150, 170), (58, 98, 176),
    (98, 80, 168), (170, 80, 150), (222, 120, 150), (140, 96, 64), (96, 104, 116), (236, 232, 222), (54, 54, 64),
)  # fmt: skip


def pick(options: tuple[_T, ...], rng: np.random.Generator) -> _T:
    """Draw one of several options."""
    return options[int(rng.integers(len(options)))]
