"""The demo's image world: one small picture from one seed, the same bytes on every machine.

Only whole numbers and uniform draws of NumPy's PCG64 are used, shapes are rounded to whole
supersampled pixels (see :mod:`tailfirst.demo.pen`), shrinking is Pillow's integer box mean, and PNGs are
compressed with run lengths only, so that no processor-specific match finder takes part.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

from tailfirst.demo.backgrounds import BACKGROUNDS
from tailfirst.demo.drawings import DRAWINGS, STRANGERS, Drawing
from tailfirst.demo.effects import cover, lens, object_ink, scatter
from tailfirst.demo.look import Look
from tailfirst.demo.palette import CANVAS, NIGHTS, PAPERS, SIDE, SUPER, pick
from tailfirst.demo.pen import RGB, Pen, Placement

_RUN_LENGTHS = 3
"""zlib's Z_RLE."""

_FREE = frozenset({"key", "scissors", "guitar", "violin", "fish", "butterfly", "umbrella", "rocket", "anchor", "canoe"})
"""Things that are often seen turned."""


def picture(thing: str, look: Look, rng: np.random.Generator, *, beside: str | None = None) -> Image.Image:
    """Draw one picture.

    Args:
        thing: key of ``DRAWINGS`` or ``STRANGERS``.
        look: how hard the picture may be.
        rng: source of all variation; consumed.
        beside: key of a second thing to draw small beside the first, if any.

    Returns:
        An RGB picture of ``SIDE`` x ``SIDE`` pixels.
    """
    night = bool(rng.random() < look.night)
    base = np.array(pick(NIGHTS if night else PAPERS, rng), dtype=np.int32) + rng.integers(-8, 9, size=3).astype(
        np.int32
    )
    ground = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))](base, SIDE, rng)
    small = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    canvas = small.resize((CANVAS, CANVAS), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(canvas)
    tone = small.getpixel((SIDE // 2, SIDE // 2))
    back: RGB = tone if isinstance(tone, tuple) and len(tone) == 3 else (128, 128, 128)
    scatter(draw, int(rng.integers(look.clutter + 1)), rng)
    if beside is None and rng.random() < look.neighbor:
        beside = pick(tuple(STRANGERS), rng)
    place = _place(thing, look, rng, crowded=beside is not None)
    if beside is not None:
        _drawing(beside)(Pen(draw, _corner(place, rng), object_ink(back, look, rng), rng))
    _drawing(thing)(Pen(draw, place, object_ink(back, look, rng), rng))
    if rng.random() < look.occluded:
        cover(draw, place, rng)
    return lens(canvas.reduce(SUPER), look, rng)


def encode(image: Image.Image) -> bytes:
    """Return the picture as PNG bytes."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=6, compress_type=_RUN_LENGTHS)
    return buffer.getvalue()


def _drawing(thing: str) -> Drawing:
    return DRAWINGS[thing] if thing in DRAWINGS else STRANGERS[thing]


def _place(thing: str, look: Look, rng: np.random.Generator, *, crowded: bool) -> Placement:
    turn = look.turn * 3 if thing in _FREE else look.turn
    half = look.smallest + (look.largest - look.smallest) * float(rng.random())
    half = min(half, 0.36) if crowded else half
    slack = int(CANVAS * (0.52 - half))
    center = tuple(int(CANVAS // 2 + rng.integers(-slack, slack + 1)) for _ in range(2))
    return Placement(
        center=(center[0], center[1]),
        scale=half * CANVAS,
        degrees=int(rng.integers(-turn, turn + 1)),
        stretch=float(rng.integers(84, 117)) / 100,
        mirrored=bool(rng.random() < 0.5),
    )


def _corner(place: Placement, rng: np.random.Generator) -> Placement:
    """Place a second thing on the side away from the first."""
    half = float(rng.integers(14, 19)) / 100 * CANVAS
    left = place.center[0] > CANVAS // 2
    x = half if left else CANVAS - half
    y = int(rng.integers(int(half), int(CANVAS - half)))
    return Placement(center=(round(x), y), scale=half, degrees=int(rng.integers(-10, 11)))
