"""Trackers: where a finished round is written for people to read; file name = plugin name.

Nothing reads a tracker to decide what runs next, except the alias `champion`. A plugin offers
`load(ws, settings) -> Tracker`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "tail_accuracy", "head_accuracy", "ece")


@dataclass(frozen=True, slots=True)
class EncoderReport:
    """What a served model needs to make the same vectors again."""

    plugin: str
    fingerprint: str
    options: Mapping[str, Any]  # validated options of params.yaml
    reads: Literal["image", "text", "row"]
    dim: int


@dataclass(frozen=True, slots=True)
class CandidateReport:
    """One candidate of a round; the paths are None where the candidate is not available."""

    name: str
    adaptation: str
    metrics: Mapping[str, float]
    params: Mapping[str, str] = field(default_factory=dict)
    model: Path | None = None  # folder with safetensors + JSON
    metrics_file: Path | None = None
    holdout: Path | None = None  # predictions on the holdout (schemas.HOLDOUT_PREDICTIONS)
    why: str | None = None  # why it is not available


@dataclass(frozen=True, slots=True)
class RoundReport:
    """Everything a tracker writes about one round; `n_labels` and `cost_micros` are cumulative over the campaign."""

    campaign: str
    round_no: int
    at: datetime
    params: Mapping[str, str]  # flat: section.key -> text
    candidates: tuple[CandidateReport, ...]
    chosen: str | None
    n_labels: int
    cost_micros: int
    currency: str
    data_md5: str  # md5 of data.dvc
    data_path: Path
    git_sha: str
    ontology_version: str
    vendor: str
    strategy: str
    class_ids: tuple[str, ...]
    encoder: EncoderReport
    task: Path  # data/task.yaml
    batch: Path | None = None
    report: Path | None = None
    vendor_batch_id: str | None = None
    sealed_sha256: str | None = None
    extra: Mapping[str, float] = field(default_factory=dict)  # e.g. control_accuracy

    def candidate(self, name: str | None) -> CandidateReport | None:
        """The candidate of that name, or None."""
        return next((c for c in self.candidates if c.name == name), None)


class Verdict(Protocol):
    """What the gate says (evaluation.gate): a frozen dataclass with at least these two."""

    @property
    def promote(self) -> bool:
        """True: the challenger becomes champion."""

    @property
    def why(self) -> str:
        """One sentence for people."""


V = TypeVar("V", bound=Verdict)
Decide = Callable[[Path | None, Path], V]  # (champion's holdout predictions or None, challenger's) -> verdict


class Tracker(Protocol):
    """Where rounds are written. Both calls may be repeated: the second changes nothing."""

    def log_round(self, report: RoundReport) -> str:
        """Write a round and register the chosen candidate as `challenger`; a link or id for people."""

    def promote(self, report: RoundReport, decide: Decide[V]) -> V:
        """Ask the gate about the challenger and move `champion` only if it says so; keeps `previous`.

        Raises:
            Unavailable: The round chose no candidate, or it was not logged.
        """


def flat_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    """A candidate's metrics.json as numbers with names: value, `_low`, `_high`, `recall.<class>`, `versus_zero_shot.*`.

    Entries that are null (nothing to measure) are left out.
    """
    flat: dict[str, float] = {}
    for name in METRICS:
        flat |= _interval(name, metrics.get(name))
    for class_id, row in (metrics.get("per_class") or {}).items():
        if row.get("recall") is not None:
            flat[f"recall.{class_id}"] = float(row["recall"])
    for name, value in (metrics.get("versus_zero_shot") or {}).items():
        flat |= _interval(f"versus_zero_shot.{name}", value)
    for name in ("n_labels", "n_retrieved"):
        if metrics.get(name) is not None:
            flat[name] = float(metrics[name])
    return flat


def flat_params(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested params as `section.key -> text`, sorted; lists are comma separated."""
    flat: dict[str, str] = {}
    for key, inner in sorted(value.items()):
        if isinstance(inner, Mapping):
            flat |= flat_params(inner, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = ", ".join(map(str, inner)) if isinstance(inner, list | tuple) else str(inner)
    return flat


def _interval(name: str, value: Mapping[str, float | None] | None) -> dict[str, float]:
    if not value or value.get("value") is None:
        return {}
    ends = {"value": name, "low": f"{name}_low", "high": f"{name}_high"}
    return {ends[key]: float(number) for key, number in value.items() if key in ends and number is not None}
