"""What a network is fed, made once per fit: decoded images or token ids, never decoded again in an epoch."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tailfirst.adaptation._draws import Mix
from tailfirst.contracts import Ints, MediaOf
from tailfirst.embedding._progress import progress
from tailfirst.encoders._batches import spans
from tailfirst.encoders._tokens import Tokens

if TYPE_CHECKING:
    import torch

    from tailfirst.encoders._tunable import TunableImages

CHUNK = 256  # items that are decoded at a time
DECODERS = 8
RATIO = (3 / 4, 4 / 3)  # width to height of a random crop


class Pixels:
    """Images as the network takes them; bytes in memory, or in a file beyond a bound."""

    def __init__(self, encoder: "TunableImages", media: MediaOf, order: Ints, room: int, spill: Path) -> None:
        """Decode all items.

        Args:
            encoder: Its `raw` decodes.
            media: Of any rows.
            order: All rows, as they are read fastest.
            room: Bytes that may stay in memory.
            spill: The file for what does not fit.
        """
        import torch

        table = encoder.table
        self._table = None if table is None else torch.from_numpy(table).to(encoder.network.device)
        self._device = encoder.network.device
        self._kept = _decoded(encoder, media, order, room, spill)

    def plain(self, rows: Ints) -> "torch.Tensor":
        """(B, 3, H, W) pixels, exactly those that `Encoder.items` reads."""
        import torch

        raw = torch.from_numpy(np.ascontiguousarray(self._kept[rows])).to(self._device)
        if self._table is None:
            return raw
        levels = raw.permute(0, 3, 1, 2).long()
        return torch.stack([self._table[channel][levels[:, channel]] for channel in range(3)], dim=1)

    def augmented(
        self, rows: Ints, rng: np.random.Generator, *, crop: float, flip: bool, mix: Mix | None
    ) -> "tuple[torch.Tensor, float]":
        """Cropped, mirrored and mixed pixels, and the share of each image that is its own (specs/alor.md 3.1, 7.2)."""
        import torch

        pixels = self.plain(rows)
        if crop < 1 or flip:
            moves = torch.from_numpy(random_crops(len(rows), rng, crop, flip=flip)).to(pixels)
            grid = torch.nn.functional.affine_grid(moves, list(pixels.shape), align_corners=False)
            pixels = torch.nn.functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
        return (pixels, 1.0) if mix is None else cut_and_paste(pixels, mix)


class Texts:
    """Token ids of texts."""

    def __init__(self, tokens: Tokens, texts: Sequence[str], device: "torch.device") -> None:
        self._tokens, self._device = tokens, device
        self._ids = tokens.ids(texts) if texts else []

    def __len__(self) -> int:
        return len(self._ids)

    def fed(self, rows: Ints) -> "tuple[torch.Tensor, torch.Tensor]":
        """(B, L) ids and mask."""
        import torch

        ids, mask = self._tokens.fed([self._ids[row] for row in rows.tolist()])
        return torch.from_numpy(ids).to(self._device), torch.from_numpy(mask).to(self._device)


def random_crops(count: int, rng: np.random.Generator, least: float, *, flip: bool) -> NDArray[np.float32]:
    """(count, 2, 3) moves of an image plane [-1, 1]^2: a box of a share of the area, anywhere, maybe mirrored."""
    area = rng.uniform(least, 1, count)
    ratio = np.exp(rng.uniform(np.log(RATIO[0]), np.log(RATIO[1]), count))
    width, height = np.minimum(np.sqrt(area * ratio), 1), np.minimum(np.sqrt(area / ratio), 1)
    places = rng.uniform(-1, 1, (count, 2))
    mirror = np.where(rng.random(count) < 0.5, -1.0, 1.0) if flip else np.ones(count)
    moves = np.zeros((count, 2, 3), np.float32)
    moves[:, 0, 0], moves[:, 1, 1] = mirror * width, height
    moves[:, 0, 2], moves[:, 1, 2] = places[:, 0] * (1 - width), places[:, 1] * (1 - height)
    return moves


def cut_and_paste(pixels: "torch.Tensor", mix: Mix) -> "tuple[torch.Tensor, float]":
    """Paste the partner's box (CutMix, arXiv 1905.04899), and the share that stays: 1 - box area / image area."""
    import torch

    height, width = pixels.shape[2:]
    side = np.sqrt(1 - mix.lam)
    left, right = _span(mix.center[0], side, width)
    top, bottom = _span(mix.center[1], side, height)
    mixed = pixels.clone()
    partner = torch.from_numpy(mix.partner).to(pixels.device)
    mixed[:, :, top:bottom, left:right] = pixels[partner, :, top:bottom, left:right]
    return mixed, 1 - (right - left) * (bottom - top) / (height * width)


def _span(center: float, side: float, length: int) -> tuple[int, int]:
    middle, half = int(center * length), int(side * length) // 2
    return max(middle - half, 0), min(middle + half, length)


def _decoded(encoder: "TunableImages", media: MediaOf, order: Ints, room: int, spill: Path) -> NDArray[Any]:
    out: NDArray[Any] | None = None
    count = len(order)
    workers = min(DECODERS, os.cpu_count() or 1)
    with progress("decoding", count) as advance, ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        for span in spans(count, CHUNK):
            part = list(pool.map(encoder.raw, media(order[span])))
            if out is None:
                out = _matrix((count, *part[0].shape), part[0].dtype, room, spill)
            out[order[span]] = np.stack(part)
            advance(len(part))
    return np.empty((0, 1, 1, 3), np.uint8) if out is None else out


def _matrix(shape: tuple[int, ...], dtype: Any, room: int, spill: Path) -> NDArray[Any]:
    if int(np.prod(shape)) * np.dtype(dtype).itemsize <= room:
        return np.empty(shape, dtype)
    spill.parent.mkdir(parents=True, exist_ok=True)
    matrix: NDArray[Any] = np.lib.format.open_memmap(spill, "w+", dtype, shape)
    return matrix
