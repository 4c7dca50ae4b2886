"""Encoders whose own network can be trained: what an adaptation may use of them, and how a tuned one is stored."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tailfirst.contracts import Encoder, Media
from tailfirst.encoders import _torch
from tailfirst.encoders._digests import MODEL_FILES
from tailfirst.encoders._tokens import Tokens

if TYPE_CHECKING:
    import torch

Side = Literal["items", "texts", "both"]
WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin", "pytorch_model.bin.index.json")


@dataclass(frozen=True, slots=True)
class Card:
    """A plugin of `encoders` and its options, but for `model`."""

    plugin: str
    options: Mapping[str, Any]


@runtime_checkable
class Tunable(Encoder, Protocol):
    """An encoder that is a frozen dataclass around a network; `dataclasses.replace(encoder, network=...)` tunes it."""

    @property
    def network(self) -> Any:
        """The transformers model."""

    @property
    def folder(self) -> Path:
        """What it was loaded from."""

    @property
    def tokens(self) -> Tokens:
        """The tokenizer of its text side."""

    @property
    def card(self) -> Card:
        """What loads it again from another folder."""

    def read_tokens(self, ids: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
        """(B, D) vectors of texts, not normalised, with gradients."""

    def side_of(self, parameter: str) -> Side | None:
        """The side that a parameter of the network serves; None: nothing that a vector depends on."""


@runtime_checkable
class TunableImages(Tunable, Protocol):
    """A tunable encoder of images."""

    @property
    def table(self) -> NDArray[np.float32] | None:
        """(3, 256) from raw values to pixels; None where `raw` gives pixels."""

    def raw(self, media: Media) -> NDArray[Any]:
        """What is kept of an image between epochs.

        Raises:
            TaskFolderError: No image, or one that cannot be decoded; names the item.
        """

    def read_pixels(self, pixels: "torch.Tensor") -> "torch.Tensor":
        """(B, D) vectors of (B, 3, H, W) pixels, not normalised, with gradients."""


def write_network(network: Any, source: Path, folder: Path) -> None:
    """Write a network as `save_pretrained` does, with the tokenizer and processor files of the folder it came from."""
    folder.mkdir(parents=True, exist_ok=True)
    with _torch.quiet():
        network.save_pretrained(folder)  # safetensors is the only format it knows
    heavy = {path.name for pattern in WEIGHTS for path in source.glob(pattern)}
    for path in sorted({path for pattern in MODEL_FILES for path in source.glob(pattern) if path.is_file()}):
        if path.name not in heavy | {"config.json"}:
            shutil.copyfile(path, folder / path.name)
