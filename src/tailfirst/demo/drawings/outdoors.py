"""House, tree, mushroom, cactus, lighthouse."""

from __future__ import annotations

from tailfirst.demo.pen import Pen, arc, bend, box, mirrored, oval

_WOOD = (134, 90, 52)
_PANE = (250, 232, 150)


def house(pen: Pen) -> None:
    """A gabled house with door, windows and often a chimney."""
    ink = pen.ink
    wide = pen.between(0.62, 0.8)
    eaves = pen.between(-0.2, 0.05)
    if pen.chance(0.65):
        pen.shape(box(0.3, -0.88, 0.52, eaves), ink.natural(150, 84, 70))
    pen.shape(box(-wide, eaves, wide, 0.9), ink.main)
    roof = [(-wide - 0.2, eaves), (0.0, -0.95), (wide + 0.2, eaves)]
    if pen.chance(0.3):
        roof = [(-wide - 0.2, eaves), (-0.4, -0.8), (0.4, -0.8), (wide + 0.2, eaves)]
    pen.shape(roof, ink.second)
    door = pen.between(-0.35, 0.2)
    pen.shape(box(door - 0.02, 0.3, door + 0.3, 0.9), ink.natural(*_WOOD))
    for left in (-wide + 0.12, wide - 0.42):
        if not -0.34 < left - door < 0.34 or pen.chance(0.2):
            pen.shape(box(left, 0.14, left + 0.3, 0.46), ink.natural(*_PANE))
            pen.detail([(left + 0.15, 0.14), (left + 0.15, 0.46)])


def tree(pen: Pen) -> None:
    """A broadleaf tree or a conifer."""
    ink = pen.ink
    leaf = ink.natural(70, 150, 70) if pen.chance(0.75) else ink.natural(214, 140, 50)
    pen.shape([(-0.12, 0.1), (0.12, 0.1), (0.17, 0.97), (-0.17, 0.97)], ink.natural(*_WOOD))
    if pen.chance(0.4):
        for top, bottom, half in ((-0.2, 0.6, 0.72), (-0.6, 0.15, 0.58), (-0.97, -0.3, 0.42)):
            pen.shape([(0.0, top), (half, bottom), (-half, bottom)], leaf)
        return
    for x, y, radius in ((-0.4, -0.05, 0.4), (0.4, -0.05, 0.4), (0.0, -0.45, 0.48)):
        pen.shape(oval(x, y, radius, radius), leaf)
    pen.shape(oval(0.0, -0.18, 0.42, 0.36), leaf, outlined=False)
    if pen.chance(0.4):
        for x, y in ((-0.4, -0.1), (0.1, -0.5), (0.4, 0.0), (-0.05, 0.05)):
            pen.dot(x, y, 0.08, ink.natural(210, 50, 50))


def mushroom(pen: Pen) -> None:
    """A cap with dots on a stout stem."""
    ink = pen.ink
    cap = ink.natural(205, 50, 45) if pen.chance(0.5) else ink.main
    stem = ink.natural(245, 235, 215)
    wide = pen.between(0.2, 0.3)
    pen.shape(
        [
            (-wide, -0.1),
            (wide, -0.1),
            *bend((wide, 0.5), (wide + 0.1, 0.95), (0.0, 0.93), 5),
            *bend((0.0, 0.93), (-wide - 0.1, 0.95), (-wide, 0.5), 5),
        ],
        stem,
    )
    if pen.chance(0.4):
        pen.shape([(-wide - 0.08, 0.12), (wide + 0.08, 0.12), (wide, 0.28), (-wide, 0.28)], stem)
    tall = pen.between(0.75, 1.05)
    dome = arc(0.0, 0.02, 0.92, tall, 180.0, 360.0, 18)
    pen.shape([*dome, *bend((0.92, 0.02), (0.0, 0.32), (-0.92, 0.02))], cap)
    for x, y, radius in ((-0.45, -0.2, 0.13), (0.05, -0.5, 0.15), (0.5, -0.18, 0.12), (0.08, -0.08, 0.1)):
        pen.dot(x, y * tall, radius, ink.natural(255, 250, 240))


def cactus(pen: Pen) -> None:
    """A column with one or two raised arms, sometimes in a pot."""
    ink = pen.ink
    green = ink.natural(72, 140, 84)
    bottom = 0.95
    if pen.chance(0.4):
        bottom = 0.5
    arms = [(-1.0, pen.between(-0.15, 0.15)), (1.0, pen.between(-0.3, 0.1))]
    if pen.chance(0.15):
        arms = arms[:1]
    for side, y in arms:
        elbow = [
            (0.0, y + 0.22),
            *bend((side * 0.3, y + 0.22), (side * 0.6, y + 0.22), (side * 0.58, y - 0.1)),
            (side * 0.58, y - 0.4),
        ]
        pen.stroke(elbow, 0.26, green, outlined=True)
    pen.stroke([(0.0, bottom - 0.1), (0.0, -0.72)], 0.46, green, outlined=True)
    for x in (-0.1, 0.1):
        pen.detail([(x, -0.7), (x, bottom - 0.1)], ink.natural(40, 96, 56))
    if bottom < 0.9:
        pen.shape([(-0.46, 0.42), (0.46, 0.42), (0.34, 0.97), (-0.34, 0.97)], ink.natural(196, 110, 70))
    if pen.chance(0.35):
        pen.dot(0.0, -0.95, 0.13, ink.natural(240, 90, 140))


def lighthouse(pen: Pen) -> None:
    """A tapered, banded tower with a lantern room, on a rock."""
    ink = pen.ink
    band = ink.natural(205, 45, 45) if pen.chance(0.6) else ink.main
    wall = ink.natural(248, 244, 236)
    if pen.chance(0.5):
        side = 1.0 if pen.chance(0.5) else -1.0
        pen.shape(
            [(side * 0.12, -0.62), (side * 1.0, -0.88), (side * 1.0, -0.36)], ink.natural(255, 240, 140), outlined=False
        )
    pen.shape(bend((-0.7, 0.97), (0.0, 0.4), (0.7, 0.97)), ink.natural(130, 124, 118))
    half = [(0.22, -0.42), (0.38, 0.85)]
    pen.shape(mirrored(half), wall)
    for k in range(3):
        low, high = -0.42 + 0.45 * k, -0.42 + 0.45 * k + 0.22
        left, right = 0.22 + 0.16 * (low + 0.42) / 1.27, 0.22 + 0.16 * (high + 0.42) / 1.27
        pen.shape([(-left, low), (left, low), (right, high), (-right, high)], band)
    pen.shape(box(-0.3, -0.5, 0.3, -0.4), wall)
    pen.shape(box(-0.16, -0.74, 0.16, -0.5), ink.natural(255, 225, 90))
    pen.shape([(-0.24, -0.72), (0.0, -0.97), (0.24, -0.72)], band)
