"""Where a fit stands, in one safetensors file per stage: weights, optimizer state, and the rest as JSON in its header.

One file is whole or absent, so that a kill between two writes cannot tear a state in two.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tailfirst import artifacts

if TYPE_CHECKING:
    import torch

STATE = "state"


@dataclass(frozen=True, slots=True)
class Standing:
    """A stage after some epochs."""

    tensors: "Mapping[str, torch.Tensor]"
    state: Mapping[str, Any]  # JSON: epoch, curve, state of the generator


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps a stage's standing in a file; without one (no scratch folder) nothing is kept."""

    path: Path | None
    key: str  # digest of everything that the stage depends on: a standing of another key is not used

    def load(self) -> Standing | None:
        """What was kept of this very stage; None where there is nothing, or something else."""
        from safetensors import SafetensorError, safe_open

        if self.path is None or not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                state = json.loads((file.metadata() or {}).get(STATE, "{}"))
                if state.get("key") != self.key:
                    return None
                return Standing({name: file.get_tensor(name) for name in file.keys()}, state)  # noqa: SIM118
        except (SafetensorError, ValueError):
            return None

    def save(self, standing: Standing) -> None:
        """Keep a standing, whole or not at all."""
        from safetensors.torch import save

        if self.path is None:
            return
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in standing.tensors.items()}
        text = json.dumps({**standing.state, "key": self.key}, sort_keys=True)
        artifacts.write_bytes(self.path, save(tensors, metadata={STATE: text}))

    def forget(self) -> None:
        """Remove the file."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def generator_state(rng: np.random.Generator) -> dict[str, Any]:
    """The state of a generator as JSON takes it."""
    return dict(rng.bit_generator.state)


def digest(*parts: Any) -> str:
    """Hex sha256 of arrays, and of values that JSON takes."""
    texts = [
        f"{part.dtype}{part.shape}{artifacts.sha256_bytes(np.ascontiguousarray(part).tobytes())}"
        if isinstance(part, np.ndarray)
        else artifacts.canonical_json(part)
        for part in parts
    ]
    return artifacts.sha256_bytes("\n".join(texts).encode())
