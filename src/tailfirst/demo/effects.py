"""What happens to a picture besides its drawing: colours, clutter, things in front, focus, light and grain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from tailfirst.demo.look import Look
from tailfirst.demo.palette import BODIES, CANVAS, SIDE, pick
from tailfirst.demo.pen import RGB, Ink, Placement


def object_ink(back: RGB, look: Look, rng: np.random.Generator) -> Ink:
    """Draw the colours of one object so that it stands out from what lies behind it."""
    dark = sum(back) < 300
    jitter = rng.integers(-14, 15, size=6)
    main = second = BODIES[0]
    for _ in range(8):
        main = pick(BODIES, rng)
        second = pick(BODIES, rng)
        if _apart(main, back) > 130 and _apart(main, second) > 110:
            break
    main = _shifted(main, jitter[:3])
    second = _shifted(second, jitter[3:])
    outline = (
        pick(((250, 248, 240), (226, 226, 236)), rng)
        if dark
        else pick(((34, 32, 40), (34, 32, 40), (70, 50, 44), (40, 50, 84)), rng)
    )
    drawn = bool(rng.random() < look.drawn)
    odd = bool(rng.random() < 0.15)
    order = tuple(int(k) for k in rng.permutation(3)) if odd else (0, 1, 2)
    return Ink(
        main=main,
        second=second,
        outline=outline,
        outline_width=(0, 3, 4, 4, 5)[int(rng.integers(5))],
        order=(order[0], order[1], order[2]),
        shift=int(rng.integers(-24, 25)),
        paper=back if drawn else None,
    )


def _apart(one: RGB, two: RGB) -> int:
    return sum(abs(a - b) for a, b in zip(one, two, strict=True))


def _shifted(color: RGB, by: NDArray[np.int64]) -> RGB:
    red, green, blue = (min(255, max(0, c + int(d))) for c, d in zip(color, by, strict=True))
    return (red, green, blue)


def scatter(draw: ImageDraw.ImageDraw, count: int, rng: np.random.Generator) -> None:
    """Scatter small discs, sticks and chips behind the thing."""
    for _ in range(count):
        x, y = (int(v) for v in rng.integers(0, CANVAS, size=2))
        size = int(rng.integers(5, 15))
        tone = pick(BODIES, rng)
        kind = int(rng.integers(3))
        if kind == 0:
            draw.ellipse((x - size, y - size, x + size, y + size), fill=tone)
        elif kind == 1:
            dx, dy = (int(v) for v in rng.integers(-26, 27, size=2))
            draw.line((x, y, x + dx, y + dy), fill=tone, width=int(rng.integers(4, 9)))
        else:
            draw.polygon([(x, y - size), (x + size, y + size), (x - size, y + size // 2)], fill=tone)


def cover(draw: ImageDraw.ImageDraw, place: Placement, rng: np.random.Generator) -> None:
    """Put a bar or a patch over a part of the thing, never over its middle third."""
    tone = pick(BODIES, rng)
    reach = place.scale
    side = 1 if rng.random() < 0.5 else -1
    near = int(reach * (0.38 + 0.3 * rng.random())) * side
    thick = int(reach * (0.16 + 0.2 * rng.random()))
    x, y = place.center
    if rng.random() < 0.4:
        draw.rectangle(
            (min(x + near, x + near + side * thick), 0, max(x + near, x + near + side * thick), CANVAS), fill=tone
        )
    elif rng.random() < 0.5:
        draw.rectangle(
            (0, min(y + near, y + near + side * thick), CANVAS, max(y + near, y + near + side * thick)), fill=tone
        )
    else:
        radius = int(reach * 0.34)
        cx, cy = x + near, y + int(rng.integers(-int(reach * 0.7), int(reach * 0.7) + 1))
        draw.ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=tone)


def lens(image: Image.Image, look: Look, rng: np.random.Generator) -> Image.Image:
    """Apply focus, light and grain, then keep five bits per channel (small files)."""
    if rng.random() < look.blurred:
        image = image.filter(ImageFilter.BoxBlur(1))
    pixels = np.asarray(image, dtype=np.int32)
    light = int(rng.integers(-26, 19))
    grain = int(rng.integers(6, 16)) if rng.random() < look.grain else 0
    noise = rng.integers(-grain, grain + 1, size=(SIDE, SIDE, 1))
    kept = np.clip(pixels + light + noise, 0, 255) & 0xF8
    return Image.fromarray((kept | kept >> 5).astype(np.uint8))
