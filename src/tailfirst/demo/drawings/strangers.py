"""Things outside the task: car, flower, apple, star, clock, book, chair, moon."""

from __future__ import annotations

from tailfirst.demo.pen import Pen, arc, bend, box, oval


def car(pen: Pen) -> None:
    """A side view of a small car."""
    ink = pen.ink
    pen.shape([(-0.5, 0.05), (-0.3, -0.42), (0.3, -0.42), (0.58, 0.05)], ink.natural(170, 214, 236))
    pen.shape([(-0.95, 0.05), (0.85, 0.05), (0.96, 0.25), (0.96, 0.5), (-0.95, 0.5)], ink.main)
    for x in (-0.5, 0.5):
        pen.shape(oval(x, 0.52, 0.22, 0.22, 20), ink.natural(46, 46, 52))


def flower(pen: Pen) -> None:
    """Petals around a yellow heart on a stem with leaves."""
    ink = pen.ink
    pen.stroke([(0.0, -0.2), (0.0, 0.95)], 0.09, ink.natural(70, 140, 70))
    pen.shape(bend((0.0, 0.7), (0.5, 0.2), (0.55, 0.5)), ink.natural(70, 140, 70))
    for x, y in ((0.0, -0.36), (0.34, -0.12), (0.21, 0.28), (-0.21, 0.28), (-0.34, -0.12)):
        pen.shape(oval(x, y - 0.32, 0.24, 0.24, 16), ink.main)
    pen.shape(oval(0.0, -0.32, 0.2, 0.2, 16), ink.natural(246, 204, 60))


def apple(pen: Pen) -> None:
    """A round fruit with a stalk and a leaf."""
    ink = pen.ink
    pen.shape(
        [*arc(-0.28, 0.15, 0.48, 0.6, 60.0, 300.0, 14), *arc(0.28, 0.15, 0.48, 0.6, -120.0, 120.0, 14)],
        ink.natural(208, 50, 50),
    )
    pen.stroke([(0.0, -0.3), (0.08, -0.75)], 0.09, ink.natural(96, 66, 44))
    pen.shape([*bend((0.06, -0.5), (0.3, -0.95), (0.6, -0.7), 5)], ink.natural(84, 160, 74))


def star(pen: Pen) -> None:
    """A five-pointed star."""
    outer, inner = arc(0.0, 0.0, 0.95, 0.95, -90.0, 270.0, 5)[:5], arc(0.0, 0.0, 0.4, 0.4, -54.0, 306.0, 5)[:5]
    pen.shape([point for pair in zip(outer, inner, strict=True) for point in pair], pen.ink.natural(246, 204, 60))


def clock(pen: Pen) -> None:
    """A round face with two hands."""
    ink = pen.ink
    pen.shape(oval(0.0, 0.0, 0.88, 0.88, 32), ink.main)
    pen.shape(oval(0.0, 0.0, 0.7, 0.7, 32), ink.natural(250, 248, 240))
    for end in arc(0.0, 0.0, 0.58, 0.58, 0.0, 270.0, 3):
        pen.dot(end[0], end[1], 0.06, ink.outline)
    pen.stroke([(0.0, 0.0), (pen.between(-0.4, 0.4), -0.45)], 0.1)
    pen.stroke([(0.0, 0.0), (0.35, pen.between(-0.2, 0.4))], 0.1)


def book(pen: Pen) -> None:
    """An open book."""
    ink = pen.ink
    pen.shape(box(-0.95, -0.5, 0.95, 0.68), ink.main)
    for side in (-1.0, 1.0):
        pen.shape(
            [
                (0.0, -0.45),
                *bend((0.0, -0.5), (side * 0.4, -0.75), (side * 0.86, -0.55), 5),
                (side * 0.86, 0.52),
                *bend((side * 0.86, 0.52), (side * 0.4, 0.35), (0.0, 0.58), 5),
            ],
            ink.natural(250, 247, 236),
        )
        for y in (-0.3, -0.05, 0.2):
            pen.detail([(side * 0.18, y), (side * 0.7, y - 0.06)])


def chair(pen: Pen) -> None:
    """A plain wooden chair."""
    ink = pen.ink
    for path in (
        [(-0.5, -0.95), (-0.5, 0.95)],
        [(0.5, 0.2), (0.5, 0.95)],
        [(-0.2, 0.2), (-0.2, 0.75)],
        [(0.25, 0.2), (0.25, 0.75)],
    ):
        pen.stroke(path, 0.13, ink.natural(150, 100, 60), outlined=True)
    pen.shape(box(-0.58, 0.0, 0.6, 0.2), ink.main)
    pen.shape(box(-0.58, -0.95, -0.38, -0.2), ink.main)


def moon(pen: Pen) -> None:
    """A crescent."""
    pen.shape(
        [*arc(0.0, 0.0, 0.9, 0.9, 60.0, 300.0, 20), *arc(0.34, 0.0, 0.66, 0.66, 270.0, 90.0, 16)],
        pen.ink.natural(248, 222, 120),
    )
