"""Which candidate ranks the pool.

Candidates are compared on the holdout, an evaluation set that the team owns and that no model trains on. Choosing the
best of a few on it makes the winner's number slightly optimistic. So a candidate is preferred to zero-shot only if the
paired interval of the difference in `choice.metric` does not reach below zero; the audit slice stays untouched by any
choice and gives the unbiased number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailfirst.config import Choice

BASELINE = "zero_shot"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The candidate that ranks the pool; None where none is available."""

    candidate: str | None
    metric: str
    scores: Mapping[str, float | None]
    why: str


def choose(metrics: Mapping[str, Mapping[str, Any]], baselines: Sequence[str], choice: Choice) -> Chosen:
    """The best candidate by the metric; equal scores go to the one named first in params.yaml (simpler ones first).

    Args:
        metrics: Candidate -> metrics.json, in the order of params.yaml.
        baselines: Names of the candidates that are plain zero-shot.
        choice: Metric and rules.
    """
    scores = {name: _value(found, choice.metric) for name, found in metrics.items()}
    known = {name: score for name, score in scores.items() if score is not None}
    if not known:
        missing = "; ".join(f"{name}: {found.get('why') or 'nothing to measure'}" for name, found in metrics.items())
        return Chosen(None, choice.metric, scores, f"no candidate is available yet ({missing})")
    doubtful = {name for name in known if name not in baselines and _may_lose(metrics[name], choice.metric)}
    admitted = {name: score for name, score in known.items() if name not in doubtful}
    best = max((admitted or known).values())
    name = next(name for name, score in (admitted or known).items() if score == best)
    why = f"best {choice.metric} of {len(known)}: {best:.3f}"
    if rivals := sorted(n for n in doubtful - {name} if known[n] > best):
        why += f"; {', '.join(rivals)} scored higher, but against zero-shot the interval does not exclude a loss"
    return Chosen(name, choice.metric, scores, why)


def _value(metrics: Mapping[str, Any], metric: str) -> float | None:
    found = metrics.get(metric) if metrics.get("available") else None
    return None if found is None else float(found["value"])


def _may_lose(metrics: Mapping[str, Any], metric: str) -> bool:
    against = (metrics.get("versus_zero_shot") or {}).get(metric)
    return against is not None and float(against["low"]) < 0
