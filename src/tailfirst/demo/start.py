"""Two known ways to get further in few steps: a start that knows where patches lie, and fewer patches per step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from transformers import CLIPModel

_AMPLITUDE = 0.3
"""Of the position code, comparable to what the patch embedding puts out at the start."""


def place_positions(model: CLIPModel) -> None:
    """Start the picture tower with sine and cosine codes of rows and columns, and a patch embedding of equal size.

    The codes are those of MoCo v3 (Chen et al. 2021, section 4.3); they stay trainable.
    """
    import torch

    embeddings = model.vision_model.embeddings
    grid = math.isqrt(embeddings.num_patches)
    codes = torch.zeros_like(embeddings.position_embedding.weight)
    quarter = codes.shape[1] // 4
    rates = 1.0 / 100.0 ** (torch.arange(quarter) / quarter)
    where = torch.arange(grid).float()[:, None] * rates
    waves = torch.cat([where.sin(), where.cos()], 1)
    codes[1:, : 2 * quarter] = waves.repeat_interleave(grid, 0)
    codes[1:, 2 * quarter :] = waves.repeat(grid, 1)
    with torch.no_grad():
        embeddings.position_embedding.weight.copy_(codes * _AMPLITUDE)
        torch.nn.init.xavier_uniform_(embeddings.patch_embedding.weight.flatten(1))


@contextmanager
def fewer_patches(model: CLIPModel, kept: float, rng: np.random.Generator) -> Iterator[None]:
    """Let the picture tower see a random part of the patches (FLIP, Li et al. 2023, section 3).

    Args:
        model: whose picture tower is limited inside the block.
        kept: share of patches kept, (0, 1]; 1 changes nothing.
        rng: source of the choice; consumed.

    Yields:
        Nothing.
    """
    import torch

    def choose(_: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        states = inputs[0]
        count, patches = states.shape[0], states.shape[1] - 1
        drawn = np.argsort(rng.random((count, patches)), axis=1, kind="stable")[:, : round(kept * patches)]
        rows = torch.from_numpy(np.concatenate([np.zeros((count, 1), dtype=np.int64), drawn + 1], axis=1))
        return (states[torch.arange(count)[:, None], rows], *inputs[1:])

    if kept >= 1.0:
        yield
        return
    hook = model.vision_model.pre_layrnorm.register_forward_pre_hook(choose)
    try:
        yield
    finally:
        hook.remove()
