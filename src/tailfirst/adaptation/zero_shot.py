"""Zero-shot: p(c|x) = softmax_c(s * z(x) . t_c) from class prototypes (specs/alor.md 3; CLIP, arXiv 2103.00020)."""

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.adaptation._linear import LinearModel, load_linear
from tailfirst.contracts import TrainSet
from tailfirst.errors import Unavailable
from tailfirst.vectors import unit


class Params(BaseModel):
    """Nothing is learned; the scale may be set by hand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scale: float | None = Field(None, gt=0)  # None: the encoder's own logit scale


def fit(train: TrainSet, params: Params, rng: np.random.Generator) -> LinearModel:  # noqa: ARG001
    """The prototypes as a head; labels are not looked at.

    Raises:
        Unavailable: The encoder gave no prototypes.
    """
    if train.prototypes is None:
        raise Unavailable(
            "zero-shot needs class prototypes and this encoder gives none; use an encoder with a text side, or bring "
            "data/prototypes.npy with encoder `precomputed`"
        )
    return LinearModel(train.encoder, train.class_ids, unit(train.prototypes), params.scale or train.logit_scale)


def load(folder: Path) -> LinearModel:
    """The model that `save` wrote."""
    return load_linear(folder)
