"""What is trained below the head: the encoder's own network (`full`) or maps of its vectors (`adapter`)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tailfirst.adaptation._draws import Mix
from tailfirst.adaptation._options import Tuning
from tailfirst.contracts import Ints, TrainSet, Vectors
from tailfirst.errors import Unavailable

if TYPE_CHECKING:
    import torch

    from tailfirst.adaptation._tuned import Encoding


@dataclass(frozen=True, slots=True)
class Rates:
    """Learning rates and a length that suit a tower."""

    lr: float
    lr_head: float
    epochs: int


class Tower(Protocol):
    """Items and prompts to unit features, with gradients; rows are those of the training set."""

    @property
    def device(self) -> "torch.device":
        """Where features come out."""

    @property
    def rates(self) -> Rates:
        """Its own defaults."""

    @property
    def mixes_pixels(self) -> bool:
        """Whether a mixed item is a mixed image; where not, features are mixed."""

    def parameters(self) -> "dict[str, torch.nn.Parameter]":
        """What is trained, by name."""

    def items(self, rows: Ints, mix: Mix | None, rng: np.random.Generator) -> "tuple[torch.Tensor, float]":
        """(B, D) unit features of augmented, maybe mixed items, and the share of an item in its own mixture."""

    def prompts(self) -> list[Ints]:
        """The prompt rows of each class."""

    def texts(self, rows: Ints) -> "torch.Tensor":
        """(B, D) unit features of prompts."""

    def features(self, rows: Ints) -> Vectors:
        """(B, D) unit features of items as they are."""

    def prototypes(self) -> Vectors:
        """(C, D) class prototypes of the text side as it is now."""

    def encoding(self) -> "Encoding | None":
        """What a model keeps of it; None where nothing changed."""


def make_tower(train: TrainSet, params: Tuning, rng: np.random.Generator, *, texts: bool) -> Tower:
    """The tower that the options name.

    Args:
        train: What it is trained on.
        params: The options.
        rng: Of what starts at random (low-rank factors); not touched where nothing does.
        texts: Whether the text side is trained too.

    Raises:
        Unavailable: `full`, but there are only vectors, or an encoder whose network cannot be trained; `texts`, but
            there is neither a prototype nor a labeled vector to start a class from.
        ConfigError: Options that this tower does not have.
    """
    from tailfirst.adaptation._adapter import AdapterTower

    if params.tower != "adapter" and train.source is not None:
        from tailfirst.adaptation._network import network_tower

        found = network_tower(train, params, rng, texts=texts)
        if found is not None:
            return found
    if params.tower == "full":
        known = "this encoder's network cannot be trained" if train.source else "only vectors are there"
        raise Unavailable(f"tower full needs images or texts and the encoder `clip` or `text`: {known}; use adapter")
    return AdapterTower.of(train, texts=texts)
