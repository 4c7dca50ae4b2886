"""Sailboat, canoe, mug, teapot, rocket, bicycle, balloon."""

from __future__ import annotations

from tailfirst.demo.pen import Pen, arc, bend, box, mirrored, oval


def sailboat(pen: Pen) -> None:
    """A hull under a mast with one or two sails."""
    ink = pen.ink
    pen.stroke([(0.0, 0.5), (0.0, -0.92)], 0.07, ink.natural(120, 80, 48))
    pen.shape([(0.08, -0.88), *bend((0.08, -0.88), (0.72, -0.1), (0.8, 0.36), 6), (0.08, 0.36)], ink.second)
    if pen.chance(0.8):
        pen.shape(
            [(-0.08, -0.72), (-0.08, 0.36), *bend((-0.66, 0.36), (-0.3, 0.0), (-0.08, -0.72), 5)],
            ink.natural(250, 246, 236),
        )
    pen.shape([(-0.9, 0.48), (0.95, 0.48), (0.62, 0.92), (-0.6, 0.92)], ink.main)
    if pen.chance(0.5):
        pen.shape([(0.0, -0.95), (-0.3, -0.86), (0.0, -0.77)], ink.natural(214, 60, 60))
    if pen.chance(0.4):
        pen.detail([(-0.78, 0.62), (0.82, 0.62)], ink.second)


def canoe(pen: Pen) -> None:
    """A long hull with raised tips, its inside and a paddle showing."""
    ink = pen.ink
    rise = pen.between(0.26, 0.4)
    left, right = (-0.98, -rise), (0.98, -rise)
    rim = [*bend(left, (-0.8, 0.04), (-0.3, 0.06), 7), *bend((0.3, 0.06), (0.8, 0.04), right, 7)]
    keel = [*bend(right, (0.98, 0.42), (0.5, 0.42), 7), *bend((-0.5, 0.42), (-0.98, 0.42), left, 7)]
    inner = [left, *bend((-0.8, -0.14), (0.0, -0.12), (0.8, -0.14), 8), right, *reversed(rim)]
    pen.shape(inner, ink.natural(92, 62, 40))
    for x in (-0.42, 0.4):
        pen.stroke([(x, -0.1), (x, 0.06)], 0.1, ink.natural(210, 172, 120))
    if pen.chance(0.75):
        lean = pen.between(0.2, 0.5)
        pen.stroke([(-lean, -0.75), (lean, 0.62)], 0.07, ink.natural(196, 150, 90), outlined=True)
        pen.shape(oval(lean + 0.05, 0.68, 0.12, 0.2, 14), ink.natural(196, 150, 90))
    pen.shape([*rim, *keel], ink.main)
    if pen.chance(0.5):
        pen.stroke(bend((-0.82, 0.1), (0.0, 0.4), (0.82, 0.1), 10), 0.09, ink.second)


def mug(pen: Pen) -> None:
    """A straight-sided cup with one handle, sometimes steaming."""
    ink = pen.ink
    wide = pen.between(0.46, 0.6)
    top = pen.between(-0.55, -0.3)
    handle = arc(wide, 0.22, 0.38, 0.34, -90.0, 90.0, 12)
    pen.stroke([(wide - 0.1, -0.12), *handle, (wide - 0.1, 0.56)], 0.15, ink.main, outlined=True)
    left = -wide - 0.08
    pen.shape(
        [
            (left, top),
            (wide, top),
            *bend((wide, 0.75), (wide, 0.92), (wide - 0.2, 0.92), 4),
            *bend((left + 0.2, 0.92), (left, 0.92), (left, 0.75), 4),
        ],
        ink.main,
    )
    pen.shape(oval((left + wide) / 2, top, (wide - left) / 2, 0.13), ink.natural(88, 56, 38))
    if pen.chance(0.5):
        low = pen.between(0.1, 0.4)
        pen.shape(box(left, low, wide, low + 0.24), ink.second)
    if pen.chance(0.55):
        for x in (-0.28, 0.1):
            rising = [
                *bend((x, top - 0.14), (x + 0.16, top - 0.24), (x, top - 0.34), 4),
                *bend((x, top - 0.34), (x - 0.16, top - 0.44), (x, top - 0.54), 4),
            ]
            pen.stroke(rising, 0.06, ink.natural(200, 200, 206))


def teapot(pen: Pen) -> None:
    """A round pot with spout, handle, lid and knob."""
    ink = pen.ink
    tall = pen.between(0.44, 0.58)
    pen.shape(
        [
            (0.35, 0.45),
            *bend((0.5, 0.5), (0.72, 0.1), (0.78, -0.32), 5),
            (0.98, -0.34),
            *bend((0.96, -0.2), (0.86, 0.55), (0.4, 0.72), 6),
        ],
        ink.main,
    )
    pen.stroke(arc(-0.56, 0.16, 0.36, 0.36, 70.0, 300.0, 12), 0.14, ink.main, outlined=True)
    pen.shape(oval(0.0, 0.28, 0.62, tall, 30), ink.main)
    pen.shape(arc(0.0, 0.3 - tall, 0.34, 0.24, 180.0, 360.0, 10), ink.second)
    pen.shape(oval(0.0, 0.0 - tall, 0.11, 0.11, 14), ink.second)
    pen.shape(box(-0.32, 0.24 + tall, 0.32, 0.34 + tall), ink.main)
    if pen.chance(0.5):
        pen.stroke(bend((-0.6, 0.3), (0.0, 0.5), (0.6, 0.3), 8), 0.1, ink.second)


def rocket(pen: Pen) -> None:
    """A pointed hull with porthole, fins and mostly a flame."""
    ink = pen.ink
    if pen.chance(0.75):
        pen.shape([(-0.22, 0.55), (-0.12, 0.85), (0.0, 0.98), (0.12, 0.85), (0.22, 0.55)], ink.natural(250, 160, 40))
    for side in (-1.0, 1.0):
        pen.shape([(side * 0.28, 0.1), (side * 0.68, 0.5), (side * 0.66, 0.78), (side * 0.24, 0.55)], ink.second)
    hull = [*bend((0.0, -0.98), (0.42, -0.6), (0.36, 0.0), 8), (0.25, 0.6)]
    pen.shape(mirrored(hull), ink.natural(236, 236, 240) if pen.chance(0.5) else ink.main)
    nose = [*bend((0.0, -0.98), (0.24, -0.75), (0.3, -0.48), 5)]
    pen.shape(mirrored(nose), ink.second)
    pen.shape(oval(0.0, -0.18, 0.16, 0.16, 18), ink.natural(130, 200, 235))
    pen.shape(box(-0.28, 0.46, 0.28, 0.6), ink.second)


def bicycle(pen: Pen) -> None:
    """Two wheels, a diamond frame, saddle and handlebar."""
    ink = pen.ink
    radius = pen.between(0.36, 0.42)
    back, front, hub = (-0.56, 0.42), (0.56, 0.42), (-0.06, 0.42)
    for x, y in (back, front):
        pen.stroke([*oval(x, y, radius, radius, 26), (x + radius, y)], 0.09)
        if pen.chance(0.6):
            for dx, dy in ((0.7, 0.7), (-0.7, 0.7)):
                pen.detail(
                    [(x - dx * radius, y - dy * radius), (x + dx * radius, y + dy * radius)], ink.natural(150, 150, 156)
                )
    seat, head = (-0.24, -0.22), (0.38, -0.24)
    for path in ([back, hub, head, seat, back], [hub, seat], [front, head, (0.33, -0.5)]):
        pen.stroke(path, 0.09, ink.main)
    pen.stroke([seat, (-0.3, -0.44)], 0.08, ink.main)
    pen.stroke([(-0.46, -0.46), (-0.14, -0.46)], 0.13, ink.natural(70, 50, 44))
    pen.stroke([(0.2, -0.56), (0.36, -0.52), *bend((0.36, -0.52), (0.58, -0.56), (0.54, -0.36), 4)], 0.08)
    pen.dot(hub[0], hub[1], 0.09, ink.outline)


def balloon(pen: Pen) -> None:
    """A hot-air balloon: striped envelope, ropes and a basket."""
    ink = pen.ink
    for x in (-0.16, 0.16):
        pen.detail([(x * 2.0, 0.25), (x, 0.72)])
    pen.shape(box(-0.2, 0.7, 0.2, 0.97), ink.natural(176, 122, 70))
    half = [*arc(0.0, -0.3, 0.72, 0.66, -90.0, 20.0, 12), *bend((0.67, -0.05), (0.5, 0.3), (0.2, 0.46), 5)]
    pen.shape(mirrored(half), ink.main)
    for outer, inner in ((0.5, 0.18),) if pen.chance(0.6) else ((0.3, 0.0),):
        for side in (-1.0, 1.0):
            gore = [
                *bend((0.0, -0.96), (side * outer * 1.9, -0.5), (side * 0.12, 0.46), 8),
                *bend((side * 0.05, 0.46), (side * inner * 1.9, -0.5), (0.0, -0.96), 8),
            ]
            pen.shape(gore, ink.second)
