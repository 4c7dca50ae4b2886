"""Contact sheets of the demo world: ``python -m tailfirst.demo.sheet FILE.png``."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from tailfirst.demo.drawings import DRAWINGS, STRANGERS
from tailfirst.demo.look import ALBUM, FIELD
from tailfirst.demo.palette import SIDE
from tailfirst.demo.world import picture


def sheet(
    things: tuple[str, ...], *, columns: int = 16, zoom: int = 1, field: bool = False, seed: int = 1
) -> Image.Image:
    """Draw one row of pictures for each thing."""
    page = Image.new("RGB", (columns * (SIDE + 2), len(things) * (SIDE + 2)), (255, 255, 255))
    for row, thing in enumerate(things):
        for column in range(columns):
            image = picture(thing, FIELD if field else ALBUM, np.random.default_rng([seed, row, column]))
            page.paste(image, (column * (SIDE + 2), row * (SIDE + 2)))
    return page.resize((page.width * zoom, page.height * zoom), Image.Resampling.NEAREST)


def main() -> None:
    """Write a contact sheet of every thing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--field", action="store_true", help="draw as the pool, not as the open corpus")
    parser.add_argument("--zoom", type=int, default=2)
    parser.add_argument("--columns", type=int, default=16)
    parser.add_argument("--only", nargs="*", default=[*DRAWINGS, *STRANGERS])
    chosen = parser.parse_args()
    sheet(tuple(chosen.only), columns=chosen.columns, zoom=chosen.zoom, field=chosen.field).save(chosen.file)


if __name__ == "__main__":
    main()
