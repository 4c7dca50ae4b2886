"""Fish, butterfly, snowman, owl, penguin."""

from __future__ import annotations

from tailfirst.demo.pen import Pen, Point, arc, bend, box, oval

_BLACK = (30, 30, 36)
_WHITE = (252, 250, 246)
_ORANGE = (240, 150, 40)


def fish(pen: Pen) -> None:
    """A side view: oval body, tail, fins, one eye."""
    ink = pen.ink
    tall = pen.between(0.36, 0.54)
    pen.shape([(-0.42, 0.0), (-0.96, -0.45), (-0.82, 0.0), (-0.96, 0.45)], ink.second)
    pen.shape([*bend((-0.3, -tall * 0.7), (0.0, -tall - 0.55), (0.4, -tall * 0.75))], ink.second)
    if pen.chance(0.6):
        pen.shape([(-0.05, tall * 0.85), (0.12, tall + 0.28), (0.28, tall * 0.8)], ink.second)
    pen.shape(
        [
            *bend((-0.6, 0.0), (0.1, -tall * 2.1), (0.95, 0.0), 12),
            *bend((0.95, 0.0), (0.1, tall * 2.1), (-0.6, 0.0), 12),
        ],
        ink.main,
    )
    if pen.chance(0.5):
        for x in (-0.2, 0.08):
            pen.stroke(arc(x, 0.0, 0.1, tall * 0.75, -90.0, 90.0, 6), 0.09, ink.second)
    pen.detail(arc(0.36, 0.0, 0.1, tall * 0.6, 90.0, 270.0, 6))
    pen.dot(0.6, -0.1, 0.12, _WHITE)
    pen.dot(0.62, -0.1, 0.065, _BLACK)


def butterfly(pen: Pen) -> None:
    """Two pairs of wings around a thin body with feelers."""
    ink = pen.ink
    up, low = pen.between(0.5, 0.62), pen.between(0.34, 0.46)
    for side in (-1.0, 1.0):
        lower: list[Point] = [
            (side * x, y) for x, y in [(0.05, 0.1), (0.5, 0.12), *arc(0.5, 0.12 + low, low, low, -60.0, 120.0, 8)]
        ]
        pen.shape(lower, ink.second)
        upper = [
            (side * x, y)
            for x, y in [
                (0.05, 0.15),
                (0.12, -0.3),
                (0.55, -0.9),
                (0.9, -0.92),
                (0.97, -0.55),
                *bend((0.9, -0.2), (0.6, up * 0.5), (0.05, 0.18), 5),
            ]
        ]
        pen.shape(upper, ink.main)
        pen.dot(side * 0.66, -0.5, 0.15, ink.second)
        pen.dot(side * 0.5, 0.45, 0.11, ink.main)
        pen.detail([(side * 0.03, -0.42), (side * 0.14, -0.72), (side * 0.28, -0.88)])
    pen.stroke([(0.0, -0.4), (0.0, 0.6)], 0.14, ink.natural(70, 50, 44))


def snowman(pen: Pen) -> None:
    """Two or three snowballs with a carrot nose and a hat or a scarf."""
    ink = pen.ink
    snow = _WHITE if ink.order == (0, 1, 2) else ink.natural(245, 248, 252)
    for side in (-1.0, 1.0):
        pen.stroke([(side * 0.3, 0.08), (side * 0.82, pen.between(-0.35, 0.1))], 0.07, ink.natural(110, 74, 46))
    balls = ((0.55, 0.42), (-0.0, 0.33), (-0.46, 0.26)) if pen.chance(0.65) else ((0.45, 0.5), (-0.3, 0.36))
    for y, radius in balls:
        pen.shape(oval(0.0, y, radius * 1.05, radius), snow)
    y, radius = balls[-1]
    if pen.chance(0.75):
        pen.shape(box(-radius * 0.75, y - radius - 0.34, radius * 0.75, y - radius + 0.08), ink.natural(50, 48, 60))
        pen.shape(box(-radius * 1.25, y - radius - 0.02, radius * 1.25, y - radius + 0.09), ink.natural(50, 48, 60))
    if pen.chance(0.6):
        pen.stroke([(-radius * 0.8, y + radius * 0.9), (radius * 0.8, y + radius * 0.9)], 0.13, ink.second)
        pen.stroke([(radius * 0.4, y + radius), (radius * 0.5, y + radius + 0.3)], 0.12, ink.second)
    pen.dot(-radius * 0.38, y - radius * 0.2, 0.055, _BLACK)
    pen.dot(radius * 0.38, y - radius * 0.2, 0.055, _BLACK)
    pen.shape([(0.0, y), (0.0, y + 0.13), (0.4, y + 0.1)], ink.natural(*_ORANGE))
    for k in range(3):
        pen.dot(0.0, 0.2 + 0.22 * k, 0.05, _BLACK)


def owl(pen: Pen) -> None:
    """A round bird with ear tufts and two very big eyes."""
    ink = pen.ink
    coat = ink.natural(150, 105, 64) if pen.chance(0.6) else ink.main
    for side in (-1.0, 1.0):
        pen.shape([(side * 0.22, -0.62), (side * 0.6, -0.98), (side * 0.62, -0.4)], coat)
    pen.shape(oval(0.0, 0.1, 0.68, 0.82, 30), coat)
    pen.shape(oval(0.0, 0.42, 0.4, 0.45), ink.natural(232, 208, 170), outlined=False)
    for y in (0.3, 0.5, 0.7):
        for x in (-0.2, 0.0, 0.2):
            pen.detail([(x - 0.07, y), (x, y + 0.08), (x + 0.07, y)])
    for side in (-1.0, 1.0):
        pen.shape(
            [(side * 0.58, -0.1), *bend((side * 0.58, -0.1), (side * 1.0, 0.4), (side * 0.5, 0.75), 6)],
            ink.natural(112, 76, 48),
        )
        pen.shape(oval(side * 0.29, -0.3, 0.28, 0.28, 20), _WHITE)
        pen.dot(side * 0.27, -0.3, 0.15, _BLACK)
        pen.stroke([(side * 0.2, 0.9), (side * 0.2, 0.97)], 0.12, ink.natural(*_ORANGE))
    pen.shape([(-0.1, -0.16), (0.1, -0.16), (0.0, 0.1)], ink.natural(*_ORANGE))


def penguin(pen: Pen) -> None:
    """An upright bird: dark coat, white belly, flippers, orange feet."""
    ink = pen.ink
    coat = ink.natural(44, 48, 62) if pen.chance(0.75) else ink.main
    for side in (-1.0, 1.0):
        pen.shape(oval(side * 0.26, 0.92, 0.22, 0.1, 14), ink.natural(*_ORANGE))
        lift = pen.between(0.0, 0.3)
        pen.shape(
            [
                (side * 0.35, -0.25),
                *bend((side * 0.45, -0.2), (side * 0.9, 0.1), (side * (0.72 + lift * 0.6), 0.5 - lift), 6),
                (side * 0.45, 0.2),
            ],
            coat,
        )
    pen.shape(oval(0.0, 0.22, 0.54, 0.7, 30), coat)
    pen.shape(oval(0.0, -0.52, 0.38, 0.42, 24), coat)
    pen.shape(oval(0.0, 0.32, 0.37, 0.54, 24), _WHITE, outlined=False)
    for side in (-1.0, 1.0):
        pen.dot(side * 0.15, -0.5, 0.17, _WHITE)
        pen.dot(side * 0.13, -0.54, 0.065, _BLACK)
    pen.shape([(-0.13, -0.42), (0.13, -0.42), (0.0, -0.2)], ink.natural(*_ORANGE))
    if pen.chance(0.2):
        pen.stroke([(-0.3, -0.12), (0.3, -0.12)], 0.14, ink.second)
