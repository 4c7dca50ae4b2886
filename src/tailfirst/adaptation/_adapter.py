"""A residual linear map of cached vectors, z' = norm(z + A z), and one of prompt vectors; both start at zero.

It needs no image and no network, costs seconds on a CPU and works with vectors that the user brought. (Ours; the
residual form is that of CLIP-Adapter, arXiv 2110.04544, without its hidden layer.)
"""

from typing import TYPE_CHECKING

import numpy as np

from tailfirst.adaptation._draws import Mix
from tailfirst.adaptation._tower import Rates
from tailfirst.adaptation._tuned import Encoding, Mapped
from tailfirst.contracts import Ints, TrainSet, Vectors
from tailfirst.errors import Unavailable
from tailfirst.vectors import unit

if TYPE_CHECKING:
    import torch


class AdapterTower:
    """See `_tower.Tower`."""

    rates = Rates(lr=2e-3, lr_head=1e-3, epochs=20)
    mixes_pixels = False

    def __init__(
        self, vectors: Vectors, texts: Vectors, prompts: list[Ints], start: Vectors | None, *, text_map: bool
    ) -> None:
        """Start as the identity.

        Args:
            vectors: (M, D) unit vectors of the training rows.
            texts: (T, D) unit vectors of all prompts.
            prompts: Rows of `texts` of each class.
            start: (C, D) the encoder's own prototypes, given back bit for bit while nothing is trained.
            text_map: Whether prompts are mapped too.
        """
        import torch

        self.device = torch.device("cpu")
        self._vectors, self._texts, self._prompts = torch.from_numpy(vectors), torch.from_numpy(texts), prompts
        self._item_map = torch.nn.Parameter(torch.zeros(vectors.shape[1], vectors.shape[1]))
        self._text_map = torch.nn.Parameter(torch.zeros_like(self._item_map)) if text_map else None
        self._start = start

    @classmethod
    def of(cls, train: TrainSet, *, texts: bool) -> "AdapterTower":
        """The tower of a training set.

        Raises:
            Unavailable: No prompt, no prototype and no row to start the classes from.
        """
        found, prompts = _class_vectors(train, texts=texts)
        return cls(unit(train.vectors), found, prompts, train.prototypes, text_map=texts)

    def parameters(self) -> "dict[str, torch.nn.Parameter]":
        """The two matrices (D, D)."""
        return {"items": self._item_map} | ({"texts": self._text_map} if self._text_map is not None else {})

    def items(self, rows: Ints, mix: Mix | None, rng: np.random.Generator) -> "tuple[torch.Tensor, float]":  # noqa: ARG002
        """Features of training rows; mixed as vectors (mixup, arXiv 1710.09412)."""
        vectors = self._vectors[rows]
        if mix is not None:
            vectors = mix.lam * vectors + (1 - mix.lam) * vectors[mix.partner]
        return self.mapped(vectors), 1.0 if mix is None else mix.lam

    def mapped(self, vectors: "torch.Tensor") -> "torch.Tensor":
        """(B, D) unit features of vectors."""
        from torch.nn.functional import normalize

        return normalize(vectors + vectors @ self._item_map.T)

    def prompts(self) -> list[Ints]:
        """The prompt rows of each class."""
        return self._prompts

    def texts(self, rows: Ints) -> "torch.Tensor":
        """Features of prompts."""
        from torch.nn.functional import normalize

        vectors = self._texts[rows]
        return normalize(vectors if self._text_map is None else vectors + vectors @ self._text_map.T)

    def features(self, rows: Ints) -> Vectors:
        """Features of training rows as the model will give them."""
        vectors: Vectors = self._vectors[rows].numpy()
        kept = self.encoding()
        return vectors if kept is None else kept.features(vectors, None)

    def prototypes(self) -> Vectors:
        """Normalised means of each class's prompts."""
        import torch

        if self._start is not None and (self._text_map is None or not self._text_map.any()):
            return self._start
        with torch.no_grad():
            vectors = self.texts(np.arange(len(self._texts))).numpy().astype(np.float64)
        return unit(np.stack([vectors[rows].mean(axis=0) for rows in self._prompts]))

    def encoding(self) -> Encoding | None:
        """The item map; None while it is zero."""
        return Mapped(self._item_map.detach().numpy().copy()) if self._item_map.any() else None


def _class_vectors(train: TrainSet, *, texts: bool) -> tuple[Vectors, list[Ints]]:
    """Vectors that stand for classes, and which belong to which: prompts, else prototypes, else means of rows."""
    count = len(train.class_ids)
    source = train.source
    several = texts and source is not None and max(map(len, source.prompts)) > 1
    if source is not None and several and source.encoder().has_text:
        ends = np.cumsum([0, *map(len, source.prompts)])
        found = source.encoder().texts([prompt for one in source.prompts for prompt in one])
        return found, [np.arange(ends[c], ends[c + 1]) for c in range(count)]
    if train.prototypes is not None:
        return unit(train.prototypes), [np.array([c]) for c in range(count)]
    if not len(train.classes):
        raise Unavailable("neither prototypes nor labels: there is nothing to start the classes from")
    anchors = np.zeros((count, train.vectors.shape[1]))
    trusted = ~train.retrieved[:, None] | ~np.isin(train.classes, train.classes[~train.retrieved])[:, None]
    np.add.at(anchors, train.classes, unit(train.vectors) * trusted)  # human labels, retrieved rows where there is none
    return unit(anchors), [np.array([c]) for c in range(count)]  # a class without any row stays at zero
