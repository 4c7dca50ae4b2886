"""The recomputable stages: files in, files out, no ledger, vendor, network or tracker.

DVC and the flow call the same functions. Each gathers (reads), decides (pure functions in adaptation/, evaluation/,
acquisition/ and backtest.py) and acts (writes). `settings` say where it runs; None: as the environment says.
"""

import json
import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tailfirst import artifacts, plugins, pool, schemas
from tailfirst.acquisition import _compose, _gather, _table
from tailfirst.acquisition._view import pool_view
from tailfirst.adaptation import zero_shot
from tailfirst.adaptation._linear import LinearModel
from tailfirst.adaptation._train import training_set
from tailfirst.artifacts import Artifact
from tailfirst.config import Params, Settings
from tailfirst.contracts import Floats, Model, TrainSet
from tailfirst.embedding import Embeddings, load_embeddings
from tailfirst.errors import EncoderMismatch, StaleArtifact, TaskFolderError, Unavailable
from tailfirst.evaluation import choice as choosing
from tailfirst.evaluation import summary
from tailfirst.items import load_items
from tailfirst.labels import caption_counts, read_labels
from tailfirst.ontology.tables import given_under, read_known
from tailfirst.paths import Workspace
from tailfirst.quality import batch as repeated
from tailfirst.source import Behind
from tailfirst.task import load_task
from tailfirst.vectors import unit

log = logging.getLogger(__name__)
FITS = 2  # stream of random numbers of the adaptations


def retrieve(ws: Workspace, params: Params, settings: Settings) -> None:
    """Open data for the classes, and how often captions name them."""
    from tailfirst.retrieval import run

    run.retrieve(ws, params, settings)


def embed(ws: Workspace, params: Params, settings: Settings) -> None:
    """Vectors of pool, holdout and retrieved data."""
    from tailfirst.embedding import run_embed

    run_embed(ws, params, settings)


def adapt(ws: Workspace, params: Params, candidate: str, settings: Settings | None = None) -> Artifact:
    """Fit a candidate on labels and retrieved data; one that lacks what it needs says so in model.json.

    Raises:
        TaskFolderError: Labels that may not train, or unknown classes.
    """
    plugin = params.candidates[candidate]
    found = load_embeddings(ws)
    behind = Behind(ws, params, settings or Settings(), found).source(candidate)
    train = training_set(found, read_labels(ws), load_task(ws.task).class_ids, behind)
    rng = np.random.default_rng([params.campaign.seed, FITS])
    card = {"plugin": plugin.plugin, "encoder": train.encoder, **_sizes(train)}
    with artifacts.atomic_folder(ws.model(candidate)) as folder:
        try:
            model = plugins.load("adaptation", plugin.plugin).fit(train, plugin.params("adaptation"), rng)
        except Unavailable as error:
            log.warning("%s is not available: %s", candidate, error)
            card |= {"available": False, "why": str(error)}
        else:
            model.save(folder)
            card |= {"available": True, "why": None}
        artifacts.write_json(folder / "model.json", card)
    return Artifact.of(ws.model(candidate))


def predict(ws: Workspace, params: Params, candidate: str, settings: Settings | None = None) -> Artifact:
    """Class probabilities of every item, rows as in embeddings/items.parquet; (0, C) for an unavailable candidate.

    Raises:
        EncoderMismatch: The model was fitted on vectors of another encoder.
    """
    found = load_embeddings(ws)
    card = _card(ws, candidate)
    nothing = np.zeros((0, found.items.shape[1]), np.float16)
    if not card["available"]:
        artifacts.write_array(ws.features(candidate), nothing)
        return artifacts.write_array(ws.predictions(candidate), np.zeros((0, card["n_classes"]), np.float32))
    model = _model(ws, params, candidate)
    if model.encoder != found.encoder:
        raise EncoderMismatch(
            f"{candidate} takes vectors of encoder {model.encoder}, work/embeddings holds those of {found.encoder}; "
            "run adapt again"
        )
    features = Behind(ws, params, settings or Settings(), found).features(model)
    artifacts.write_array(ws.features(candidate), nothing if features is found.items else features.astype(np.float16))
    return artifacts.write_array(ws.predictions(candidate), model.probs(features).astype(np.float32))


def evaluate(ws: Workspace, params: Params, candidate: str) -> Artifact:
    """Metrics with intervals on the holdout, tail apart from head, beside zero-shot on the same items.

    Raises:
        TaskFolderError: Holdout labels of pool items, or unknown classes.
        StaleArtifact: The predictions do not fit the embeddings.
    """
    found, task, card = load_embeddings(ws), load_task(ws.task), _card(ws, candidate)
    classes = task.class_ids
    table, rows = summary.holdout_rows(found.item_ids, found.is_pool, read_known(ws, ws.holdout, schemas.LABELED))
    n_labels, n_retrieved = card["n_labels"], card["n_retrieved"]
    why = card["why"] if not card["available"] else None if len(rows) else "data/holdout.parquet labels no item"
    if why is not None:
        empty = pa.table({n: [] for n in schemas.HOLDOUT_PREDICTIONS.names}, schema=schemas.HOLDOUT_PREDICTIONS)
        artifacts.write_parquet(ws.holdout_predictions(candidate), empty)
        return artifacts.write_json(ws.metrics(candidate), summary.unavailable(candidate, why, n_labels, n_retrieved))
    truth, ids = summary.truth_rows(table, classes), found.item_ids[rows]
    tail, said = summary.tail(caption_counts(ws, classes), truth, classes, params.evaluation.tail_share)
    own = summary.answers(ids, truth, _probs(ws, candidate, found)[rows].astype(np.float64), tail)
    plain = _zero_shot(found, classes) if card["plugin"] != choosing.BASELINE else None
    beside = None if plain is None else summary.answers(ids, truth, plain.probs(found.items[rows]), tail)
    measured = summary.metrics(own, beside, classes, params.evaluation, params.campaign.seed)
    known = {"candidate": candidate, "available": True, "why": None, "n_labels": n_labels, "n_retrieved": n_retrieved}
    artifacts.write_parquet(
        ws.holdout_predictions(candidate), given_under(summary.predictions_table(own, classes), task)
    )
    return artifacts.write_json(ws.metrics(candidate), {**known, "tail_definition": said, **measured})


def choose(ws: Workspace, params: Params) -> Artifact:
    """Which candidate ranks the pool, by the rule of evaluation/choice.py."""
    metrics = {name: _read_json(ws.metrics(name)) for name in params.candidates}
    plain = [name for name, plugin in params.candidates.items() if plugin.plugin == choosing.BASELINE]
    return artifacts.write_json(ws.choice, asdict(choosing.choose(metrics, plain, params.choice)))


def acquire(ws: Workspace, params: Params) -> Artifact:
    """The next batch: a pool smaller than the budget is taken whole, an empty one gives no rows; the notes say so.

    Raises:
        TaskFolderError: A holdout item is labeled, or labels that may not train.
    """
    items, classes, labels = load_items(ws), load_task(ws.task).class_ids, read_labels(ws)
    found, chosen = load_embeddings(ws), _read_json(ws.choice)["candidate"]
    round_no = max(pool.sealed_rounds(ws.rounds), default=0) + 1
    asked = repeated.read(ws, labels, found, classes)
    ignored = pool.ignored_items(ws.rounds) | asked.not_new
    standing = pool.partition(found.item_ids, found.is_pool, labeled=labels["item_id"].to_pylist(), ignored=ignored)
    probs = head = None
    if chosen is not None:
        model = _model(ws, params, chosen)
        probs, head = _probs(ws, chosen, found), model.head
        found = _seen_by(ws, chosen, model, found)
    eligible = repeated.clear(asked, standing.eligible, probs, params.quality, params.acquisition.budget)
    plain = pool_view(found, eligible, labels, caption_counts(ws, classes), probs, classes, head)
    view = _gather.gathered(ws, plain, labels)
    seed, some = params.campaign.seed, eligible.any()
    again = repeated.choose(asked, view, params, round_no)
    budget = params.acquisition.budget
    params = params.model_copy(update={"acquisition": repeated.left(params.acquisition, len(again))})
    picks = _compose.choose_batch(view, params.acquisition, seed, round_no) if some else _table.empty_selection()
    notes = _table.notes(view, picks, params, round_no) | repeated.notes(again, budget)
    if notes["note"]:
        log.warning("round %d: %s", round_no, notes["note"])
    shas = dict(zip(items.item_ids.tolist(), items.table["sha256"].to_pylist(), strict=True))
    artifacts.write_json(ws.acquisition, notes)
    table = _table.batch_table(view, picks, shas, params, round_no)
    looks = repeated.Looks(found.item_ids, probs, classes, shas)
    return artifacts.write_parquet(ws.batch, repeated.mix(table, again, looks, [seed, round_no]))


def control(ws: Workspace, params: Params, settings: Settings | None = None) -> Artifact:
    """The random arm at equal labels, where an oracle exists."""
    from tailfirst import backtest

    chosen = _read_json(ws.choice)["candidate"]
    return artifacts.write_json(ws.control, backtest.control(ws, params, chosen, settings))


def report(ws: Workspace, params: Params) -> None:
    """Pages for people."""
    from tailfirst.report import build

    build.report(ws, params)


def _sizes(train: TrainSet) -> dict[str, int]:
    n_retrieved = int(train.retrieved.sum())
    return {
        "n_labels": len(train.classes) - n_retrieved,
        "n_retrieved": n_retrieved,
        "n_classes": len(train.class_ids),
    }


def _card(ws: Workspace, candidate: str) -> dict[str, Any]:
    return _read_json(ws.model(candidate) / "model.json")


def _model(ws: Workspace, params: Params, candidate: str) -> Model:
    model: Model = plugins.load("adaptation", params.candidates[candidate].plugin).load(ws.model(candidate))
    return model


def _seen_by(ws: Workspace, candidate: str, model: Model, found: Embeddings) -> Embeddings:
    """The embeddings in the candidate's own space: its features, and its head as prototypes."""
    features = np.load(ws.features(candidate), mmap_mode="r", allow_pickle=False)
    return replace(found, items=unit(features), prototypes=unit(model.head.weights)) if len(features) else found


def _probs(ws: Workspace, candidate: str, found: Embeddings) -> Any:
    path = ws.predictions(candidate)
    if not path.exists():
        raise TaskFolderError(f"{path} does not exist: run the stage `predict` for {candidate} first")
    probs = np.load(path, mmap_mode="r", allow_pickle=False)
    if len(probs) != len(found.item_ids):
        raise StaleArtifact(f"{path} has {len(probs)} rows, work/embeddings {len(found.item_ids)}; run predict again")
    return probs


def _zero_shot(found: Embeddings, classes: tuple[str, ...]) -> LinearModel | None:
    """The encoder's own zero-shot model, whatever candidates there are; None without prototypes."""
    if found.prototypes is None:
        return None
    nothing: Floats = np.zeros(0)
    train = TrainSet(
        found.items[:0], nothing.astype(np.int64), nothing.astype(np.bool_), classes, found.prototypes,
        found.logit_scale, found.encoder,
    )  # fmt: skip
    return zero_shot.fit(train, zero_shot.Params(scale=None), np.random.default_rng(0))


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise TaskFolderError(f"{path} does not exist; run the stage before this one (`dvc repro`)")
    return dict(json.loads(path.read_text(encoding="utf-8")))
