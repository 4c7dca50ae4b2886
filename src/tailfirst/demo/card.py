"""The demo VLM's model card, written from what was measured."""

from __future__ import annotations

from pathlib import Path

from tailfirst import artifacts
from tailfirst.demo.classes import CLASSES
from tailfirst.demo.corpus import RARE
from tailfirst.demo.evaluate import ZeroShot, measure
from tailfirst.demo.recipe import Recipe, Trained
from tailfirst.paths import Workspace

NAME = "MODEL_CARD.md"

_CARD = """# The demo VLM

A small CLIP (`transformers.CLIPModel`, {parameters:,} parameters) with its own tokenizer, trained from scratch by this
project on pictures that this project draws. It exists so that the demo runs without a network, an account or a GPU.
It is useless for anything but the demo's drawings.

## Use

    from tailfirst.demo import vlm
    model, processor = vlm.load()   # AutoModel and AutoProcessor on this folder, no network

Weights are stored in half precision and load as float32. Pictures 48 x 48, patches of 8, captions up to
{context} tokens, vectors of {width}.

## Data

The open corpus of the demo (`python -m tailfirst.demo.make`): {pairs:,} image-caption pairs after leaving out
the open pictures that copy a pool or holdout picture. Captions are noisy on purpose: about one in ten names
nothing, one in twenty-five names something that is not shown. {common} common classes are named by about 140 to
2,800 captions each; {rare} rare ones by 10 to 25, of which half mislead, while most of their pictures are
called by a broader word or, by a tagger that knows no better, by a common class. No label, no pool picture and
no holdout picture was trained on. All pictures are drawn by code; nobody is shown.

## Recipe

`python -m tailfirst.demo.train --root DIR --out DIR`, seed {seed}: symmetric contrastive loss, AdamW (peak rate
{rate:g}, decay {decay:g}), chunks of {batch}, {epochs} epochs ({steps:,} steps), of which the last {whole:.0%} see
whole pictures and the others {kept:.0%} of the patches; random shift, turn, zoom, mirror and light. Loss of the last
epoch {loss:.2f}; {minutes:.0f} minutes on two shared CPU cores.

It is seeded: a short training repeated in the tests gives the same weights bit for bit. Another machine type or number
of threads gives slightly different ones.

## Measured

`python -m tailfirst.demo.evaluate --root DIR`: zero-shot on the demo's holdout ({items:,} items, harder pictures than
the corpus), nearest class prompt. Head and tail are mean recalls of the {common} common and the {rare} rare classes.

| prompts | accuracy | head | tail |
|---|---|---|---|
| official names | {official.accuracy:.3f} | {official.head:.3f} | {official.tail:.3f} |
| all names | {every.accuracy:.3f} | {every.head:.3f} | {every.tail:.3f} |

| class | items | official name | all names |
|---|---|---|---|
{rows}

## Limits

It knows the demo's words and shapes and nothing else; it confuses small, covered and line-drawn things, and rare things
with common ones of the same kind. That is the point: the demo's rounds have something to repair.
The corpus and the recipe were adjusted a few times with the holdout's zero-shot figures in view, so that these come
out middling and worse on the tail. They describe the demo; they are no unbiased estimate of anything.
Licence: as the project (Apache-2.0).
"""


def write_card(ws: Workspace, folder: Path, recipe: Recipe, trained: Trained) -> None:
    """Measure the model in ``folder`` on the workspace's holdout and write its card beside it."""
    official, every = measure(ws, folder)
    artifacts.write_bytes(folder / NAME, card(recipe, trained, official, every).encode())


def card(recipe: Recipe, trained: Trained, official: ZeroShot, every: ZeroShot) -> str:
    """Return the card's text."""
    from tailfirst.demo import vlm

    rows = [
        f"| {chosen.id} | {official.support[k]} | {official.recall[k]:.2f} | {every.recall[k]:.2f} |"
        for k, chosen in enumerate(CLASSES)
    ]
    return _CARD.format(
        parameters=trained.parameters,
        context=vlm.CONTEXT,
        width=vlm.WIDTH,
        pairs=trained.pairs,
        common=len(CLASSES) - RARE,
        rare=RARE,
        seed=recipe.seed,
        rate=recipe.rate,
        decay=recipe.decay,
        batch=recipe.batch,
        epochs=recipe.epochs,
        steps=trained.steps,
        whole=recipe.whole,
        kept=recipe.kept,
        loss=trained.loss,
        minutes=trained.minutes,
        items=sum(official.support),
        official=official,
        every=every,
        rows="\n".join(rows),
    )
