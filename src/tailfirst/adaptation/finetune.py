"""Finetuning (specs/alor.md 3.2 FT, 3.3 SWAT): a head and the tower below it, by cross-entropy.

The head W starts from the prototypes (from class means where there are none), the log scale is its own. Everything
around the loss is shared with `contrastive` (adaptation/_fit.py).
"""

from pathlib import Path

import numpy as np

from tailfirst.adaptation import _fit, _options
from tailfirst.adaptation._problems import Finetune
from tailfirst.adaptation._tower import make_tower
from tailfirst.adaptation._tuned import Tuned, load_tuned
from tailfirst.contracts import TrainSet


class Params(_options.Tuning):
    """See `_options.Tuning`."""


def fit(train: TrainSet, params: Params, rng: np.random.Generator) -> Tuned:
    """The tuned model; zero-shot where there is no row to learn from.

    Raises:
        Unavailable: Neither rows nor prototypes, or `tower: full` without images, texts or a network to train.
        ConfigError: `lora_rank` without the package peft.
        TailfirstError: The loss is not finite.
    """
    if not len(train.classes):
        return _fit.untrained(train)
    tower = make_tower(train, params, rng, texts=False)
    return _fit.tune(train, params, tower, lambda below: Finetune(below, train.classes, params.scale), rng)


def load(folder: Path) -> Tuned:
    """The model that `save` wrote."""
    return load_tuned(folder)
