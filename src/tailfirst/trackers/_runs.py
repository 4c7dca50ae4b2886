"""Runs that are found again: everything is written by run id, and writing it twice changes nothing.

A killed process leaves RUNNING runs and a retry would make twins (https://github.com/mlflow/mlflow/issues/10510,
https://github.com/mlflow/mlflow/issues/4248), so every run carries a deterministic key as a tag.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tailfirst.trackers import RoundReport

if TYPE_CHECKING:
    from mlflow import MlflowClient  # noqa: TID251 - this package is the adapter

KEY = "tailfirst.key"
MAX_VALUE = 6000  # characters of a param
MAX_BATCH = 100  # params or tags per call; MLflow takes 100 params and 1000 metrics
MAX_METRICS = 1000
FORBIDDEN = re.compile(r"[^\w\-. :/]", re.ASCII)  # in names of metrics and params


@dataclass(frozen=True, slots=True)
class Point:
    """One metric value; `step` counts labels, or cents where the name says so."""

    name: str
    value: float
    step: int


def is_server(uri: str) -> bool:
    """Whether a tracking URI names a server, and not a database that we open ourselves."""
    return uri.startswith(("http://", "https://"))


def experiment(client: "MlflowClient", name: str, artifact_location: str | None) -> str:
    """The id of the campaign's experiment, made on first use."""
    from mlflow.exceptions import MlflowException  # noqa: TID251

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifact_location))
        except MlflowException as error:
            found = client.get_experiment_by_name(name)  # somebody else was faster
            if found is None:
                raise error from None
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def close_stale(client: "MlflowClient", experiment_id: str, at: datetime) -> tuple[str, ...]:
    """End runs of ours that a killed process left RUNNING; a campaign has one writer, so none of them is alive."""
    stale = client.search_runs([experiment_id], "attributes.status = 'RUNNING'", max_results=1000)
    ours = [run.info.run_id for run in stale if KEY in run.data.tags]
    for run_id in ours:
        client.set_terminated(run_id, "KILLED", millis(at))
    return tuple(ours)


def run(
    client: "MlflowClient",
    experiment_id: str,
    key: str,
    name: str,
    parent: str | None,
    tags: Mapping[str, str],
    at: datetime,
) -> str:
    """The id of the run with this key, made on first use; its tags are brought up to date."""
    wanted = {KEY: key, **tags} | ({"mlflow.parentRunId": parent} if parent else {})
    found = client.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'", max_results=1, order_by=["start_time ASC"])
    if not found:
        made = client.create_run(experiment_id, start_time=millis(at), tags=wanted, run_name=name)
        return str(made.info.run_id)
    there = found[0].data.tags
    for tag, value in wanted.items():
        if there.get(tag) != value:
            client.set_tag(found[0].info.run_id, tag, value)
    return str(found[0].info.run_id)


def log(client: "MlflowClient", run_id: str, params: Mapping[str, str], points: list[Point], at: datetime) -> None:
    """Params that are not there yet (they cannot change) and metric points that are not there yet."""
    from mlflow.entities import Metric, Param  # noqa: TID251

    there = client.get_run(run_id).data
    points = [replace(p, name=allowed(p.name)) for p in points]
    wanted = {allowed(key): value for key, value in params.items()}
    new = [Param(k, v[:MAX_VALUE]) for k, v in wanted.items() if k not in there.params]
    for start in range(0, len(new), MAX_BATCH):
        client.log_batch(run_id, params=new[start : start + MAX_BATCH])
    fresh = [p for p in points if math.isfinite(p.value) and not _known(client, run_id, there.metrics, p)]
    metrics = [Metric(p.name, p.value, millis(at), p.step) for p in fresh]
    for start in range(0, len(metrics), MAX_METRICS):
        client.log_batch(run_id, metrics=metrics[start : start + MAX_METRICS])


def allowed(name: str) -> str:
    """A name as MLflow takes it: other signs become their code point, so that no two names become one."""
    return FORBIDDEN.sub(lambda sign: f"_u{ord(sign.group()):04x}", name)


def _known(client: "MlflowClient", run_id: str, latest: Mapping[str, float], point: Point) -> bool:
    if point.name not in latest:
        return False
    history = client.get_metric_history(run_id, point.name)
    return any(old.step == point.step and old.value == point.value for old in history)


def log_dataset(client: "MlflowClient", run_id: str, report: RoundReport) -> None:
    """data/ as the run's dataset: only its name, place and DVC md5, never the bytes."""
    import warnings

    from mlflow.data.dataset_source_registry import resolve_dataset_source  # noqa: TID251
    from mlflow.data.meta_dataset import MetaDataset  # noqa: TID251
    from mlflow.entities import DatasetInput, InputTag  # noqa: TID251

    inputs = client.get_run(run_id).inputs
    if inputs is not None and any(one.dataset.digest == report.data_md5 for one in inputs.dataset_inputs):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "can be interpreted in multiple ways": both are the same class
        source: Any = resolve_dataset_source(report.data_path.absolute().as_uri())
    known: Any = MetaDataset  # its abstract property is overridden by none of MLflow's own users either
    entity = known(source, name=f"{report.campaign}-data", digest=report.data_md5)._to_mlflow_entity()  # noqa: SLF001
    tags = [
        InputTag("mlflow.data.context", "train and holdout"),
        InputTag("dvc.md5", report.data_md5),
        InputTag("git.sha", report.git_sha),
    ]
    client.log_inputs(run_id, datasets=[DatasetInput(entity, tags)])


def millis(at: datetime) -> int:
    """Milliseconds since 1970."""
    return int(at.timestamp() * 1000)
