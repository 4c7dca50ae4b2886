"""CLIP and SigLIP models of transformers: images and texts in one space."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.config import Settings
from tailfirst.contracts import Encoder, Media, Vectors
from tailfirst.encoders import _batches, _digests, _folders, _pixels, _tokens, _torch, _tunable
from tailfirst.errors import ConfigError, TaskFolderError
from tailfirst.items import open_image
from tailfirst.paths import Workspace
from tailfirst.vectors import unit

if TYPE_CHECKING:
    import torch

DEFAULT_SCALE = 100.0
TEXT_STEP = 8  # texts are padded to a multiple of this many tokens
DECODERS = 8  # threads that decode images while the network runs, at most one per core


class Params(BaseModel):
    """Which model, and how it runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = "demo"  # `demo`, a folder that save_pretrained wrote, or a hub id
    revision: str | None = None  # commit of a hub id
    dtype: _torch.Dtype = "auto"
    batch: int = Field(32, ge=1, le=4096)  # rows of every forward pass; part of the fingerprint


def load(params: Params, ws: Workspace, settings: Settings) -> Encoder:
    """The encoder of a CLIP or SigLIP model.

    Raises:
        ConfigError: The folder holds no model with an image and a text side.
        Unavailable: A hub id that is not cached and cannot be fetched.
    """
    demo = Path(_folders.__file__).parents[1] / "demo" / "model"
    folder = _folders.model_folder(params.model, params.revision, ws, {"demo": demo})
    network = _torch.load_network(folder, params.dtype, settings)
    if not (hasattr(network, "get_image_features") and hasattr(network, "get_text_features")):
        raise ConfigError(f"{folder} holds a {type(network).__name__}: it lacks an image or a text side")
    return _build(folder, network, params.batch, ws)


@dataclass(frozen=True, slots=True)
class Clip:
    """A loaded model with its image processor and tokenizer."""

    fingerprint: str
    dim: int
    logit_scale: float
    network: Any
    folder: Path  # what it was loaded from
    preprocess: Callable[[Image.Image], _pixels.Pixels]
    tokens: _tokens.Tokens
    whole_length: bool  # SigLIP was trained with every text padded to the full length and reads the last position
    batch: int
    reads: Literal["image", "text", "row"] = "image"
    has_text: bool = True

    def items(self, batch: Sequence[Media]) -> Vectors:
        """Unit vectors (N, D) of images.

        Raises:
            TaskFolderError: An item without image bytes, or with bytes that are no image; names the item.
        """
        out = np.empty((len(batch), self.dim), np.float32)
        chunks = list(_batches.spans(len(batch), self.batch))
        with ThreadPoolExecutor(min(DECODERS, os.cpu_count() or 1), thread_name_prefix="decode") as pool:
            decoded = _batches.ahead(pool, self.pixels, [batch[chunk] for chunk in chunks])
            for chunk, pixels in zip(chunks, decoded, strict=True):
                rows = _batches.padded(np.stack(pixels), self.batch)
                out[chunk] = self.forward("image", pixel_values=rows)[: len(pixels)]
        return unit(out)

    def texts(self, batch: Sequence[str]) -> Vectors:
        """Unit vectors (N, D) of texts; longer texts are cut at the model's length."""
        out = np.empty((len(batch), self.dim), np.float32)
        for chunk in self.tokens.chunks(batch):
            arrays = {"input_ids": chunk.ids} | ({} if self.whole_length else {"attention_mask": chunk.mask})
            out[chunk.rows] = self.forward("text", **arrays)[: len(chunk.rows)]
        return unit(out)

    def prototypes(self, prompts: Sequence[Sequence[str]]) -> Vectors:
        """Unit class prototypes (C, D) from the prompts of each class."""
        return _batches.prototypes(self.texts, prompts)

    def pixels(self, media: Media) -> _pixels.Pixels:
        """(3, H, W) what the image side takes of an item.

        Raises:
            TaskFolderError: No image, or one that cannot be decoded; names the item.
        """
        return self.preprocess(_image(media))

    def raw(self, media: Media) -> NDArray[Any]:
        """What is kept of an item between the epochs of a fit: (H, W, 3) uint8 where `table` maps it, else its pixels.

        Raises:
            TaskFolderError: No image, or one that cannot be decoded; names the item.
        """
        known = self.preprocess
        return known.small(_image(media)) if isinstance(known, _pixels.Preprocess) else known(_image(media))

    @property
    def table(self) -> _pixels.Pixels | None:
        """(3, 256) from raw values to pixels; None where `raw` gives pixels."""
        return self.preprocess.table if isinstance(self.preprocess, _pixels.Preprocess) else None

    @property
    def card(self) -> _tunable.Card:
        """What loads this encoder again from another folder."""
        return _tunable.Card("clip", {"dtype": _torch.name_of(self.network), "batch": self.batch})

    def read_pixels(self, pixels: "torch.Tensor") -> "torch.Tensor":
        """(B, D) vectors of (B, 3, H, W) pixels, not normalised, with gradients."""
        return self._passed("image", pixel_values=pixels)

    def read_tokens(self, ids: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
        """(B, D) vectors of (B, L) tokens, not normalised, with gradients."""
        return self._passed("text", input_ids=ids, **({} if self.whole_length else {"attention_mask": mask}))

    def side_of(self, parameter: str) -> _tunable.Side | None:
        """Which side a parameter of the network belongs to; None: to neither (the scale)."""
        if parameter.startswith(("logit_scale", "logit_bias")):
            return None
        return "items" if parameter.startswith(("vision_model", "visual_projection")) else "texts"

    def forward(self, side: Literal["image", "text"], **arrays: NDArray[Any]) -> Vectors:
        """One pass of the image or text side over `batch` rows; not normalised."""
        import torch

        tensors = {name: torch.from_numpy(value).to(self.network.device) for name, value in arrays.items()}
        if side == "image":
            tensors["pixel_values"] = tensors["pixel_values"].to(self.network.dtype)
        with torch.inference_mode():
            vectors: Vectors = self._passed(side, **tensors).cpu().numpy()
        return vectors

    def _passed(self, side: Literal["image", "text"], **tensors: "torch.Tensor") -> "torch.Tensor":
        found: Any = getattr(self.network, f"get_{side}_features")(**tensors)
        features: torch.Tensor = getattr(found, "pooler_output", found)
        return features.float()


def _image(media: Media) -> Image.Image:
    if media.data is None:
        raise TaskFolderError(f"item {media.item_id} has no image, but the encoder clip reads images")
    try:
        return open_image(media.data)
    except TaskFolderError as error:
        raise TaskFolderError(f"item {media.item_id}: {error}") from error


def _build(folder: Path, network: Any, batch: int, ws: Workspace) -> Clip:
    import transformers

    processors: Any = transformers.AutoImageProcessor

    with _torch.quiet():
        try:
            # Without torchvision the default backend only warns and then takes this one.
            processor = processors.from_pretrained(folder, backend="pil", local_files_only=True)
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"{folder} lacks an image processor or a tokenizer: {error}") from error
    Image.init()  # Pillow registers its formats on first use, which is not safe in two threads at once
    text = network.config.text_config
    digest = _digests.model_digest(folder, ws.cache / "sha256.json")
    parts = {"encoder": "clip", "files": digest, "dtype": str(network.dtype), "batch": batch}
    scale = getattr(network, "logit_scale", None)
    longest = int(min(tokenizer.model_max_length, text.max_position_embeddings))
    whole = network.config.model_type.startswith("siglip")
    return Clip(
        fingerprint=_digests.fingerprint(parts),
        dim=int(getattr(network.config, "projection_dim", None) or text.projection_size),
        logit_scale=DEFAULT_SCALE if scale is None else float(scale.detach().float().exp()),
        network=network,
        folder=folder,
        preprocess=_pixels.preprocess(processor),
        tokens=_tokens.Tokens(tokenizer, longest, longest if whole else TEXT_STEP, batch),
        whole_length=whole,
        batch=batch,
    )
