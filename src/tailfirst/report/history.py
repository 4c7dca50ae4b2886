"""What was known after each round: labels, money and measures, put together from sealed rounds and work/.

The measures after round k stand in the round.json of round k + 1 (`metrics_before`); those after the last round
stand in work/. So the whole history is a function of data/ and work/, whenever it is asked.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailfirst import schemas
from tailfirst.config import Params
from tailfirst.contracts import Interval
from tailfirst.errors import TaskFolderError
from tailfirst.paths import Workspace
from tailfirst.report.measures import SHOWN, Measures, interval, parse

ZERO_SHOT = "zero_shot"


@dataclass(frozen=True, slots=True)
class State:
    """After `round_no` sealed rounds (0: before the first)."""

    round_no: int
    n_labels: int  # that may train: seed and bought, without the audit
    cost_micros: int  # of all rounds so far
    chosen: str | None  # the candidate that ranks the pool
    candidates: Mapping[str, Measures]

    @property
    def best(self) -> Measures | None:
        """The chosen candidate's measures; None where nothing was chosen or measured."""
        found = self.candidates.get(self.chosen or "")
        return found if found and found.available else None


@dataclass(frozen=True, slots=True)
class Control:
    """The random arm: what the same adaptation reaches with labels drawn at random."""

    why: str | None  # why there is none
    points: tuple["ControlPoint", ...] = ()

    def after(self, rounds: int) -> "ControlPoint | None":
        """The point after a number of sealed rounds."""
        return self.points[rounds - 1] if 0 < rounds <= len(self.points) else None


@dataclass(frozen=True, slots=True)
class ControlPoint:
    """Means over seeds, with their spread."""

    n_labels: int
    seeds: int
    values: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class History:
    """All states of a campaign, oldest first; `states[k]` is the one after k rounds."""

    states: tuple[State, ...]
    control: Control
    zero_shot: Measures | None  # latest measures of the zero-shot candidate
    no_zero_shot: str  # why there are none; empty where there are

    @property
    def others(self) -> tuple[str, ...]:
        """Candidates, zero-shot aside, that once measured otherwise than the chosen one: lines of their own."""
        zero = self.zero_shot.candidate if self.zero_shot else None
        names = {
            name
            for state in self.states
            for name, found in state.candidates.items()
            if found.available and state.best and found.values != state.best.values
        }
        return tuple(sorted(names - {zero}))

    @property
    def rounds(self) -> int:
        """How many rounds are sealed."""
        return len(self.states) - 1


def sealed_rounds(ws: Workspace) -> tuple[int, ...]:
    """Numbers of the sealed rounds, ascending."""
    folders = ws.rounds.glob("[0-9][0-9][0-9][0-9]*") if ws.rounds.is_dir() else ()
    return tuple(sorted(int(p.name) for p in folders if p.name.isdigit() and (p / "round.json").is_file()))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of the workspace.

    Raises:
        TaskFolderError: Missing or not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TaskFolderError(f"{path} cannot be read: {error}; `dvc checkout` or `dvc repro` restores it") from error
    if not isinstance(value, dict):
        raise TaskFolderError(f"{path} must hold a JSON object; found {type(value).__name__}")
    return value


def history(ws: Workspace, params: Params) -> History:
    """Everything measured so far.

    Raises:
        TaskFolderError: A sealed round or a result in work/ cannot be read.
    """
    numbers = sealed_rounds(ws)
    records = {number: read_json(ws.sealed(number) / "round.json") for number in numbers}
    labels = label_rounds(ws)
    states, cost = [], 0
    for place, after in enumerate((0, *numbers)):
        if after:
            cost += int(records[after].get("cost_micros") or 0)
        known = sum(number <= after for number in labels)
        if place < len(numbers):
            states.append(_past(after, known, cost, records[numbers[place]]))
        else:
            states.append(_present(ws, params, after, known, cost))
    zero, why = _zero_shot(params, states[-1])
    return History(tuple(states), _control(ws), zero, why)


def label_rounds(ws: Workspace) -> list[int]:
    """The round of every label that may train (0: seed labels)."""
    table = schemas.read(ws.labels, schemas.LABELS) if ws.labels.exists() else schemas.LABELS.empty_table()
    pairs = zip(table["round_no"].to_pylist(), table["purpose"].to_pylist(), strict=True)
    return [number for number, purpose in pairs if purpose != "AUDIT"]


def _past(after: int, n_labels: int, cost: int, following: Mapping[str, Any]) -> State:
    kept = following.get("metrics_before") or {}
    chosen = (following.get("choice_before") or {}).get("candidate")
    return State(after, n_labels, cost, chosen, {name: parse(name, value) for name, value in kept.items() if value})


def _present(ws: Workspace, params: Params, after: int, n_labels: int, cost: int) -> State:
    """The state that work/ holds; candidates that were not evaluated yet are left out."""
    found = {
        name: parse(name, read_json(ws.metrics(name)))
        for name in sorted(params.candidates)
        if ws.metrics(name).exists()
    }
    chosen = read_json(ws.choice).get("candidate") if ws.choice.exists() else None
    return State(after, n_labels, cost, chosen, found)


def _zero_shot(params: Params, last: State) -> tuple[Measures | None, str]:
    names = [name for name, plugin in params.candidates.items() if plugin.plugin == ZERO_SHOT]
    if not names:
        return None, "no candidate of params.yaml is zero-shot"
    found = last.candidates.get(names[0])
    if found is None:
        return None, f"{names[0]} was not evaluated yet"
    return (found, "") if found.available else (None, found.why or "zero-shot is not available for this encoder")


def _control(ws: Workspace) -> Control:
    if not ws.control.exists():
        return Control("the random arm was not measured yet")
    value = read_json(ws.control)
    if not value.get("available"):
        return Control(value.get("why") or "this task has no oracle")
    return Control(None, tuple(_control_point(point) for point in value.get("points") or ()))


def _control_point(value: Mapping[str, Any]) -> ControlPoint:
    found = {name: measured for name in SHOWN if (measured := interval(value.get(name))) is not None}
    seeds = value.get("seeds")
    return ControlPoint(int(value["n_labels"]), len(seeds) if isinstance(seeds, list) else int(seeds or 0), found)
