"""Images to the pixels a network takes: bit for bit what transformers' image processors give, several times faster.

Scaling and normalising map each of the 256 values of a color channel to one number, so they are one table look-up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.float32]
STEPS = {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb", "do_pad"}


@dataclass(frozen=True, slots=True)
class Preprocess:
    """Resize, crop in the middle, look up."""

    shortest: int | None  # resize so that the shorter side has this many pixels ...
    size: tuple[int, int]  # ... or to exactly this (width, height)
    crop: tuple[int, int] | None  # (width, height)
    resample: Image.Resampling
    table: Pixels  # (3, 256)

    def __call__(self, image: Image.Image) -> Pixels:
        """(3, H, W) float32 of an RGB image."""
        values = self.small(image)
        out = np.empty((3, *values.shape[:2]), np.float32)
        for channel in range(3):
            np.take(self.table[channel], values[..., channel], out=out[channel], mode="clip")
        return out

    def small(self, image: Image.Image) -> NDArray[np.uint8]:
        """(H, W, 3) the image before its values are looked up: a quarter of the memory."""
        small = image.resize(self._target(image), self.resample)
        if self.crop is not None:
            left, top = (small.width - self.crop[0]) // 2, (small.height - self.crop[1]) // 2
            small = small.crop((left, top, left + self.crop[0], top + self.crop[1]))
        return np.asarray(small)

    def _target(self, image: Image.Image) -> tuple[int, int]:
        if self.shortest is None:
            return self.size
        short, long = sorted(image.size)
        other = int(self.shortest * long / short)
        return (self.shortest, other) if image.width <= image.height else (other, self.shortest)


def preprocess(processor: Any) -> Callable[[Image.Image], Pixels]:
    """The fast path for processors of the usual steps, the processor itself for any other."""

    def whole(image: Image.Image) -> Pixels:
        pixels: Pixels = processor(images=image, return_tensors="np")["pixel_values"][0]
        return pixels

    size, crop = processor.size, processor.crop_size if processor.do_center_crop else None
    shortest = size.shortest_edge
    exact = (size.width, size.height)
    usual = processor.do_resize and processor.do_rescale and processor.do_normalize and not processor.do_pad
    usual = usual and _only_known_steps(processor) and size.longest_edge is None
    usual = usual and size.max_height is None and (shortest is not None or None not in exact)
    fits = crop is None or max(crop.height, crop.width) <= (shortest or min(exact))
    if not (usual and fits and (shortest is None or crop is not None)):
        return whole
    return Preprocess(
        shortest=shortest,
        size=(0, 0) if shortest is not None else exact,
        crop=None if crop is None else (crop.width, crop.height),
        resample=Image.Resampling(int(processor.resample)),
        table=_table(processor),
    )


def _only_known_steps(processor: Any) -> bool:
    mine = type(processor).__name__ in {"CLIPImageProcessorPil", "SiglipImageProcessorPil"}
    return mine and {name for name in vars(processor) if name.startswith("do_")} <= STEPS


def _table(processor: Any) -> Pixels:
    """(3, 256): the processor's own arithmetic, in its own precision, on every value of a channel."""
    values = (np.arange(256, dtype=np.float64) * processor.rescale_factor).astype(np.float32)
    mean, std = (np.array(numbers, np.float32)[:, None] for numbers in (processor.image_mean, processor.image_std))
    table: Pixels = ((values[None] - mean) / std).astype(np.float32)
    return table
