"""The one training loop: AdamW with warm-up and cosine (specs/alor.md 3.1), resumable after every epoch.

Everything random comes from one NumPy generator; torch's own (dropout) is seeded from it before every step, so that
the generator's state is all that a resumed fit needs. On a CPU two runs give the same bits.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tailfirst.adaptation._checkpoint import Keeper, Standing, generator_state
from tailfirst.adaptation._draws import Draws, Mix, draw_mix
from tailfirst.adaptation._options import Cutmix, Loop
from tailfirst.contracts import Ints
from tailfirst.embedding._progress import progress
from tailfirst.errors import TailfirstError

if TYPE_CHECKING:
    import torch

BETAS = (0.9, 0.999)


@dataclass(frozen=True, slots=True)
class Point:
    """An epoch of a learning curve."""

    stage: str
    epoch: int  # of the stage, from 1
    loss: float  # mean over the epoch's steps, nats
    lr: float  # of the tower in the last step


class Problem(Protocol):
    """What is minimised."""

    @property
    def device(self) -> "torch.device":
        """Where its tensors are."""

    def tower(self) -> "Mapping[str, torch.nn.Parameter]":
        """What is trained with the rate `lr`."""

    def head(self) -> "Mapping[str, torch.nn.Parameter]":
        """What is trained with the rate `lr_head`."""

    def begin(self, rng: np.random.Generator) -> None:
        """Called before every epoch."""

    def loss(self, rows: Ints, mix: Mix | None, rng: np.random.Generator) -> "torch.Tensor":
        """The mean loss of a batch."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of the loop."""

    name: str
    draws: Draws
    loop: Loop
    lr: float
    lr_head: float
    cutmix: Cutmix | None = None
    epochs: int = 0  # of the schedule
    stop: int | None = None  # after this many of them; None = all


def run(
    problem: Problem,
    stage: Stage,
    rng: np.random.Generator,
    keeper: Keeper,
    after: Callable[[int], None] | None = None,
) -> list[Point]:
    """Train, from where an earlier try stopped; gives the learning curve.

    Args:
        problem: Its parameters are changed in place.
        stage: Rows, rates and lengths.
        rng: Consumed.
        keeper: Where the state after each epoch is kept.
        after: Called with the number of finished epochs after each of them; a fit with it is not resumed half-way.

    Raises:
        TailfirstError: The loss is not finite; names epoch and step.
    """
    steps = -(-stage.draws.size // stage.loop.batch)
    climb = _Climb(problem, stage, steps * stage.epochs)
    curve: list[Point] = []
    standing = keeper.load()
    if standing is not None:
        climb.restore(standing)
        rng.bit_generator.state = standing.state["generator"]
        curve = [Point(**one) for one in standing.state["curve"]]
    last = stage.epochs if stage.stop is None else stage.stop
    with progress(f"fitting ({stage.name})", last * steps) as advance:
        advance(len(curve) * steps)
        for epoch in range(len(curve), last):
            losses: list[float] = []
            problem.begin(rng)
            for rows in _batches(stage.draws.epoch(rng), stage.loop.batch):
                loss = climb.step(rows, draw_mix(len(rows), stage.cutmix, rng), rng)
                if not math.isfinite(loss):
                    raise TailfirstError(
                        f"{stage.name}: the loss is {loss} in epoch {epoch + 1}, step {len(losses) + 1} of {steps}; "
                        f"lower lr ({climb.rate:.1e} now), or look for vectors or images that are not finite"
                    )
                losses.append(loss)
                advance(1, f"loss {loss:.3f}")
            curve.append(Point(stage.name, epoch + 1, float(np.mean(losses)), climb.rate))
            kept = {"generator": generator_state(rng), "curve": [asdict(point) for point in curve]}
            keeper.save(Standing(climb.tensors(), kept))
            if after is not None:
                after(epoch + 1)
    return curve


@contextmanager
def deterministic(device: "torch.device") -> Iterator[None]:
    """Deterministic kernels and a random state of torch of our own; what was before is restored."""
    import torch

    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS needs for it
    before, warn = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.use_deterministic_algorithms(mode=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(mode=before, warn_only=warn)


def factor(step: int, steps: int, warmup: int) -> float:
    """What a rate is multiplied with: a linear rise, then half a cosine to 0."""
    rise = min(warmup, steps // 10)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


class _Climb:
    """The optimizer and one step."""

    def __init__(self, problem: Problem, stage: Stage, steps: int) -> None:
        import torch

        self.problem, self.stage, self.steps = problem, stage, steps
        self.done, self.rate = 0, 0.0
        gpu = problem.device.type == "cuda"
        self.mixed = gpu if stage.loop.amp == "auto" else stage.loop.amp == "bfloat16"
        self.named = {f"tower.{name}": p for name, p in problem.tower().items()}
        self.named |= {f"head.{name}": p for name, p in problem.head().items()}
        groups = [
            {"params": list(group.values()), "lr": rate, "base": rate}
            for group, rate in ((problem.tower(), stage.lr), (problem.head(), stage.lr_head))
            if group
        ]
        self.optimizer = torch.optim.AdamW(groups, betas=BETAS, weight_decay=stage.loop.weight_decay)

    def step(self, rows: Ints, mix: Mix | None, rng: np.random.Generator) -> float:
        """Take one step; the loss before it."""
        import torch

        torch.manual_seed(int(rng.integers(2**62)))
        part = factor(self.done, self.steps, self.stage.loop.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base"] * part
        self.rate = self.stage.lr * part
        with torch.autocast(self.problem.device.type, torch.bfloat16, enabled=self.mixed):
            loss = self.problem.loss(rows, mix, rng)
        value = float(loss.detach())
        if math.isfinite(value):
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            if self.stage.loop.clip is not None:
                torch.nn.utils.clip_grad_norm_(list(self.named.values()), self.stage.loop.clip)
            self.optimizer.step()
            self.done += 1
        return value

    def tensors(self) -> "dict[str, torch.Tensor]":
        """Weights and optimizer state by name."""
        import torch

        found: dict[str, torch.Tensor] = {f"weight.{name}": parameter for name, parameter in self.named.items()}
        for name, parameter in self.named.items():
            own = self.optimizer.state.get(parameter, {})
            found |= {f"optimizer.{key}.{name}": value for key, value in own.items()}
        return found

    def restore(self, standing: Standing) -> None:
        """Go back to a standing; every tensor is copied by value."""
        import torch

        with torch.no_grad():
            for name, parameter in self.named.items():
                parameter.copy_(standing.tensors[f"weight.{name}"])
        for full, tensor in standing.tensors.items():
            kind, _, rest = full.partition(".")
            key, _, name = rest.partition(".")
            if kind == "optimizer":
                where = "cpu" if key == "step" else self.problem.device
                self.optimizer.state[self.named[name]][key] = tensor.to(where)
        self.done = len(standing.state["curve"]) * -(-self.stage.draws.size // self.stage.loop.batch)


def _batches(rows: Ints, size: int) -> Iterator[Ints]:
    return (rows[first : first + size] for first in range(0, len(rows), size))
