"""Training sets that have something behind their vectors: flat colors and a tiny CLIP, made without a network."""

import functools
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tailfirst.config import Settings
from tailfirst.contracts import Encoder, Media, Source, TrainSet
from tailfirst.encoders import clip, text
from tailfirst.paths import Workspace
from tests.support.tiny_clip import make_tiny_bert, make_tiny_clip, make_tiny_siglip

NAMES = ("red fox", "boat", "tuna")
COLORS = ((200, 40, 30), (30, 60, 190), (60, 180, 80))
SETTINGS = Settings(_env_file=None, device="cpu")


MAKERS = {"clip": make_tiny_clip, "siglip": make_tiny_siglip, "text": make_tiny_bert}


def tiny_encoder(folder: Path, seed: int = 0, kind: str = "clip") -> Encoder:
    """A tiny CLIP, SigLIP or sentence encoder (`text`) in a folder; made on the first call."""
    model = folder / kind
    if not model.exists():
        MAKERS[kind](model, seed)
    plugin = text if kind == "text" else clip
    return plugin.load(plugin.Params(model=str(model), batch=8), Workspace(folder), SETTINGS)


def pictures(count: int, seed: int = 0) -> tuple[list[Media], np.ndarray]:
    """Noisy pictures in the color of their class, and the classes."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(len(NAMES), size=count)
    media = []
    for number, row in enumerate(classes):
        values = np.clip(np.array(COLORS[row]) + rng.normal(0, 60, (36, 40, 3)), 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(values).save(file, "PNG")
        media.append(Media(f"item {number}", data=file.getvalue()))
    return media, classes.astype(np.int64)


def sentences(count: int, seed: int = 0) -> tuple[list[Media], np.ndarray]:
    """Texts that name their class among other words, and the classes."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(len(NAMES), size=count)
    around = ("a photo of", "the old", "sitting in the snow on", "an ice cream", "fire truck birds")
    media = []
    for number, row in enumerate(classes):
        before, after = rng.choice(around, 2)
        media.append(Media(f"item {number}", text=f"{before} {NAMES[row]} {after}"))
    return media, classes.astype(np.int64)


def train_set(folder: Path, rows: int = 24, retrieved: int = 12, seed: int = 0, kind: str = "clip") -> TrainSet:
    """Rows with pictures (`text`: sentences) behind them; the last `retrieved` are open data.

    Labels came in rounds 0, 1 and 2.
    """
    encoder = tiny_encoder(folder, kind=kind)
    media, classes = sentences(rows, seed) if kind == "text" else pictures(rows, seed)
    prompts = tuple((f"a photo of a {name}", f"the {name} in the snow") for name in NAMES)

    def media_of(some: np.ndarray) -> Sequence[Media]:
        return [media[row] for row in some]

    human = rows - retrieved
    return TrainSet(
        vectors=encoder.items(media),
        classes=classes,
        retrieved=np.arange(rows) >= human,
        class_ids=("fox", "boat", "fish"),
        prototypes=encoder.prototypes(prompts),
        logit_scale=encoder.logit_scale,
        encoder=encoder.fingerprint,
        source=Source(functools.cache(lambda: encoder), media_of, prompts, NAMES, folder / "fits" / "fit"),
        rounds=np.concatenate([np.arange(human) % 3, np.full(retrieved, -1)]).astype(np.int64),
    )
