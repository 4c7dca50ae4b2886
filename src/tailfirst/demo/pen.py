"""A pen that draws filled outlines at 4x supersampling, the same way on every machine.

Shapes are given in a unit box (x right, y down, -1 to 1) and mapped by a :class:`Placement`.
Mapped points are rounded to whole supersampled pixels before Pillow sees them, so that the last
bit of a platform's sine can not change a picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

Point = tuple[float, float]
RGB = tuple[int, int, int]

_FAINT = 0.55
"""Width of detail strokes relative to the outline."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how the unit box lies on the supersampled canvas.

    Attributes:
        center: canvas position of the box's origin, supersampled pixels.
        scale: supersampled pixels per unit.
        degrees: rotation, whole degrees, clockwise.
        stretch: horizontal stretch, 1.0 for none.
        mirrored: whether left and right are swapped.
    """

    center: tuple[int, int]
    scale: float
    degrees: int = 0
    stretch: float = 1.0
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class Ink:
    """The colours of one object.

    Attributes:
        main: the body's colour where any colour is plausible.
        second: a contrasting accent.
        outline: colour of outlines and strokes.
        outline_width: outline width in supersampled pixels, 0 for none.
        order: permutation of the colour channels applied to natural colours.
        shift: brightness added to natural colours.
        paper: fill that replaces every colour (a line drawing), or None.
    """

    main: RGB
    second: RGB
    outline: RGB
    outline_width: int
    order: tuple[int, int, int] = (0, 1, 2)
    shift: int = 0
    paper: RGB | None = None

    def natural(self, red: int, green: int, blue: int) -> RGB:
        """Return the natural colour of a part as this object shows it."""
        base = (red, green, blue)
        first, second, third = (min(255, max(0, base[k] + self.shift)) for k in self.order)
        return (first, second, third)


class Pen:
    """Draws unit-box shapes of one object on a Pillow canvas."""

    def __init__(self, draw: ImageDraw.ImageDraw, place: Placement, ink: Ink, rng: np.random.Generator) -> None:
        self._draw = draw
        self._place = place
        self.ink = ink
        self.rng = rng
        self._cos = math.cos(math.radians(place.degrees))
        self._sin = math.sin(math.radians(place.degrees))

    def chance(self, share: float) -> bool:
        """Return True with probability ``share``."""
        return bool(self.rng.random() < share)

    def between(self, low: float, high: float) -> float:
        """Return a uniform draw of [low, high)."""
        return float(low + (high - low) * self.rng.random())

    def shape(self, points: Sequence[Point], fill: RGB, *, outlined: bool = True) -> None:
        """Fill a closed outline."""
        mapped = self._mapped(points)
        paper = self.ink.paper
        self._draw.polygon(mapped, fill=fill if paper is None else paper)
        width = self.ink.outline_width
        if paper is not None or (outlined and width):
            self._draw.line([*mapped, *mapped[:2]], fill=self.ink.outline, width=max(width, 3), joint="curve")

    def stroke(
        self, points: Sequence[Point], thickness: float, color: RGB | None = None, *, outlined: bool = False
    ) -> None:
        """Draw an open line; ``thickness`` in units, ``color`` None for the outline colour."""
        mapped = self._mapped(points)
        width = max(2, round(thickness * self._place.scale))
        tone = self.ink.outline if color is None or self.ink.paper is not None else color
        if outlined and self.ink.outline_width and self.ink.paper is None:
            self._line(mapped, self.ink.outline, width + 2 * self.ink.outline_width)
        self._line(mapped, tone, width)

    def detail(self, points: Sequence[Point], color: RGB | None = None) -> None:
        """Draw a thin line whose width follows the outline."""
        width = max(2, round(max(self.ink.outline_width, 3) * _FAINT))
        tone = self.ink.outline if color is None or self.ink.paper is not None else color
        self._draw.line(self._mapped(points), fill=tone, width=width, joint="curve")

    def dot(self, x: float, y: float, radius: float, color: RGB) -> None:
        """Draw a plain disc that keeps its colour in line drawings too."""
        self._draw.polygon(self._mapped(oval(x, y, radius, radius, 14)), fill=color)

    def _line(self, mapped: Sequence[tuple[int, int]], tone: RGB, width: int) -> None:
        self._draw.line(list(mapped), fill=tone, width=width, joint="curve")
        radius = width // 2
        if radius >= 2:
            for x, y in (mapped[0], mapped[-1]):
                self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tone)

    def _mapped(self, points: Sequence[Point]) -> list[tuple[int, int]]:
        place = self._place
        sign = -1.0 if place.mirrored else 1.0
        mapped = []
        for x, y in points:
            across, down = x * sign * place.stretch * place.scale, y * place.scale
            mapped.append(
                (
                    round(place.center[0] + across * self._cos - down * self._sin),
                    round(place.center[1] + across * self._sin + down * self._cos),
                )
            )
        return mapped


def oval(x: float, y: float, rx: float, ry: float, points: int = 28) -> list[Point]:
    """Return the outline of an ellipse."""
    return arc(x, y, rx, ry, 0.0, 360.0 - 360.0 / points, points - 1)


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float, steps: int = 12) -> list[Point]:
    """Return ``steps + 1`` points of an elliptic arc, degrees clockwise from the right."""
    angles = [math.radians(start + (end - start) * k / steps) for k in range(steps + 1)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


def bend(first: Point, control: Point, last: Point, steps: int = 8) -> list[Point]:
    """Return ``steps + 1`` points of a quadratic Bezier curve."""
    weights = [k / steps for k in range(steps + 1)]
    return [
        (
            (1 - t) ** 2 * first[0] + 2 * t * (1 - t) * control[0] + t * t * last[0],
            (1 - t) ** 2 * first[1] + 2 * t * (1 - t) * control[1] + t * t * last[1],
        )
        for t in weights
    ]


def box(left: float, top: float, right: float, bottom: float) -> list[Point]:
    """Return the corners of a rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def mirrored(points: Sequence[Point]) -> list[Point]:
    """Close a right half, listed from top to bottom, with its mirror image."""
    return [*points, *((-x, y) for x, y in reversed(points))]
