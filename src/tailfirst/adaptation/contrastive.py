"""Contrastive tuning (specs/alor.md 3.2 CT and 7.5; FLYP, arXiv 2212.00638): items against prompts of their class.

Both sides are trained; the head is the prototypes of the tuned text side. Of the targets, `diagonal` is the published
one: it takes other items of the same class for strangers.
"""

from pathlib import Path

import numpy as np
from pydantic import Field

from tailfirst.adaptation import _fit, _options
from tailfirst.adaptation._problems import Contrast
from tailfirst.adaptation._tower import make_tower
from tailfirst.adaptation._tuned import Tuned, load_tuned
from tailfirst.contracts import TrainSet


class Params(_options.Tuning):
    """See `_options.Tuning`."""

    targets: _options.Targets  # null = as the profile says
    class_limit: int = Field(128, ge=2)  # classes in the softmax of `class_softmax`; more are sampled


def fit(train: TrainSet, params: Params, rng: np.random.Generator) -> Tuned:
    """The tuned model; zero-shot where there is no row to learn from.

    Raises:
        Unavailable: Neither rows nor prototypes, or `tower: full` without images, texts or a network to train.
        ConfigError: `lora_rank` without the package peft.
        TailfirstError: The loss is not finite.
    """
    if not len(train.classes):
        return _fit.untrained(train)
    tower = make_tower(train, params, rng, texts=True)
    targets, limit = params.targets, params.class_limit
    return _fit.tune(
        train, params, tower, lambda below: Contrast(below, train.classes, params.scale, targets, limit), rng
    )


def load(folder: Path) -> Tuned:
    """The model that `save` wrote."""
    return load_tuned(folder)
