"""Low-rank updates of attention (LoRA, arXiv 2106.09685): W + 2 B A, where only A (r x in) and B (out x r) are trained.

The package peft puts the factors into the network and merges them at the end; A starts as it does there (uniform in
+-1/sqrt(in)), but from our generator, B at zero. So nothing of the network changes before the first step.
"""

import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from tailfirst.encoders._tunable import Side, Tunable
from tailfirst.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    import torch

ATTENTION = re.compile(r"\.(q_proj|v_proj|query|value)$")  # queries and values, as published
MARK = "lora_"  # in the names of the factors
GAIN = 2  # alpha / r


def wrapped(network: Any, rank: int, encoder: Tunable, rng: np.random.Generator, *, texts: bool) -> Any:
    """The network wrapped by peft; its own layers are changed in place.

    Args:
        network: A transformers model.
        rank: r.
        encoder: Says which side a layer serves.
        rng: Of the factors.
        texts: Whether the text side gets factors too.

    Raises:
        ConfigError: The package peft is not there.
        Unavailable: The network has no query and value projections of its own.
    """
    import torch

    try:
        import peft
    except ModuleNotFoundError as error:
        raise ConfigError(
            "lora_rank needs the package peft: pip install peft (or 'tailfirst[lora]'), or leave lora_rank out"
        ) from error
    targets = _targets(network, encoder, {"items", "both", "texts"} if texts else {"items", "both"})
    if not targets:
        raise Unavailable("lora_rank needs attention with query and value projections; this network has none")
    config = peft.LoraConfig(r=rank, lora_alpha=GAIN * rank, target_modules=targets)
    with warnings.catch_warnings(), torch.random.fork_rng([network.device] if network.device.type == "cuda" else []):
        warnings.simplefilter("ignore", FutureWarning)  # peft reads an attribute that transformers renamed
        found = peft.get_peft_model(network, config)
    _start(network, rng)
    return found


def _targets(network: Any, encoder: Tunable, sides: set[Side]) -> list[str]:
    return [
        name
        for name, module in network.named_modules()
        if ATTENTION.search(name) and encoder.side_of(name) in sides and hasattr(module, "weight")
    ]


def _start(network: Any, rng: np.random.Generator) -> None:
    """A from our generator: peft draws from torch's, which is whatever the process left it at."""
    import torch

    with torch.no_grad():
        for name, factor in network.named_parameters():
            if f"{MARK}A" in name:
                factor.copy_(_uniform(factor, rng))


def _uniform(factor: "torch.Tensor", rng: np.random.Generator) -> "torch.Tensor":
    import torch

    bound = factor.shape[1] ** -0.5
    return torch.from_numpy(rng.uniform(-bound, bound, tuple(factor.shape)).astype(np.float32))
