"""Linear probe that starts from the text prototypes (specs/alor.md 3.2 and 7.4; CoOp's LP-CLIP, REAL-Linear, WiSE-FT).

Head W (C, D), no bias, initialised with the prototypes t_c (with zeros where there are none), logits s * W z,
cross-entropy. The maximum a posteriori form: a Gaussian prior around the prototypes (`l2`, in logit space), so a class
without examples keeps its zero-shot prototype. With no rows at all the result is zero-shot itself.

Three things were measured on real features (docs/LOG.md) and made defaults:
* `scale: fitted`. Softmax scales of encoders are often far from calibrated (100 where 17 fits), and a start that is
  sure and wrong wastes the labels. One number is fitted on the human labels, pulled to the encoder's own by a prior.
* the step away from the prototypes is orthogonal to the rows' mean direction: features of contrastive models lie in a
  narrow cone, and a step along its axis only makes labeled classes likelier for every item.
* `balance: 1` (7.3): actively chosen labels are unbalanced, each class weighs the same.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.adaptation._head import fit_scale, fit_step, row_weights
from tailfirst.adaptation._linear import LinearModel, load_linear
from tailfirst.contracts import TrainSet
from tailfirst.errors import Unavailable
from tailfirst.vectors import unit

# Around prototypes a tighter prior holds against few, hard and wrong labels; from zero the whole head must be learned,
# and a tight prior only makes its probabilities too flat (calibration error 0.29 instead of 0.10).
L2_AROUND_PROTOTYPES, L2_FROM_ZERO = 0.05, 0.0005


class Params(BaseModel):
    """How far the head may leave the prototypes, and what a row weighs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    l2: float | None = Field(
        None, gt=0
    )  # 1 / variance of the prior on s * (W - W_0), scikit-learn's 1 / C; null: by the start
    scale: Literal["fitted", "encoder"] | float = "fitted"  # s; a number fixes it
    retrieved_weight: float = Field(0.1, ge=0)  # weight of a retrieved row; a human label weighs 1
    balance: float = Field(1.0, ge=0, le=1)  # gamma: rows of a class of mass m weigh m^-gamma
    blend: float = Field(1.0, ge=0, le=1)  # alpha in W = alpha W_fit + (1 - alpha) W_0 (the prior pulls already)
    max_iter: int = Field(200, ge=1)


def fit(train: TrainSet, params: Params, rng: np.random.Generator) -> LinearModel:  # noqa: ARG001
    """The fitted head; nothing is random, `rng` is not used.

    Raises:
        Unavailable: Neither rows to learn from nor prototypes to fall back to.
    """
    keep = ~train.retrieved if params.retrieved_weight == 0 else np.ones(len(train.classes), np.bool_)
    vectors, classes = unit(train.vectors[keep]), train.classes[keep]
    mass = np.where(train.retrieved[keep], params.retrieved_weight, 1.0)
    start = None if train.prototypes is None else unit(train.prototypes)
    if not len(classes):
        if start is None:
            raise Unavailable("no labels and no prototypes: a linear probe has nothing to start from")
        scale = params.scale if isinstance(params.scale, float) else train.logit_scale
        return LinearModel(train.encoder, train.class_ids, start, scale)
    count = len(train.class_ids)
    scale = train.logit_scale if isinstance(params.scale, str) else params.scale
    if start is not None and params.scale == "fitted":
        trusted = mass == 1.0 if (~train.retrieved[keep]).any() else np.ones(len(mass), np.bool_)
        scale = fit_scale(vectors[trusted] @ start.T, classes[trusted], mass[trusted], train.logit_scale)
    base = np.zeros((count, vectors.shape[1]), np.float32) if start is None else start
    l2 = params.l2 or (L2_FROM_ZERO if start is None else L2_AROUND_PROTOTYPES)
    weights = row_weights(classes, mass, count, params.balance)
    step = fit_step(vectors, classes, weights, scale * (vectors @ base.T), l2, params.max_iter)
    head = (base + params.blend * step / scale).astype(np.float32)
    return LinearModel(train.encoder, train.class_ids, head, scale)


def load(folder: Path) -> LinearModel:
    """The model that `save` wrote."""
    return load_linear(folder)
