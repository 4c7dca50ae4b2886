"""Which runs belong to a round, and which round to a run: what lineage asks of MLflow. Reads only."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from tailfirst.config import Settings
from tailfirst.errors import Unavailable
from tailfirst.paths import Workspace
from tailfirst.plugins import load

if TYPE_CHECKING:
    from mlflow import MlflowClient  # noqa: TID251 - this package is the adapter

RUN_ID = re.compile(r"[0-9a-f]{32}$")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a round."""

    run_id: str
    kind: str  # round | candidate | campaign
    candidate: str
    round_no: int
    dvc_md5: str  # data version that it was logged with
    git_sha: str


class _Serving(Protocol):
    def client(self) -> "MlflowClient":
        """MLflow's client."""


def runs_of_round(ws: Workspace, settings: Settings, campaign: str, round_no: int) -> tuple[Run, ...]:
    """The round's run and its candidates' runs; empty where nothing was logged.

    Raises:
        Unavailable: The tracking store cannot be read.
    """
    return _search(ws, settings, campaign, f"tags.`round` = '{round_no}'")


def run_of(ws: Workspace, settings: Settings, campaign: str, run_id: str) -> Run | None:
    """The run with this id, if it is one of the campaign's rounds.

    Raises:
        Unavailable: The tracking store cannot be read.
    """
    if not RUN_ID.match(run_id):
        return None
    return next(iter(_search(ws, settings, campaign, f"attributes.run_id = '{run_id}'")), None)


def _search(ws: Workspace, settings: Settings, campaign: str, query: str) -> tuple[Run, ...]:
    """Runs by kind and name; a store that does not exist is not made."""
    if settings.tracker != "mlflow" or (settings.mlflow_uri is None and not (ws.mlruns / "mlflow.db").exists()):
        return ()
    from mlflow.exceptions import MlflowException  # noqa: TID251

    tracker = cast("_Serving", load("trackers", settings.tracker).load(ws, settings))
    try:
        client = tracker.client()
        experiment = client.get_experiment_by_name(campaign)
        found = client.search_runs([experiment.experiment_id], query, max_results=1000) if experiment else []
    except MlflowException as error:
        raise Unavailable(f"MLflow at {settings.mlflow_uri or ws.mlruns} cannot be read: {error}") from error
    runs = [_run(run.info.run_id, run.data.tags) for run in found if run.data.tags.get("round", "").isdigit()]
    return tuple(sorted(runs, key=lambda r: (r.kind != "round", r.candidate)))


def _run(run_id: str, tags: dict[str, str]) -> Run:
    names = ("kind", "candidate", "round", "dvc.md5", "git.sha")
    kind, candidate, number, md5, sha = (tags.get(name, "") for name in names)
    return Run(run_id, kind, candidate, int(number), md5, sha)
