"""Train the demo VLM on the open corpus: ``python -m tailfirst.demo.train --root DIR --out DIR``.

Plain image-caption contrastive learning (CLIP, Radford et al. 2021, section 2.3) on all captions, misleading
ones included. No label, no pool picture and no holdout picture is used; open pictures that copy a pool or
holdout picture are left out. The same seed on the same machine type and thread count gives the same weights.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from tailfirst.demo import vlm
from tailfirst.demo.card import write_card
from tailfirst.demo.pixels import Corpus, item_pixels, open_corpus, without_copies
from tailfirst.demo.recipe import Recipe, Trained
from tailfirst.demo.start import fewer_patches, place_positions
from tailfirst.errors import TaskFolderError, UserError
from tailfirst.paths import Workspace

if TYPE_CHECKING:
    import torch

_SHIFT, _TURN, _ZOOM = 0.1, 0.2, (0.9, 1.3)
"""Largest shift (half sides), largest rotation (radians) and range of sizes shown of a training picture."""


def train(corpus: Corpus, recipe: Recipe, folder: Path, console: Console) -> tuple[Any, Any, Trained]:
    """Train from scratch.

    Args:
        corpus: pictures and captions.
        recipe: how.
        folder: scratch folder for the tokenizer's files.
        console: where the loss is logged.

    Returns:
        The model (float32), its tokenizer, and what it cost.
    """
    import torch

    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(mode=True)
    rng = np.random.default_rng([recipe.seed, len(corpus.captions)])
    tokenizer = vlm.build_tokenizer(corpus.captions, folder)
    tokens = vlm.tokenized(tokenizer, corpus.captions)
    model = vlm.build_model(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id)
    place_positions(model)
    pixels = torch.from_numpy(corpus.pixels)
    per_epoch = len(corpus.captions) // recipe.batch
    climb = _Climb(model, recipe, per_epoch * recipe.epochs)
    started, loss = time.perf_counter(), math.nan
    for epoch in range(recipe.epochs):
        kept = 1.0 if epoch >= round(recipe.epochs * (1 - recipe.whole)) else recipe.kept
        order, losses = torch.from_numpy(rng.permutation(len(corpus.captions))), []
        for first in range(0, per_epoch * recipe.batch, recipe.batch):
            rows = order[first : first + recipe.batch]
            with fewer_patches(model, kept, rng):
                losses.append(climb.step(tokens[rows], augmented(pixels[rows], rng)))
        loss = float(np.mean(losses))
        scale, minutes = model.logit_scale.exp().item(), (time.perf_counter() - started) / 60
        console.print(f"epoch {epoch + 1:2d}/{recipe.epochs}  loss {loss:.3f}  scale {scale:.1f}  {minutes:.1f} min")
    minutes = (time.perf_counter() - started) / 60
    parameters = sum(p.numel() for p in model.parameters())
    return model.train(mode=False), tokenizer, Trained(parameters, climb.steps, minutes, len(corpus.captions), loss)


class _Climb:
    """The optimizer, its schedule and one step."""

    def __init__(self, model: Any, recipe: Recipe, steps: int) -> None:
        import torch

        wide = [p for p in model.parameters() if p.ndim >= 2]
        narrow = [p for p in model.parameters() if p.ndim < 2]  # biases, norms, the class token, the scale
        groups = [{"params": wide, "weight_decay": recipe.decay}, {"params": narrow, "weight_decay": 0.0}]
        self._model = model
        self._optimizer = torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.98), eps=1e-6)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: _rate(step, steps, recipe.warmup)
        )
        self.steps = steps

    def step(self, tokens: torch.Tensor, pictures: torch.Tensor) -> float:
        """Take one step on (B, L) token ids and (B, 3, H, W) pictures; return the loss, nats."""
        import torch

        used = int((tokens != tokens[0, -1]).sum(1).max()) + 1  # up to the first end token of the longest caption
        out = self._model(input_ids=tokens[:, :used], pixel_values=pictures, return_loss=True)
        self._optimizer.zero_grad(set_to_none=True)
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        self._schedule.step()
        with torch.no_grad():
            self._model.logit_scale.clamp_(0.0, math.log(100.0))
        return float(out.loss.detach())


def augmented(pixels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Shift, turn, zoom, mirror, re-light and normalise a chunk.

    Args:
        pixels: (B, H, W, 3) uint8.
        rng: source of the augmentation; consumed.

    Returns:
        (B, 3, H, W) float32, -1 to 1 up to the change of light.
    """
    import torch

    count = pixels.shape[0]
    turn, zoom = rng.uniform(-_TURN, _TURN, count), rng.uniform(*_ZOOM, count)
    mirror = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    moves = np.empty((count, 2, 3))
    moves[:, 0, 0], moves[:, 0, 1] = mirror * zoom * np.cos(turn), -zoom * np.sin(turn)
    moves[:, 1, 0], moves[:, 1, 1] = mirror * zoom * np.sin(turn), zoom * np.cos(turn)
    moves[:, :, 2] = rng.uniform(-_SHIFT, _SHIFT, (count, 2))
    pictures = pixels.permute(0, 3, 1, 2).float()
    grid = torch.nn.functional.affine_grid(torch.from_numpy(moves).float(), list(pictures.shape), align_corners=False)
    moved = torch.nn.functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    light = torch.from_numpy(rng.uniform(0.8, 1.2, size=(count, 3, 1, 1)).astype(np.float32))
    return moved * light / 127.5 - 1.0


def _rate(step: int, steps: int, warmup: float) -> float:
    """Linear rise, then half a cosine down to 2 %."""
    rising = max(1.0, steps * warmup)
    if step < rising:
        return (step + 1) / rising
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1.0, steps - rising))))


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 on success, 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m tailfirst.demo.train", description=__doc__)
    parser.add_argument(
        "--root", type=Path, default=Path(), help="workspace that holds data/ (see tailfirst.demo.make)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the model; replaced when it exists")
    for name, kind in (("seed", int), ("epochs", int), ("batch", int), ("rate", float), ("threads", int)):
        parser.add_argument(f"--{name}", type=kind, default=getattr(Recipe(), name))
    chosen = parser.parse_args(arguments)
    console = Console(stderr=True, width=120)
    recipe = Recipe(
        seed=chosen.seed, epochs=chosen.epochs, batch=chosen.batch, rate=chosen.rate, threads=chosen.threads
    )
    try:
        run(Workspace(chosen.root), recipe, chosen.out, console)
    except UserError as error:
        console.print(f"error: {error}", markup=False)
        return 2
    return 0


def run(ws: Workspace, recipe: Recipe, out: Path, console: Console) -> Trained:
    """Read the corpus, train, save, measure on the holdout, write the card.

    Raises:
        TaskFolderError: The workspace has no open corpus, or fewer pictures than one chunk.
    """
    from tailfirst.artifacts import atomic_folder

    corpus = without_copies(open_corpus(ws), item_pixels(ws).pixels)
    if len(corpus.captions) < recipe.batch:
        raise TaskFolderError(f"{ws.open} has {len(corpus.captions)} usable pictures, one step needs {recipe.batch}")
    console.print(f"{len(corpus.captions):,} pairs, {recipe}")
    with tempfile.TemporaryDirectory() as scratch:
        model, tokenizer, trained = train(corpus, recipe, Path(scratch), console)
        with atomic_folder(out) as folder:
            vlm.save(model, tokenizer, folder)
            write_card(ws, folder, recipe, trained)
    console.print(
        f"seed {recipe.seed}, {trained.steps:,} steps, {trained.minutes:.1f} minutes, loss {trained.loss:.3f} -> {out}"
    )
    return trained


if __name__ == "__main__":
    sys.exit(main())
