"""Umbrella, guitar, violin, key, anchor, scissors, lamp."""

from __future__ import annotations

from tailfirst.demo.pen import Pen, Point, arc, bend, box, mirrored, oval

_STEEL = (150, 156, 166)
_DARK = (58, 40, 32)


def umbrella(pen: Pen) -> None:
    """An open umbrella: scalloped canopy, shaft, hooked handle."""
    ink = pen.ink
    pen.stroke([(0.0, -0.9), (0.0, 0.68), *arc(0.15, 0.7, 0.15, 0.2, 180.0, 0.0, 8)], 0.08, ink.natural(96, 66, 44))
    edge = 0.05
    scallops: list[Point] = []
    for left in (0.46, 0.0, -0.46):
        scallops += arc(left, edge, 0.23, 0.16, 0.0, -180.0, 6)
    right = [*arc(0.0, edge, 0.92, 0.84, 180.0, 360.0, 18), *arc(0.69, edge, 0.23, 0.16, 0.0, -180.0, 6)]
    canopy = [
        *right,
        *arc(0.23, edge, 0.23, 0.16, 0.0, -180.0, 6),
        *arc(-0.23, edge, 0.23, 0.16, 0.0, -180.0, 6),
        *arc(-0.69, edge, 0.23, 0.16, 0.0, -180.0, 6),
    ]
    pen.shape(canopy, ink.main)
    if pen.chance(0.55):
        pen.shape(
            [
                *bend((0.0, -0.78), (-0.42, -0.55), (-0.46, edge), 6),
                *arc(-0.23, edge, 0.23, 0.16, -180.0, 0.0, 6),
                (0.0, -0.78),
            ],
            ink.second,
        )
        pen.shape(
            [
                *bend((0.0, -0.78), (0.42, -0.55), (0.46, edge), 6),
                (0.92, edge),
                *bend((0.92, edge), (0.8, -0.7), (0.0, -0.79), 6),
            ],
            ink.second,
        )
    else:
        for x in (-0.46, 0.0, 0.46):
            pen.detail(bend((0.0, -0.78), (x * 0.9, -0.5), (x, edge), 6))


def guitar(pen: Pen) -> None:
    """A figure-of-eight body with a round sound hole and a long neck."""
    ink = pen.ink
    wood = ink.natural(206, 138, 66) if pen.chance(0.6) else ink.main
    pen.stroke([(0.0, 0.1), (0.0, -0.8)], 0.12, ink.natural(*_DARK))
    pen.shape([(-0.12, -0.72), (0.12, -0.72), (0.15, -0.98), (-0.15, -0.98)], ink.natural(*_DARK))
    half = [
        (0.0, -0.18),
        *bend((0.14, -0.2), (0.46, -0.18), (0.38, 0.1), 5),
        *bend((0.34, 0.22), (0.28, 0.28), (0.4, 0.4), 3),
        *bend((0.44, 0.44), (0.66, 0.95), (0.0, 0.96), 7),
    ]
    pen.shape(mirrored(half), wood)
    pen.stroke([(0.0, 0.05), (0.0, -0.7)], 0.12, ink.natural(*_DARK))
    pen.dot(0.0, 0.2, 0.17, ink.natural(40, 28, 24) if ink.paper is None else ink.outline)
    pen.stroke([(-0.18, 0.66), (0.18, 0.66)], 0.09, ink.natural(*_DARK))
    pen.detail([(0.0, 0.6), (0.0, -0.9)], ink.natural(236, 228, 210))


def violin(pen: Pen) -> None:
    """A waisted body with sound slits, a dark fingerboard, a scroll and mostly a bow."""
    ink = pen.ink
    wood = ink.natural(168, 76, 36) if pen.chance(0.75) else ink.main
    half = [
        (0.0, -0.24),
        *bend((0.1, -0.26), (0.44, -0.24), (0.36, 0.02), 5),
        (0.4, 0.08),
        *bend((0.34, 0.12), (0.12, 0.3), (0.36, 0.46), 6),
        (0.44, 0.48),
        *bend((0.42, 0.54), (0.56, 0.92), (0.0, 0.93), 7),
    ]
    pen.stroke([(0.0, -0.2), (0.0, -0.78)], 0.11, ink.natural(*_DARK))
    pen.stroke(arc(0.0, -0.86, 0.1, 0.09, 90.0, -180.0, 8), 0.08, ink.natural(*_DARK))
    for y in (-0.72, -0.6):
        pen.stroke([(-0.16, y), (0.16, y)], 0.06, ink.natural(*_DARK))
    pen.shape(mirrored(half), wood)
    pen.shape([(-0.06, -0.7), (0.06, -0.7), (0.09, 0.28), (-0.09, 0.28)], ink.natural(34, 30, 34))
    pen.shape([(-0.1, 0.56), (0.1, 0.56), (0.05, 0.88), (-0.05, 0.88)], ink.natural(34, 30, 34))
    for side in (-1.0, 1.0):
        pen.detail([(side * 0.2, 0.2), (side * 0.16, 0.32), (side * 0.22, 0.46)], ink.natural(34, 30, 34))
    if pen.chance(0.75):
        pen.stroke([(0.66, -0.85), (0.78, 0.9)], 0.05, ink.natural(96, 60, 34))
        pen.detail([(0.58, -0.85), (0.68, 0.9)], ink.natural(236, 232, 220))


def key(pen: Pen) -> None:
    """A ring, a shaft and two or three teeth."""
    ink = pen.ink
    metal = ink.natural(226, 180, 60) if pen.chance(0.6) else ink.natural(*_STEEL)
    ring = [*oval(0.0, -0.55, 0.34, 0.34, 24), (0.34, -0.55)]
    teeth = [0.82, 0.58] if pen.chance(0.6) else [0.84, 0.66, 0.48]
    for y in teeth:
        pen.stroke([(0.0, y), (pen.between(0.3, 0.44), y)], 0.13, metal, outlined=True)
    pen.stroke([(0.0, -0.25), (0.0, 0.9)], 0.16, metal, outlined=True)
    pen.stroke(ring, 0.18, metal, outlined=True)
    for y in teeth:
        pen.stroke([(0.0, y), (0.26, y)], 0.13, metal)


def anchor(pen: Pen) -> None:
    """A ring, a stock across the shank, and two curved arms with flukes."""
    ink = pen.ink
    iron = ink.natural(74, 86, 108) if pen.chance(0.6) else ink.main
    thick = pen.between(0.13, 0.18)
    arms = arc(0.0, 0.22, 0.72, 0.62, 165.0, 15.0, 16)
    for side in (-1.0, 1.0):
        pen.shape([(side * 0.95, 0.4), (side * 0.74, 0.0), (side * 0.5, 0.4)], iron)
    pen.stroke(arms, thick, iron, outlined=True)
    pen.stroke([(0.0, -0.5), (0.0, 0.86)], thick, iron, outlined=True)
    pen.stroke([(-0.42, -0.32), (0.42, -0.32)], thick, iron, outlined=True)
    pen.stroke([*oval(0.0, -0.72, 0.17, 0.17, 18), (0.17, -0.72)], thick * 0.75, iron, outlined=True)


def scissors(pen: Pen) -> None:
    """Two crossed blades on two ring handles."""
    ink = pen.ink
    spread = pen.between(0.26, 0.5)
    for side in (-1.0, 1.0):
        pen.stroke([(0.0, 0.08), (-side * 0.3, 0.42)], 0.14, ink.main, outlined=True)
        pen.stroke(
            [*oval(-side * 0.42, 0.66, 0.24, 0.26, 20), (-side * 0.42 + 0.24, 0.66)], 0.13, ink.main, outlined=True
        )
        blade = [
            (side * spread, -0.97),
            (side * (spread * 0.5 + 0.16), -0.2),
            (-side * 0.02, 0.2),
            (-side * 0.13, 0.08),
        ]
        pen.shape(blade, ink.natural(196, 202, 212))
    pen.dot(0.0, 0.08, 0.07, ink.outline)


def lamp(pen: Pen) -> None:
    """A table lamp: shade, stem and foot."""
    ink = pen.ink
    shade = pen.between(0.2, 0.42)
    if pen.chance(0.35):
        pen.shape([(-0.6, -0.12), (0.6, -0.12), (0.9, 0.6), (-0.9, 0.6)], ink.natural(255, 244, 170), outlined=False)
    if pen.chance(0.5):
        pen.stroke([(0.0, -0.1), (0.0, 0.85)], 0.13, ink.natural(150, 120, 80), outlined=True)
    else:
        pen.shape(oval(0.0, 0.44, 0.28, 0.4, 24), ink.second)
    pen.shape(box(-0.38, 0.82, 0.38, 0.96), ink.natural(120, 92, 64))
    pen.shape(mirrored([(shade, -0.92), (0.72, -0.08)]), ink.main)
    if pen.chance(0.5):
        pen.detail([(-0.66, -0.22), (0.66, -0.22)], ink.second)
    if pen.chance(0.4):
        pen.detail([(0.4, -0.08), (0.4, 0.24)])
