"""The encoder's own network as a tower: image or sentence side, and the text side where prompts are trained too."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tailfirst.adaptation import _lora
from tailfirst.adaptation._draws import Mix
from tailfirst.adaptation._options import Tuning
from tailfirst.adaptation._stores import Pixels, Texts
from tailfirst.adaptation._tower import Rates
from tailfirst.adaptation._tuned import Encoding, of_network
from tailfirst.contracts import Ints, Source, TrainSet, Vectors
from tailfirst.encoders._torch import read_network
from tailfirst.encoders._tunable import Side, Tunable, TunableImages
from tailfirst.errors import Unavailable
from tailfirst.vectors import unit

if TYPE_CHECKING:
    import torch

BLOCK = re.compile(r"^(.*?\.)(?:layers?|h|blocks?)\.(\d+)\.")  # a parameter of a numbered transformer layer
BELOW = re.compile(r"embed|pre_la?y")  # what comes before the first of them


def network_tower(train: TrainSet, params: Tuning, rng: np.random.Generator, *, texts: bool) -> "NetworkTower | None":
    """A tower over the network of the source's encoder; None where that encoder cannot be tuned.

    Args:
        train: Its source is used.
        params: What is trained.
        rng: Of low-rank factors; not touched without `lora_rank`.
        texts: Whether the text side is trained too.

    Raises:
        ConfigError: `lora_rank` without the package peft.
    """
    source = train.source
    encoder = None if source is None else source.encoder()
    if source is None or not isinstance(encoder, Tunable):
        return None
    return NetworkTower(encoder, source, len(train.classes), params, rng, texts=texts)


class NetworkTower:
    """See `_tower.Tower`; works on a copy of the network, so that the encoder stays what it is."""

    rates = Rates(lr=1e-4, lr_head=1e-3, epochs=4)

    def __init__(
        self, encoder: Tunable, source: Source, count: int, params: Tuning, rng: np.random.Generator, *, texts: bool
    ) -> None:
        network = read_network(encoder.folder).to(encoder.network.device)
        self.device: torch.device = network.device
        self._base, self._network, self._params, self._source = encoder, network, params, source
        self._lora: Any = None
        if params.lora_rank is not None:
            self._lora = _lora.wrapped(network, params.lora_rank, encoder, rng.spawn(1)[0], texts=texts)
        self._trained = _choose(network, encoder, params, texts=texts)
        self._encoder: Any = replace(encoder, network=network)  # type: ignore[type-var]
        if params.checkpointing:
            network.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
        self._pixels: Pixels | None = None
        if isinstance(encoder, TunableImages):
            room, spill = params.cache_mb * 2**20, source.scratch / "pixels.npy"
            order = np.arange(count) if source.order is None else source.order()
            self._pixels = Pixels(encoder, source.media, order, room, spill)
        else:
            self._items = Texts(encoder.tokens, [_text(one) for one in source.media(np.arange(count))], self.device)
        flat = [prompt for one in source.prompts for prompt in one]
        self._texts = Texts(encoder.tokens, flat, self.device)
        ends = np.cumsum([0, *map(len, source.prompts)])
        self._prompts = [np.arange(ends[c], ends[c + 1]) for c in range(len(source.prompts))]

    @property
    def mixes_pixels(self) -> bool:
        """True where the encoder reads images."""
        return self._pixels is not None

    def parameters(self) -> "dict[str, torch.nn.Parameter]":
        """What is trained of the network."""
        return dict(self._trained)

    def items(self, rows: Ints, mix: Mix | None, rng: np.random.Generator) -> "tuple[torch.Tensor, float]":
        """Features of training rows; images are mixed as pixels, texts as features (mixup)."""
        from torch.nn.functional import normalize

        self._modes(training=True)
        if self._pixels is not None:
            crop, flip = self._params.crop, self._params.flip
            pixels, lam = self._pixels.augmented(rows, rng, crop=crop, flip=flip, mix=mix)
            return normalize(self._encoder.read_pixels(pixels)), lam
        features = normalize(self._encoder.read_tokens(*self._items.fed(rows)))
        if mix is None:
            return features, 1.0
        return normalize(mix.lam * features + (1 - mix.lam) * features[mix.partner]), mix.lam

    def prompts(self) -> list[Ints]:
        """The prompt rows of each class."""
        return self._prompts

    def texts(self, rows: Ints) -> "torch.Tensor":
        """Features of prompts."""
        from torch.nn.functional import normalize

        self._modes(training=True)
        return normalize(self._encoder.read_tokens(*self._texts.fed(rows)))

    def features(self, rows: Ints) -> Vectors:
        """Features of training rows as they are."""
        import torch

        self._modes(training=False)
        size = self._base.tokens.batch
        out = np.empty((len(rows), self._base.dim), np.float32)
        with torch.no_grad():
            for first in range(0, len(rows), size):
                part = rows[first : first + size]
                if self._pixels is not None:
                    found = self._encoder.read_pixels(self._pixels.plain(part))
                else:
                    found = self._encoder.read_tokens(*self._items.fed(part))
                out[first : first + size] = found.cpu().numpy()
        return unit(out)

    def prototypes(self) -> Vectors:
        """What the tuned encoder itself makes of the prompts."""
        self._modes(training=False)
        found: Vectors | None = self._encoder.prototypes(self._source.prompts)
        if found is None:
            raise Unavailable("the encoder has no text side: contrastive tuning needs prompts")
        return found

    def encoding(self) -> Encoding:
        """The tuned encoder, in the precision of the one it came from."""
        network = self._network if self._lora is None else self._lora.merge_and_unload()
        network = network.eval().requires_grad_(requires_grad=False).to(self._base.network.dtype)
        if self._params.checkpointing:
            network.activation_checkpointing_disable()
        return of_network(replace(self._base, network=network, fingerprint="tuned"))  # type: ignore[type-var]

    def close(self) -> None:
        """Remove the file of decoded images."""
        self._pixels = None
        (self._source.scratch / "pixels.npy").unlink(missing_ok=True)

    def _modes(self, *, training: bool) -> None:
        """Layers that are trained drop out while training; all others are as in use."""
        if not training:
            self._network.eval()
            return
        if self._network.training:
            return
        names = {name.rpartition(".")[0] for name in self._trained}
        blocks = {found.group(0).rstrip(".") for name in self._trained if (found := BLOCK.match(name))}
        self._network.eval()
        for name, module in self._network.named_modules():
            module.training = name in names or any(name == b or name.startswith(f"{b}.") for b in blocks) or not name


def _choose(network: Any, encoder: Tunable, params: Tuning, *, texts: bool) -> "dict[str, torch.nn.Parameter]":
    """The parameters that are trained, in the network's order; all others are frozen."""
    wanted: set[Side | None] = {"items", "both", "texts"} if texts else {"items", "both"}
    lasts = _layer_counts(name for name, _ in network.named_parameters())
    chosen = {}
    for name, parameter in network.named_parameters():
        own = params.lora_rank is None or _lora.MARK in name
        trains = encoder.side_of(name) in wanted and own and _is_high(name, lasts, params.layers)
        parameter.requires_grad_(trains)
        if trains:
            chosen[name] = parameter
    return chosen


def _layer_counts(names: Any) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        if found := BLOCK.match(name):
            counts[found.group(1)] = max(counts.get(found.group(1), 0), int(found.group(2)) + 1)
    return counts


def _is_high(name: str, counts: Mapping[str, int], layers: int | None) -> bool:
    if layers is None:
        return True
    if found := BLOCK.match(name):
        return int(found.group(2)) >= counts[found.group(1)] - layers
    return BELOW.search(name) is None


def _text(media: Any) -> str:
    if media.text is None:
        raise Unavailable(f"item {media.item_id} has no text, but the encoder reads texts")
    return str(media.text)
