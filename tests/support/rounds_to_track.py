"""Round reports of a workspace with two candidates, whose heads are as good as asked."""

import functools
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from tailfirst import artifacts, schemas
from tailfirst.adaptation._linear import LinearModel
from tailfirst.paths import Workspace
from tailfirst.trackers import CandidateReport, EncoderReport, RoundReport

CLASSES = ("oak", "elm", "ash")
DIM, HOLDOUT = 6, 60
BEGIN = datetime(2026, 3, 2, 6, tzinfo=UTC)


def report(ws: Workspace, round_no: int, right: float, zero_right: float = 0.4) -> RoundReport:
    """A round whose linear probe answers a share `right` of the holdout correctly."""
    candidates = tuple(_candidate(ws, n, round_no, r) for n, r in (("zero_shot", zero_right), ("linear_probe", right)))
    artifacts.write_bytes(ws.task, b"name: trees\n")
    artifacts.write_bytes(ws.sealed(round_no) / "batch.parquet", b"a batch")
    return RoundReport(
        campaign="trees",
        round_no=round_no,
        at=BEGIN + timedelta(days=7 * round_no),
        params={"campaign.name": "trees", "acquisition.budget": "20"},
        candidates=candidates,
        chosen="linear_probe",
        n_labels=20 * round_no,
        cost_micros=1_200_000 * round_no,
        currency="USD",
        data_md5=f"{round_no:032x}.dir",
        data_path=ws.data,
        git_sha=f"{round_no:040x}",
        ontology_version="1",
        vendor="simulated",
        strategy="tail_first",
        class_ids=CLASSES,
        encoder=EncoderReport("precomputed", "rows:1", {"logit_scale": 100.0}, "row", DIM),
        task=ws.task,
        batch=ws.sealed(round_no) / "batch.parquet",
        sealed_sha256="ab" * 32,
        extra={"random_accuracy": 0.5},
    )


def with_page(one: RoundReport, ws: Workspace) -> RoundReport:
    """The same round after its page was written."""
    page = ws.report / f"round-{one.round_no:04d}.html"
    artifacts.write_bytes(page, b"<p>done</p>")
    return replace(one, report=page)


def without_choice(one: RoundReport) -> RoundReport:
    """A round in which no candidate is available."""
    absent = tuple(CandidateReport(c.name, c.adaptation, {}, why="no labels yet") for c in one.candidates)
    return replace(one, candidates=absent, chosen=None)


def _candidate(ws: Workspace, name: str, round_no: int, right: float) -> CandidateReport:
    rng = np.random.default_rng([round_no, len(name)])
    weights = rng.normal(size=(len(CLASSES), DIM)).astype(np.float32)
    folder = ws.model(name)
    with artifacts.atomic_folder(folder) as made:
        LinearModel("rows:1", CLASSES, weights, 5.0).save(made)
    artifacts.write_json(ws.metrics(name), {"candidate": name, "accuracy": {"value": right}})
    artifacts.write_parquet(ws.holdout_predictions(name), _holdout(right))
    metrics = {"accuracy": right, "accuracy_low": right - 0.1, "accuracy_high": right + 0.1, "recall.oak": right}
    return CandidateReport(
        name, name, metrics, {"l2": "1.0"}, folder, ws.metrics(name), ws.holdout_predictions(name)
    )  # fmt: skip


def _holdout(right: float) -> pa.Table:
    rows = []
    for number in range(HOLDOUT):
        truth = CLASSES[number % 3]
        predicted = truth if number < right * HOLDOUT else CLASSES[(number + 1) % 3]
        rows.append({"item_id": f"{number:020x}", "class_id": truth, "predicted": predicted, "probability": 0.9})
    return pa.Table.from_pylist(rows, schema=schemas.HOLDOUT_PREDICTIONS)


def accuracy(path: Path) -> float:
    """The share of right answers in a file of holdout predictions."""
    table = schemas.read(path, schemas.HOLDOUT_PREDICTIONS)
    return float(np.mean(np.array(table["class_id"].to_pylist()) == np.array(table["predicted"].to_pylist())))


@functools.cache
def empty_store() -> bytes:
    """A migrated MLflow database without runs: migrating takes seconds, so it is done once per process."""
    from tailfirst.config import Settings
    from tailfirst.trackers import mlflow

    with tempfile.TemporaryDirectory() as folder:
        ws = Workspace(Path(folder))
        client = mlflow.load(ws, Settings(_env_file=None)).client()
        client.search_registered_models(max_results=1)
        return (ws.mlruns / "mlflow.db").read_bytes()


def workspace(root: Path) -> Workspace:
    """An empty workspace whose MLflow store is migrated already."""
    ws = Workspace(root)
    artifacts.write_bytes(ws.mlruns / "mlflow.db", empty_store())
    return ws
