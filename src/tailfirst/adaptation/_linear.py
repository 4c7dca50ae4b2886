"""A linear softmax model over unit vectors: what zero-shot and the linear probe hand out."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tailfirst import artifacts
from tailfirst.contracts import Floats, Head, MediaOf, Vectors
from tailfirst.errors import TaskFolderError
from tailfirst.vectors import unit

BLOCK = 16_384  # rows at a time: bounds what `probs` needs beyond its result
WEIGHTS, HEAD = "weights.safetensors", "head.json"


def softmax(logits: Floats) -> Floats:
    """Row-wise softmax of (N, C) logits."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Floats = shifted / shifted.sum(axis=1, keepdims=True)
    return result


@dataclass(frozen=True, slots=True)
class LinearModel:
    """softmax(scale * W z) for unit z; rows of `weights` (C, D) are classes."""

    encoder: str
    class_ids: tuple[str, ...]
    weights: Vectors
    scale: float

    @property
    def head(self) -> Head:
        """Weights and scale."""
        return Head(self.weights, self.scale)

    def features(self, vectors: Vectors, media: MediaOf | None) -> Vectors:  # noqa: ARG002
        """The vectors: the encoder stays as it is."""
        return vectors

    def probs(self, features: Vectors) -> Floats:
        """(N, C) class probabilities; rows are normalised here, so the length of a feature changes nothing."""
        result = np.empty((len(features), len(self.class_ids)))
        for start in range(0, len(features), BLOCK):
            cosines = unit(features[start : start + BLOCK]) @ self.weights.T
            result[start : start + BLOCK] = softmax(self.scale * cosines.astype(np.float64))
        return result

    def save(self, folder: Path) -> None:
        """Write weights.safetensors and head.json."""
        from safetensors.numpy import save

        artifacts.write_bytes(folder / WEIGHTS, save({"weights": np.ascontiguousarray(self.weights, np.float32)}))
        head = {"encoder": self.encoder, "class_ids": list(self.class_ids), "scale": self.scale, "format": 1}
        artifacts.write_json(folder / HEAD, head)


def load_linear(folder: Path) -> LinearModel:
    """The model that `LinearModel.save` wrote.

    Raises:
        TaskFolderError: A file is missing, or weights and classes do not fit.
    """
    from safetensors.numpy import load

    missing = [name for name in (WEIGHTS, HEAD) if not (folder / name).exists()]
    if missing:
        raise TaskFolderError(f"{folder} holds no linear model: {', '.join(missing)} missing; run the adapt stage")
    head = json.loads((folder / HEAD).read_text(encoding="utf-8"))
    weights = load((folder / WEIGHTS).read_bytes())["weights"]
    class_ids = tuple(head["class_ids"])
    if weights.ndim != 2 or len(weights) != len(class_ids):
        raise TaskFolderError(f"{folder}: weights {weights.shape} do not fit {len(class_ids)} classes")
    return LinearModel(head["encoder"], class_ids, weights, float(head["scale"]))
