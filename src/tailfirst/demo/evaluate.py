"""Measure the demo VLM zero-shot on the holdout: ``python -m tailfirst.demo.evaluate --root DIR``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from tailfirst import schemas
from tailfirst.demo import vlm
from tailfirst.demo.classes import CLASSES, TEMPLATES
from tailfirst.demo.corpus import RARE
from tailfirst.demo.pixels import item_pixels
from tailfirst.errors import UserError
from tailfirst.paths import Workspace

_CHUNK = 256


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """Zero-shot results on labeled pictures.

    Attributes:
        accuracy: share of pictures whose class is right.
        head: mean recall of the head classes.
        tail: mean recall of the tail classes, the rarest third by open captions.
        recall: recall of each class, in the order of ``CLASSES``.
        support: pictures of each class.
    """

    accuracy: float
    head: float
    tail: float
    recall: tuple[float, ...]
    support: tuple[int, ...]


def image_vectors(model: Any, processor: Any, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embed pictures.

    Args:
        model: a CLIP model of transformers.
        processor: its processor.
        pixels: (N, H, W, 3) uint8.

    Returns:
        (N, D) unit rows.
    """
    import torch

    parts = []
    with torch.inference_mode():
        for start in range(0, len(pixels), _CHUNK):
            images = [Image.fromarray(part) for part in pixels[start : start + _CHUNK]]
            parts.append(model.get_image_features(**processor(images=images, return_tensors="pt")).pooler_output)
        return _unit(torch.cat(parts).float().numpy())


def class_prototypes(model: Any, processor: Any, *, synonyms: bool = False) -> NDArray[np.float32]:
    """Embed the classes' prompts.

    Args:
        model: a CLIP model of transformers.
        processor: its processor.
        synonyms: average over all names instead of taking the official one.

    Returns:
        (C, D) unit rows: means of unit prompt vectors.
    """
    import torch

    rows = []
    with torch.inference_mode():
        for chosen in CLASSES:
            names = chosen.names if synonyms else (chosen.name,)
            prompts = [template.format(name) for name in names for template in TEMPLATES]
            inputs = processor(text=prompts, return_tensors="pt", padding=True, truncation=True)
            rows.append(_unit(model.get_text_features(**inputs).pooler_output.float().numpy()).mean(0))
    return _unit(np.stack(rows))


def score(vectors: NDArray[np.float32], prototypes: NDArray[np.float32], truth: NDArray[np.int64]) -> ZeroShot:
    """Compare the nearest prototype of each picture with its class (index into ``CLASSES``)."""
    right = (vectors @ prototypes.T).argmax(1) == truth
    support = np.bincount(truth, minlength=len(CLASSES))
    recall = np.bincount(truth, weights=right, minlength=len(CLASSES)) / np.maximum(support, 1)
    return ZeroShot(
        accuracy=float(right.mean()),
        head=float(recall[:-RARE].mean()),
        tail=float(recall[-RARE:].mean()),
        recall=tuple(float(r) for r in recall),
        support=tuple(int(s) for s in support),
    )


def holdout_truth(ws: Workspace, item_ids: Sequence[str]) -> NDArray[np.int64]:
    """Return the class index of each holdout item."""
    table = schemas.read(ws.holdout, schemas.LABELED)
    by_item = dict(zip(table["item_id"].to_pylist(), table["class_id"].to_pylist(), strict=True))
    positions = {chosen.id: k for k, chosen in enumerate(CLASSES)}
    return np.array([positions[by_item[item]] for item in item_ids], dtype=np.int64)


def measure(ws: Workspace, folder: Path) -> tuple[ZeroShot, ZeroShot]:
    """Score a model on the holdout with official names and with all names."""
    model, processor = vlm.load(folder)
    items = item_pixels(ws, "holdout")
    vectors = image_vectors(model, processor, items.pixels)
    truth = holdout_truth(ws, items.item_ids)
    official, every = (class_prototypes(model, processor, synonyms=s) for s in (False, True))
    return score(vectors, official, truth), score(vectors, every, truth)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return unit


def _table(official: ZeroShot, every: ZeroShot) -> Table:
    table = Table(title="zero-shot on the holdout")
    for column in ("class", "items", "recall, official name", "recall, all names"):
        table.add_column(column, justify="left" if column == "class" else "right")
    for k, chosen in enumerate(CLASSES):
        table.add_row(chosen.id, str(official.support[k]), f"{official.recall[k]:.2f}", f"{every.recall[k]:.2f}")
    table.add_section()
    for name in ("accuracy", "head", "tail"):
        table.add_row(name, "", f"{getattr(official, name):.3f}", f"{getattr(every, name):.3f}")
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m tailfirst.demo.evaluate", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="workspace that holds data/")
    parser.add_argument("--model", type=Path, default=vlm.MODEL_DIR, help="model folder (default: the one that ships)")
    chosen = parser.parse_args(arguments)
    try:
        official, every = measure(Workspace(chosen.root), chosen.model)
    except UserError as error:
        Console(stderr=True).print(f"error: {error}", markup=False)
        return 2
    Console().print(_table(official, every))
    return 0


if __name__ == "__main__":
    sys.exit(main())
