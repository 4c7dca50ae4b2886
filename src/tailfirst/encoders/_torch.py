"""What the encoders that run a network share: device, precision, quiet loading."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tailfirst.config import Settings
from tailfirst.errors import ConfigError

if TYPE_CHECKING:
    import torch

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
SMALL = 20_000_000
"""Networks up to this many parameters run in float32 under `auto`: half precision would gain them nothing."""


def device(settings: Settings) -> "torch.device":
    """The device of the settings; `auto` takes a GPU where there is one.

    Raises:
        ConfigError: A device that this machine does not have.
    """
    import torch

    if settings.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if settings.device not in {"cpu", "cuda"}:
        raise ConfigError(f"TAILFIRST_DEVICE is {settings.device!r}; known: auto, cpu, cuda")
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("TAILFIRST_DEVICE is 'cuda', but torch finds no GPU here; use auto or cpu")
    return torch.device(settings.device)


def precision(wanted: Dtype, parameters: int, where: "torch.device") -> "torch.dtype":
    """The precision to run in: as asked; `auto` takes bfloat16 where the network is large and the device fast at it."""
    import torch

    if wanted != "auto":
        named: torch.dtype = getattr(torch, wanted)
        return named
    fast = torch.cuda.is_bf16_supported() if where.type == "cuda" else torch.cpu.get_capabilities().get("avx512_bf16")
    return torch.bfloat16 if fast and parameters > SMALL else torch.float32


def load_network(folder: Path, wanted: Dtype, settings: Settings) -> Any:
    """A transformers model from a folder, in evaluation mode, on its device and in its precision.

    Raises:
        ConfigError: The folder holds no model that transformers can load.
    """
    network, where = read_network(folder), device(settings)
    return network.to(device=where, dtype=precision(wanted, network.num_parameters(), where))


def read_network(folder: Path) -> Any:
    """A transformers model from a folder in float32, in evaluation mode, on the CPU.

    Raises:
        ConfigError: The folder holds no model that transformers can load.
    """
    import torch
    import transformers

    with quiet():
        try:
            network = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"{folder} holds no model that transformers can load: {error}") from error
    return network.eval()


def name_of(network: Any) -> str:
    """The precision of a network as params.yaml names it."""
    return str(network.dtype).removeprefix("torch.")


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' loading bars and advice; its errors still come through."""
    from transformers.utils import logging as module

    logging: Any = module  # its functions carry no types
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
