"""Prompts whose first words are learned (CoOp, arXiv 2109.01134): context vectors in place of token embeddings."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tailfirst.contracts import Source, Vectors
from tailfirst.encoders._tokens import Tokens
from tailfirst.encoders._torch import read_network
from tailfirst.encoders._tunable import Tunable
from tailfirst.errors import Unavailable
from tailfirst.vectors import unit

if TYPE_CHECKING:
    import torch

START_SD = 0.02


class ContextTower:
    """The frozen text side of an encoder, fed `[v_1 ... v_n] name` for every class."""

    def __init__(self, source: Source, length: int, rng: np.random.Generator) -> None:
        """Context vectors of each class, small and random.

        Args:
            source: Its encoder's text side is used.
            length: Context vectors per class; fewer where the model reads no more tokens.
            rng: Of their start.

        Raises:
            Unavailable: The encoder has no text side that can be fed so, or the names leave no room.
        """
        import torch

        encoder = source.encoder()
        if not isinstance(encoder, Tunable):
            raise Unavailable("prompt tuning needs the text tower of an encoder `clip` or `text`; this one has none")
        network = read_network(encoder.folder).to(encoder.network.device).requires_grad_(requires_grad=False)
        self._encoder: Any = replace(encoder, network=network)  # type: ignore[type-var]
        self.device: torch.device = network.device
        ids, mask, self._first, self.length = fed(encoder.tokens, source.names, length)
        self._ids, self._mask = torch.from_numpy(ids).to(self.device), torch.from_numpy(mask).to(self.device)
        self._words = _word_embedding(network, encoder)
        start = rng.normal(0, START_SD, (len(source.names), self.length, self._words.weight.shape[1]))
        self.context = torch.nn.Parameter(torch.from_numpy(start.astype(np.float32)).to(self.device))

    def texts(self) -> "torch.Tensor":
        """(C, D) unit features of all classes' prompts, with gradients to the context."""
        from torch.nn.functional import normalize

        with _spliced(self._words, self.context, self._first):
            return normalize(self._encoder.read_tokens(self._ids, self._mask))

    def prototypes(self) -> Vectors:
        """(C, D) the same, as they are now."""
        import torch

        with torch.no_grad():
            return unit(self.texts().cpu().numpy())


def fed(tokens: Tokens, names: tuple[str, ...], length: int) -> tuple[NDArray[Any], NDArray[Any], int, int]:
    """(C, L) ids with room for the context before each name, their mask, the first context position, and its length.

    Raises:
        Unavailable: The longest name leaves no room.
    """
    plain = tokens.ids(names)
    room = tokens.longest - max(map(len, plain))
    if room < 1:
        raise Unavailable(f"the text tower reads {tokens.longest} tokens and the longest class name needs them all")
    length = min(length, room)
    special = set(tokens.tokenizer.all_special_ids)
    first = int(plain[0][0] in special)
    filler = next(token for token in plain[0] if token not in special)
    ids, mask = tokens.fed([[*one[:first], *[filler] * length, *one[first:]] for one in plain])
    return ids, mask, first, length


@contextmanager
def _spliced(words: "torch.nn.Module", context: "torch.Tensor", first: int) -> "Iterator[None]":
    """While it lasts, the embeddings of positions `first` and on are the context."""

    def splice(_: Any, __: Any, found: "torch.Tensor") -> "torch.Tensor":
        import torch

        after = found[:, first + context.shape[1] :]
        return torch.cat([found[:, :first], context.to(found.dtype), after], dim=1)

    handle = words.register_forward_hook(splice)
    try:
        yield
    finally:
        handle.remove()


def _word_embedding(network: Any, encoder: Tunable) -> "torch.nn.Embedding":
    """The table of token embeddings: the largest one of the text side."""
    import torch

    tables = [
        module
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Embedding) and encoder.side_of(name) in {"texts", "both"}
    ]
    if not tables:
        raise Unavailable("prompt tuning needs a text tower with token embeddings; this network has none")
    return max(tables, key=lambda table: table.num_embeddings)
