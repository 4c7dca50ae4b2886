"""Prompt tuning (specs/alor.md 3.2 PT; CoOp, arXiv 2109.01134): class-specific context vectors, everything frozen.

Only the prototypes change, so the model reads the encoder's own vectors. Two things differ from the published recipe:
AdamW of the shared loop in place of SGD, and no image augmentation, because features of items are read from the cache.
Every step encodes the prompts of all classes: the cost grows with their number.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from tailfirst.adaptation import _fit, _loop, _options
from tailfirst.adaptation._checkpoint import Keeper, digest, generator_state
from tailfirst.adaptation._context import ContextTower
from tailfirst.adaptation._draws import Draws, Mix
from tailfirst.adaptation._linear import LinearModel
from tailfirst.adaptation._losses import cross_entropy
from tailfirst.adaptation._tuned import Tuned, load_tuned
from tailfirst.contracts import Ints, TrainSet
from tailfirst.errors import Unavailable
from tailfirst.vectors import unit

if TYPE_CHECKING:
    import torch

LR, EPOCHS = 2e-3, 10


class Params(_options.Loop):
    """The loop's options (sampled as by the profile `tailfirst`), and the context."""

    epoch_rows: int | None = Field(1280, ge=1)
    labeled_share: float | None = Field(0.5, ge=0, le=1)
    class_power: float = Field(1.0, ge=0, le=1)
    context: int = Field(16, ge=1)  # vectors per class before its name; fewer where the text tower reads no more


def fit(train: TrainSet, params: Params, rng: np.random.Generator) -> Tuned:
    """The encoder's vectors under tuned prototypes; zero-shot where there is no row to learn from.

    Raises:
        Unavailable: Only vectors are there, or an encoder whose text tower cannot be fed; neither rows nor prototypes.
        TailfirstError: The loss is not finite.
    """
    if not len(train.classes):
        return _fit.untrained(train)
    if train.source is None:
        raise Unavailable("prompt tuning needs the text tower of the encoder, and only vectors are there")
    start, steps = rng.spawn(2)
    tower = ContextTower(train.source, params.context, start)
    problem = _Prompt(tower, train)
    known = [train.encoder, list(train.source.names), params.model_dump(mode="json"), generator_state(steps)]
    keeper = Keeper(train.source.scratch / "prompt.safetensors", digest(train.vectors, train.classes, known))
    draws = Draws.of(
        np.arange(len(train.classes)), train.classes, train.retrieved,
        power=params.class_power, labeled_share=params.labeled_share, size=params.epoch_rows,
    )  # fmt: skip
    epochs = EPOCHS if params.epochs is None else params.epochs
    stage = _loop.Stage("prompt", draws, params, params.lr or LR, params.lr_head or LR, None, epochs)
    with _loop.deterministic(tower.device):
        curve = _loop.run(problem, stage, steps, keeper)
        linear = LinearModel(train.encoder, train.class_ids, tower.prototypes(), train.logit_scale)
    keeper.forget()
    return Tuned(linear, None, tuple(curve))


def load(folder: Path) -> Tuned:
    """The model that `save` wrote."""
    return load_tuned(folder)


class _Prompt:
    """CE of cached item vectors against the prototypes of the context."""

    def __init__(self, tower: ContextTower, train: TrainSet) -> None:
        import torch

        self._tower, self.device, self._scale = tower, tower.device, train.logit_scale
        self._vectors = torch.from_numpy(unit(train.vectors)).to(self.device)
        self._classes = torch.from_numpy(train.classes).to(self.device)

    def tower(self) -> "Mapping[str, torch.nn.Parameter]":
        return {"context": self._tower.context}

    def head(self) -> "Mapping[str, torch.nn.Parameter]":
        return {}

    def begin(self, rng: np.random.Generator) -> None:
        """Nothing to do."""

    def loss(self, rows: Ints, mix: Mix | None, rng: np.random.Generator) -> "torch.Tensor":  # noqa: ARG002
        """The loss of a batch."""
        return cross_entropy(self._scale * self._vectors[rows] @ self._tower.texts().T, self._classes[rows])
