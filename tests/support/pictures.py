"""Small pictures as bytes."""

import io

import numpy as np
from PIL import Image


def picture(seed: int, width: int = 40, height: int = 36, kind: str = "PNG") -> bytes:
    """Noise of one seed; the same arguments give the same bytes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()
