"""What a round tells its tracker, gathered from files and the ledger; the champion moves only through the gate."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tailfirst import schemas, trackers, versioning
from tailfirst.config import Plugin
from tailfirst.context import Context
from tailfirst.errors import LedgerError
from tailfirst.evaluation.gate import Decision, decide_files
from tailfirst.ledger.records import RoundRow
from tailfirst.ontology.versions import Versions
from tailfirst.paths import Workspace
from tailfirst.plugins import load
from tailfirst.trackers import CandidateReport, EncoderReport, RoundReport, Tracker


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one where the file does not exist yet."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def chosen(ws: Workspace) -> str:
    """A sentence on which candidate ranks the pool."""
    choice = read_json(ws.choice)
    return f"{choice.get('candidate') or 'no candidate'} ranks the pool: {choice.get('why', '')}"


def next_batch(ws: Workspace) -> str:
    """A sentence on the next batch."""
    notes = read_json(ws.acquisition)
    rows = pq.read_metadata(ws.batch).num_rows
    starved = ", ".join(notes.get("starved", ())) or "none"
    spent = ", ".join(notes.get("exhausted", ()))
    more = f"; classes not searched for until the pool grows: {spent}" if spent else ""
    return f"{rows} items chosen by {notes.get('strategy')}; classes without a candidate: {starved}{more}"


def eligible_items(ctx: Context) -> int | None:
    """Items of the next batch that could still be bought; None before the first batch exists."""
    return pq.read_metadata(ctx.ws.batch).num_rows if ctx.ws.batch.exists() else None


def target_reached(ctx: Context) -> bool:
    """Whether the chosen candidate's metric reaches the target with the lower end of its interval."""
    target = ctx.params.stopping.target
    candidate = read_json(ctx.ws.choice).get("candidate")
    if target is None or candidate is None:
        return False
    interval = read_json(ctx.ws.metrics(candidate)).get(ctx.params.choice.metric)
    return interval is not None and interval["low"] >= target


def tracker(ctx: Context) -> Tracker:
    """The tracker that the settings name."""
    loaded: Tracker = load("trackers", ctx.settings.tracker).load(ctx.ws, ctx.settings)
    return loaded


def decide(ctx: Context) -> tuple[str, Decision]:
    """Log the round's candidates and let the gate compare the challenger with the champion on the same holdout."""
    report = round_report(ctx)
    to = tracker(ctx)
    link = to.log_round(report)
    if report.chosen is None:
        return f"logged {link}", Decision(promote=False, why="no candidate is available yet", differences={})
    gate = partial(
        decide_files,
        evaluation=ctx.params.evaluation,
        choice=ctx.params.choice,
        seed=ctx.params.campaign.seed,
        versions=Versions.if_any(ctx.ws),
    )
    return f"logged {link}", to.promote(report, gate)


def log_report(ctx: Context) -> str:
    """Add the finished report to the round's run."""
    return f"report logged to {tracker(ctx).log_round(round_report(ctx))}"


def round_report(ctx: Context) -> RoundReport:
    """Everything about the current round.

    Raises:
        LedgerError: The current round is not sealed.
    """
    row = ctx.ledger.rounds.current(ctx.params.campaign.name)
    if row is None or row.sealed_sha256 is None:
        raise LedgerError("no sealed round to log; a round is logged after SEAL")
    money = ctx.ledger.money.status(ctx.params.campaign.name)
    version, revision = versioning.data_version(ctx.ws), versioning.revision(ctx.ws)
    page = ctx.ws.report / f"round-{row.round_no:04d}.html"
    return RoundReport(
        campaign=ctx.params.campaign.name,
        round_no=row.round_no,
        at=ctx.now(),
        params=trackers.flat_params(ctx.params.model_dump(mode="json")),
        candidates=tuple(_candidate(ctx, name, plugin) for name, plugin in ctx.params.candidates.items()),
        chosen=read_json(ctx.ws.choice).get("candidate"),
        n_labels=_labels_bought(ctx),
        cost_micros=money.accrued if money else 0,
        currency=ctx.params.money.currency,
        data_md5=version.md5 if version else "untracked",
        data_path=ctx.ws.data,
        git_sha=revision.sha,
        ontology_version=ctx.task.ontology_version,
        vendor=ctx.params.vendor.plugin,
        strategy=ctx.params.acquisition.strategy.plugin,
        class_ids=ctx.task.class_ids,
        encoder=_encoder(ctx),
        task=ctx.ws.task,
        batch=ctx.ws.sealed(row.round_no) / "batch.parquet",
        report=page if page.exists() and row.state in {"PROMOTED", "HELD", "REPORTED"} else None,
        vendor_batch_id=row.vendor_batch_id,
        sealed_sha256=row.sealed_sha256,
        extra=_control(ctx, row),
    )


def _labels_bought(ctx: Context) -> int:
    labels = schemas.read(ctx.ws.labels, schemas.LABELS)
    return sum(round_no > 0 for round_no in labels.column("round_no").to_pylist())


def _candidate(ctx: Context, name: str, plugin: Plugin) -> CandidateReport:
    metrics = read_json(ctx.ws.metrics(name))
    if not metrics.get("available", False):
        return CandidateReport(name, plugin.plugin, {}, why=metrics.get("why") or "not measured yet")
    return CandidateReport(
        name=name,
        adaptation=plugin.plugin,
        metrics=trackers.flat_metrics(metrics),
        params=trackers.flat_params(plugin.params("adaptation").model_dump(mode="json")),
        model=ctx.ws.model(name),
        metrics_file=ctx.ws.metrics(name),
        holdout=ctx.ws.holdout_predictions(name),
    )


def _encoder(ctx: Context) -> EncoderReport:
    manifest = read_json(ctx.ws.embeddings / "manifest.json")
    options = ctx.params.encoder.params("encoders").model_dump(mode="json")
    return EncoderReport(ctx.params.encoder.plugin, manifest["encoder"], options, manifest["reads"], manifest["dim"])


def _control(ctx: Context, row: RoundRow) -> dict[str, float]:
    """The random arm's metrics at this round's number of labels, where they were measured."""
    points = read_json(ctx.ws.control).get("points", [])
    found = points[row.round_no - 1] if len(points) >= row.round_no else {}
    return {
        f"random_{name}": found[name]["value"]
        for name in ("accuracy", "balanced_accuracy", "tail_accuracy")
        if found.get(name)
    }
