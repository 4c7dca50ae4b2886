"""Strategies and random controls against an oracle. Beside the simulated vendor the only reader of data/oracle.parquet.

python -m tailfirst.backtest --root . --strategies tail_first,random --seeds 5 --rounds 3 --budget 100
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tailfirst import config, pool, schemas
from tailfirst.acquisition._gather import relevance
from tailfirst.adaptation._train import training_set
from tailfirst.config import Params, Plugin, Settings
from tailfirst.contracts import Floats, Interval
from tailfirst.embedding import load_embeddings
from tailfirst.errors import TailfirstError, Unavailable, UserError
from tailfirst.evaluation import summary
from tailfirst.evaluation.intervals import over_seeds
from tailfirst.labels import caption_counts, class_rows, known_rows, read_labels, training_labels
from tailfirst.ontology.tables import read_known
from tailfirst.paths import Workspace
from tailfirst.simulation import Curve, Point, World, random_control, simulate
from tailfirst.source import Behind
from tailfirst.task import load_task

__all__ = ["Curve", "Point", "World", "compare", "control", "load_world", "random_control", "simulate"]

SHOWN = ("accuracy", "balanced_accuracy", "tail_accuracy")
NOTES = (
    "random pool items at the same number of training labels, the same adaptation and retrieved data, mean over seeds "
    "with a t interval; the oracle's labels are clean while a vendor makes mistakes, so this arm is flattered, not the "
    "campaign"
)


def control(ws: Workspace, params: Params, candidate: str | None, settings: Settings | None = None) -> dict[str, Any]:
    """control.json: the random arm after each sealed round.

    Raises:
        TaskFolderError: Files of the workspace are missing or do not fit.
    """
    answers = read_known(ws, ws.oracle, schemas.LABELED) if ws.oracle.exists() else schemas.LABELED.empty_table()
    rounds = pool.sealed_rounds(ws.rounds)
    missing = (
        "this task has no oracle (data/oracle.parquet has no rows)" if not len(answers)
        else "no candidate is available yet" if candidate is None
        else "no round is sealed yet" if not rounds
        else None
    )  # fmt: skip
    if missing is not None or candidate is None:
        return {"available": False, "why": missing, "points": []}
    world = load_world(ws, params, answers, settings)
    paid = training_labels(read_labels(ws), world.holdout_ids)
    numbers = paid["round_no"].to_numpy()
    counts = [int(((numbers > 0) & (numbers <= number)).sum()) for number in rounds]
    seeds = [params.campaign.seed + i for i in range(params.control.seeds)]
    arms = random_control(world, counts, params.candidates[candidate], seeds)
    points = [
        {"round_no": number, "n_labels": arm[0].n_labels, "seeds": len(seeds), **_summary(arm, params.evaluation.level)}
        for number, arm in zip(rounds, arms, strict=True)
    ]
    return {"available": True, "why": None, "notes": NOTES, "candidate": candidate, "points": points}


def load_world(
    ws: Workspace, params: Params, answers: pa.Table | None = None, settings: Settings | None = None
) -> World:
    """The workspace's task with its oracle; bought labels are left out, seed labels stay.

    Raises:
        Unavailable: No oracle.
        TaskFolderError: Files of the workspace are missing or do not fit.
    """
    oracle = read_known(ws, ws.oracle, schemas.LABELED) if answers is None else answers
    if not len(oracle):
        raise Unavailable(f"a backtest needs known answers and {ws.oracle} has no rows")
    found, classes = load_embeddings(ws), load_task(ws.task).class_ids
    labels = read_labels(ws)
    seeds = labels.filter(pc.equal(labels["purpose"], "SEED"))
    table, rows = known_rows(oracle.sort_by("item_id"), found.item_ids)
    ours = found.is_pool[rows] & ~np.isin(found.item_ids[rows], np.array(seeds["item_id"].to_pylist(), np.str_))
    held, held_rows = summary.holdout_rows(found.item_ids, found.is_pool, read_known(ws, ws.holdout, schemas.LABELED))
    behind = Behind(ws, params, settings or Settings(), found)
    captions, truth = caption_counts(ws, classes), summary.truth_rows(held, classes)
    return World(
        class_ids=classes,
        item_ids=found.item_ids[rows[ours]],
        vectors=found.items[rows[ours]],
        truth=class_rows(table["class_id"].to_pylist(), classes, "data/oracle.parquet")[ours],
        known=training_set(found, seeds, classes, behind.source("backtest")),
        captions=captions,
        holdout_ids=found.item_ids[held_rows],
        holdout=found.items[held_rows],
        holdout_truth=truth,
        tail=summary.tail(captions, truth, classes, params.evaluation.tail_share)[0],
        media=behind.items(rows[ours]),
        holdout_media=behind.items(held_rows),
        relevance=relevance(ws, classes),
    )


def compare(
    world: World, strategies: Sequence[Plugin], params: Params, candidate: str, *, seeds: int, rounds: int, budget: int
) -> dict[str, list[Curve]]:
    """Curves of each strategy, one per seed; equal seeds share their part of the pool.

    Raises:
        PoolExhausted: The part of the pool is smaller than rounds * budget.
    """
    adaptation, cold = params.candidates[candidate], params.acquisition.cold_start
    first = params.campaign.seed
    return {
        strategy.plugin: [
            simulate(world, strategy, adaptation, rounds=rounds, budget=budget, seed=first + i, cold_start=cold)
            for i in range(seeds)
        ]
        for strategy in strategies
    }


def _summary(points: Sequence[Point], level: float) -> dict[str, Any]:
    return {name: _json(over_seeds(_column(points, name), level)) for name in SHOWN}


def _column(points: Sequence[Point], name: str) -> Floats:
    return np.array([np.nan if p.scores is None else float(p.scores.of(name)[0]) for p in points])


def _json(found: Interval | None) -> dict[str, float] | None:
    return None if found is None else {name: round(value, 6) for name, value in asdict(found).items()}


def _show(curves: Mapping[str, Sequence[Curve]], level: float, title: str) -> None:
    """One row per strategy and round: means over seeds, and paired differences to the last-named strategy."""
    from rich.console import Console
    from rich.table import Table

    reference = list(curves)[-1]
    table = Table("strategy", "labels", *SHOWN, "tail labels", "classes", f"{SHOWN[1]} - {reference}", title=title)
    for name, arm in curves.items():
        for place, points in enumerate(zip(*(curve.points for curve in arm), strict=True)):
            rival = [curve.points[place] for curve in curves[reference]]
            gap = over_seeds(_column(points, SHOWN[1]) - _column(rival, SHOWN[1]), level)
            cells = [_said(over_seeds(_column(points, metric), level), "") for metric in SHOWN]
            counts = [
                f"{np.mean([p.tail_bought for p in points]):.1f}",
                f"{np.mean([p.classes_seen for p in points]):.1f}",
            ]
            table.add_row(name, str(points[0].n_labels), *cells, *counts, "" if name == reference else _said(gap, "+"))
        table.add_section()
    Console(width=None if sys.stdout.isatty() else 170).print(table)


def _said(found: Interval | None, sign: str) -> str:
    return "-" if found is None else f"{found.value:{sign}.3f} [{found.low:{sign}.3f}, {found.high:{sign}.3f}]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare strategies on a workspace with an oracle; 0 done, 2 bad input, 1 another refusal."""
    parser = argparse.ArgumentParser(prog="python -m tailfirst.backtest", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="the workspace; default: the current folder")
    parser.add_argument(
        "--strategies", default="tail_first,margin,random", help="comma separated; the last is compared with"
    )
    parser.add_argument("--candidate", help="adaptation, a name under `candidates`; default: the last one")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", type=int, help="labels per round; default: acquisition.budget")
    given = parser.parse_args(arguments)
    ws = Workspace(given.root.resolve())
    try:
        params = config.load(ws.params)
        candidate = given.candidate or list(params.candidates)[-1]
        if candidate not in params.candidates:
            raise UserError(f"no candidate {candidate!r} in params.yaml; known: {', '.join(params.candidates)}")
        budget = given.budget or params.acquisition.budget
        arms = [_arm(name, params) for name in given.strategies.split(",")]
        world = load_world(ws, params)
        curves = compare(world, arms, params, candidate, seeds=given.seeds, rounds=given.rounds, budget=budget)
    except TailfirstError as error:
        sys.stderr.write(f"backtest: {error}\n")
        return 2 if isinstance(error, UserError) else 1
    _show(curves, params.evaluation.level, f"{candidate}, {given.seeds} seeds, perfect answers")
    return 0


def _arm(name: str, params: Params) -> Plugin:
    """A strategy with the options of params.yaml if it is the configured one, with its defaults otherwise."""
    configured = params.acquisition.strategy
    arm = configured if configured.plugin == name else Plugin(plugin=name)
    arm.params("acquisition")
    return arm


if __name__ == "__main__":
    sys.exit(main())
