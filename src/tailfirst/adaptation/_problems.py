"""What is minimised above a tower: cross-entropy of a head (finetune), or item-prompt contrast (contrastive)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tailfirst.adaptation import _loop
from tailfirst.adaptation._draws import Mix
from tailfirst.adaptation._losses import contrast, cross_entropy
from tailfirst.adaptation._options import Targets
from tailfirst.adaptation._tower import Tower
from tailfirst.contracts import Head, Ints
from tailfirst.vectors import unit

if TYPE_CHECKING:
    import torch

LOG_SCALE = "log_scale"


class Problem(_loop.Problem, Protocol):
    """A problem whose solution has a head."""

    def answer(self) -> Head:
        """The head as it is now."""


class Finetune:
    """CE(exp(tau) W z(x), y); W starts from the prototypes, tau is its own (specs/alor.md 3.2)."""

    def __init__(self, tower: Tower, classes: Ints, scale: float) -> None:
        import torch

        self._tower, self.device = tower, tower.device
        self._classes = torch.from_numpy(classes).to(self.device)
        self._weights = torch.nn.Parameter(torch.from_numpy(unit(tower.prototypes())).to(self.device))
        self._log_scale = torch.nn.Parameter(torch.tensor(math.log(scale), device=self.device))

    def tower(self) -> "Mapping[str, torch.nn.Parameter]":
        """The tower's parameters."""
        return self._tower.parameters()

    def head(self) -> "Mapping[str, torch.nn.Parameter]":
        """W and tau."""
        return {"weights": self._weights, LOG_SCALE: self._log_scale}

    def begin(self, rng: np.random.Generator) -> None:
        """Nothing to do."""

    def logits(self, features: "torch.Tensor") -> "torch.Tensor":
        """(B, C) logits of features."""
        return self._log_scale.exp() * features @ self._weights.T

    def loss(self, rows: Ints, mix: Mix | None, rng: np.random.Generator) -> "torch.Tensor":
        """The loss of a batch."""
        import torch

        features, lam = self._tower.items(rows, mix, rng)
        partner = None if mix is None else torch.from_numpy(mix.partner).to(self.device)
        return cross_entropy(self.logits(features), self._classes[rows], partner, lam)

    def answer(self) -> Head:
        """W and exp(tau)."""
        return Head(self._weights.detach().cpu().numpy().copy(), math.exp(float(self._log_scale.detach())))


class Contrast:
    """Items against a random prompt of their class (specs/alor.md 3.2 and 7.5); the head is the tuned prototypes."""

    def __init__(self, tower: Tower, classes: Ints, scale: float, targets: Targets, class_limit: int) -> None:
        import torch

        self._tower, self.device, self._targets, self._limit = tower, tower.device, targets, class_limit
        self._rows = classes
        self._prompts = tower.prompts()
        self._log_scale = torch.nn.Parameter(torch.tensor(math.log(scale), device=self.device))

    def tower(self) -> "Mapping[str, torch.nn.Parameter]":
        """The tower's parameters."""
        return self._tower.parameters()

    def head(self) -> "Mapping[str, torch.nn.Parameter]":
        """Tau alone."""
        return {LOG_SCALE: self._log_scale}

    def begin(self, rng: np.random.Generator) -> None:
        """Nothing to do."""

    def loss(self, rows: Ints, mix: Mix | None, rng: np.random.Generator) -> "torch.Tensor":
        """The loss of a batch."""
        import torch

        features, lam = self._tower.items(rows, mix, rng)
        partner = None if mix is None else torch.from_numpy(mix.partner).to(self.device)
        wanted = self._rows[rows]
        if self._targets == "class_softmax":
            shown = shown_classes(wanted, len(self._prompts), self._limit, rng)
            texts = self._tower.texts(self._drawn(shown, rng))
            classes = torch.from_numpy(np.searchsorted(shown, wanted)).to(self.device)
            return cross_entropy(self._log_scale.exp() * features @ texts.T, classes, partner, lam)
        prompts, back = np.unique(self._drawn(wanted, rng), return_inverse=True)
        texts = self._tower.texts(prompts)[torch.from_numpy(back).to(self.device)]
        classes = torch.from_numpy(wanted).to(self.device)
        return contrast(self._log_scale.exp() * features @ texts.T, classes, self._targets, partner, lam)

    def answer(self) -> Head:
        """The prototypes of the text side as it is now, and exp(tau)."""
        return Head(unit(self._tower.prototypes()), math.exp(float(self._log_scale.detach())))

    def _drawn(self, classes: Ints, rng: np.random.Generator) -> Ints:
        """A random prompt row of each class."""
        counts = np.array([len(self._prompts[c]) for c in classes])
        places = (rng.random(len(classes)) * counts).astype(np.int64)
        return np.array([self._prompts[c][place] for c, place in zip(classes, places, strict=True)], np.int64)


def shown_classes(wanted: Ints, count: int, limit: int, rng: np.random.Generator) -> Ints:
    """Sorted classes of a softmax: all of them, or those of the batch and random others up to `limit`."""
    if count <= limit:
        return np.arange(count)
    needed = np.unique(wanted)
    others = np.setdiff1d(np.arange(count), needed)
    more = rng.permutation(others)[: max(0, limit - len(needed))]
    return np.sort(np.concatenate([needed, more]))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Values of all that a problem trains, copied."""

    values: "Mapping[str, torch.Tensor]"

    @classmethod
    def of(cls, problem: _loop.Problem) -> "Snapshot":
        """What there is now."""
        return cls({name: value.detach().clone() for name, value in _all(problem).items()})

    def restore(self, problem: _loop.Problem) -> None:
        """Go back to these values."""
        import torch

        with torch.no_grad():
            for name, value in _all(problem).items():
                value.copy_(self.values[name])

    def blend(self, problem: _loop.Problem, alpha: float) -> None:
        """Values become (1 - alpha) these + alpha what is now (WiSE-FT, arXiv 2109.01903); not the log scale.

        The product of two low-rank factors is blended through its second factor, which starts at zero.
        """
        import torch

        with torch.no_grad():
            for name, value in _all(problem).items():
                if not name.endswith(LOG_SCALE) and "lora_A" not in name:
                    value.copy_((1 - alpha) * self.values[name] + alpha * value)


def _all(problem: _loop.Problem) -> "dict[str, torch.nn.Parameter]":
    return {f"tower.{n}": p for n, p in problem.tower().items()} | {f"head.{n}": p for n, p in problem.head().items()}
