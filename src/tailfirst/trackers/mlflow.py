"""Rounds in MLflow: campaign run > round runs > candidate runs, curves over labels and cost, a gated registry.

Everything is written through `MlflowClient` with run ids: the fluent active run is per thread and is lost in worker
threads. Model versions move by alias: `challenger` is the newest, `champion` passed the gate, `previous` is the way
back; the gate's record stands in the version's tags.
"""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tailfirst.adaptation._tuned import CURVE
from tailfirst.config import Settings
from tailfirst.errors import Unavailable
from tailfirst.paths import Workspace
from tailfirst.trackers import CandidateReport, Decide, RoundReport, V, _models, _runs
from tailfirst.trackers._runs import Point

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

ENVIRONMENT = {  # read by MLflow when it is imported
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
CENT = 10_000  # micros
CURVES = ("accuracy", "balanced_accuracy", "macro_f1", "tail_accuracy", "head_accuracy", "ece")


def load(ws: Workspace, settings: Settings) -> "MlflowTracker":
    """The tracker of a workspace: its own SQLite database, or the server that the settings name."""
    ws.mlruns.mkdir(parents=True, exist_ok=True)
    own = f"sqlite:///{(ws.mlruns / 'mlflow.db').absolute()}"
    uri = settings.mlflow_uri or own
    place = None if _runs.is_server(uri) else (ws.mlruns / "artifacts").absolute().as_uri()  # a server has its own
    return MlflowTracker(ws, uri, place)


@dataclass(frozen=True, slots=True)
class MlflowTracker:
    """See `trackers.Tracker`."""

    ws: Workspace
    uri: str
    artifact_location: str | None

    def client(self) -> "MlflowClient":
        """A client of this tracker's store; the database is migrated on first use."""
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def log_round(self, report: RoundReport) -> str:
        """Write the round, its candidates and the campaign's curves; register the chosen candidate."""
        client = self.client()
        experiment = _runs.experiment(client, report.campaign, self.artifact_location)
        _runs.close_stale(client, experiment, report.at)
        campaign = self._campaign(client, experiment, report)
        run = self._round(client, experiment, report, campaign)
        for candidate in report.candidates:
            child = self._candidate(client, experiment, report, candidate, run)
            if candidate.name == report.chosen:
                self._challenge(client, report, experiment, child)
            client.set_terminated(child, "FINISHED", _runs.millis(report.at))
        client.set_terminated(run, "FINISHED", _runs.millis(report.at))
        client.set_terminated(campaign, "FINISHED", _runs.millis(report.at))
        return f"experiment {report.campaign}, run {run}"

    def promote(self, report: RoundReport, decide: Decide[V]) -> V:
        """See `Tracker.promote`; a repeated call compares with what the version replaced and moves nothing."""
        client, one = self.client(), _models.chosen_of(report)
        version = _models.version_of(client, report.campaign, one.key(report)) if one is not None else None
        if one is None or version is None:
            raise Unavailable(f"round {report.round_no} of {report.campaign} has no logged challenger; log_round first")
        champion = _models.alias(client, report.campaign, "champion")
        again = champion is not None and champion.version == version.version
        against = _models.alias(client, report.campaign, "previous") if again else champion
        with tempfile.TemporaryDirectory() as scratch:
            verdict = decide(_holdout(client, against, Path(scratch)), one.holdout)
        self._record(client, version, against, verdict, report)
        if verdict.promote and not again:
            if champion is not None:
                client.set_registered_model_alias(report.campaign, "previous", champion.version)
            client.set_registered_model_alias(report.campaign, "champion", version.version)
        if verdict.promote:
            client.delete_registered_model_alias(report.campaign, "challenger")
        return verdict

    def _campaign(self, client: "MlflowClient", experiment: str, report: RoundReport) -> str:
        tags = {"campaign": report.campaign, "kind": "campaign", "currency": report.currency}
        run = _runs.run(client, experiment, report.campaign, f"campaign {report.campaign}", None, tags, report.at)
        _runs.log(client, run, {}, _curves(report), report.at)
        return run

    def _round(self, client: "MlflowClient", experiment: str, report: RoundReport, parent: str) -> str:
        key = f"{report.campaign}/round-{report.round_no:04d}"
        tags = _tags(report) | {"kind": "round", "candidate": report.chosen or ""}
        run = _runs.run(client, experiment, key, f"round {report.round_no:04d}", parent, tags, report.at)
        chosen = report.candidate(report.chosen)
        points = [Point(name, value, report.n_labels) for name, value in (chosen.metrics if chosen else {}).items()]
        points += [Point(name, value, report.n_labels) for name, value in report.extra.items()]
        points += [
            Point("cost", report.cost_micros / 1e6, report.n_labels),
            Point("labels", report.n_labels, report.n_labels),
        ]
        _runs.log(client, run, report.params, points, report.at)
        _runs.log_dataset(client, run, report)
        for path in (report.batch, report.report, report.task):
            if path is not None and path.exists():
                client.log_artifact(run, str(path))
        return run

    def _candidate(
        self, client: "MlflowClient", experiment: str, report: RoundReport, candidate: CandidateReport, parent: str
    ) -> str:
        key = f"{report.campaign}/round-{report.round_no:04d}/{candidate.name}"
        tags = _tags(report) | {"kind": "candidate", "candidate": candidate.name, "adaptation": candidate.adaptation}
        tags["available"] = str(candidate.why is None).lower()
        if candidate.why is not None:
            tags["why"] = candidate.why
        name = f"{candidate.name} {report.round_no:04d}"
        run = _runs.run(client, experiment, key, name, parent, tags, report.at)
        points = [Point(metric, value, report.n_labels) for metric, value in candidate.metrics.items()]
        points += _losses(candidate.model)
        _runs.log(client, run, dict(candidate.params), points, report.at)
        _runs.log_dataset(client, run, report)
        if candidate.metrics_file is not None and candidate.metrics_file.exists():
            client.log_artifact(run, str(candidate.metrics_file))
        return run

    def _challenge(self, client: "MlflowClient", report: RoundReport, experiment: str, run: str) -> None:
        one = _models.chosen_of(report)
        if one is None:
            return
        version = _models.register(client, self.ws, report, one, experiment, run)
        champion = _models.alias(client, report.campaign, "champion")
        if champion is None or champion.version != version.version:
            client.set_registered_model_alias(report.campaign, "challenger", version.version)

    def _record(
        self,
        client: "MlflowClient",
        version: "ModelVersion",
        against: "ModelVersion | None",
        verdict: V,
        report: RoundReport,
    ) -> None:
        record = {
            "gate.promote": str(verdict.promote).lower(),
            "gate.why": verdict.why,
            "gate.against": f"version {against.version}" if against else "nothing",
            "gate.at": report.at.isoformat(),
            "gate.record": _models.described(verdict),
        }
        for tag, value in record.items():
            client.set_model_version_tag(version.name, version.version, tag, value)


def _holdout(client: "MlflowClient", version: "ModelVersion | None", folder: Path) -> Path | None:
    if version is None or version.run_id is None:
        return None
    return Path(client.download_artifacts(version.run_id, version.tags["holdout"], str(folder)))


def _losses(model: Path | None) -> list[Point]:
    """The learning curve of a candidate that trains in epochs; step = epoch, over all stages."""
    curve = None if model is None else model / CURVE
    if curve is None or not curve.exists():
        return []
    epochs = json.loads(curve.read_text(encoding="utf-8"))
    return [Point("train/loss", epoch["loss"], step) for step, epoch in enumerate(epochs, 1)]


def _tags(report: RoundReport) -> dict[str, str]:
    tags = {
        "campaign": report.campaign,
        "round": str(report.round_no),
        "dvc.md5": report.data_md5,
        "mlflow.source.git.commit": report.git_sha,
        "git.sha": report.git_sha,
        "git.tag": f"round-{report.round_no:04d}",  # of the commit that records this round, made after it is logged
        "ontology_version": report.ontology_version,
        "strategy": report.strategy,
        "vendor": report.vendor,
        "encoder": report.encoder.fingerprint,
    }
    extra = {"vendor_batch_id": report.vendor_batch_id, "sealed_sha256": report.sealed_sha256}
    return tags | {name: value for name, value in extra.items() if value is not None}


def _curves(report: RoundReport) -> list[Point]:
    """The campaign's curves: step = labels bought, or cents where the name ends in `_by_cost`."""
    cents = report.cost_micros // CENT
    chosen = report.candidate(report.chosen)
    points = [Point(name, value, report.n_labels) for name, value in report.extra.items()]
    for name in CURVES:
        for end in ("", "_low", "_high"):
            if chosen is not None and name + end in chosen.metrics:
                points.append(Point(name + end, chosen.metrics[name + end], report.n_labels))
                points.append(Point(f"{name}{end}_by_cost", chosen.metrics[name + end], cents))
        points += [
            Point(f"{one.name}.{name}", one.metrics[name], report.n_labels)
            for one in report.candidates
            if name in one.metrics
        ]
    return [*points, Point("cost", report.cost_micros / 1e6, report.n_labels)]
