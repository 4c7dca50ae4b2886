"""How the demo VLM is trained, and what that cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train.

    Attributes:
        seed: seed of weights, order and augmentation.
        epochs: passes over the corpus.
        batch: image-caption pairs per step.
        rate: peak learning rate of AdamW.
        decay: weight decay.
        warmup: share of the steps with a rising rate.
        threads: torch threads.
        kept: share of a picture's patches that is seen in a step.
        whole: share of the epochs, at the end, that see whole pictures.
    """

    seed: int = 11
    epochs: int = 22
    batch: int = 128
    rate: float = 1.5e-3
    decay: float = 0.05
    warmup: float = 0.05
    threads: int = 2
    kept: float = 0.5
    whole: float = 0.2


@dataclass(frozen=True, slots=True)
class Trained:
    """What training cost and reached.

    Attributes:
        parameters: number of weights.
        steps: optimizer steps.
        minutes: wall time.
        pairs: image-caption pairs seen per epoch.
        loss: mean loss of the last epoch, nats.
    """

    parameters: int
    steps: int
    minutes: float
    pairs: int
    loss: float
