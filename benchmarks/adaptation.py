"""Throughput of a fit: rows per second of the loop, without decoding and without what follows it.

    python benchmarks/adaptation.py [--root WORKSPACE ...] [--steps 20] [--batch 64]

A workspace needs the stages `retrieve` and `embed` (of the demo: `python -m tailfirst.demo.make --root X`); its encoder
may be `clip` or `text`. The head solver against scikit-learn is in benchmarks/heads.py. CPU seconds of this process
stand beside wall seconds, because the machine may be shared.
"""

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from tailfirst import backtest, config, plugins, simulation
from tailfirst.adaptation import _loop
from tailfirst.adaptation._checkpoint import Keeper
from tailfirst.adaptation._draws import Draws
from tailfirst.adaptation._problems import Contrast, Finetune
from tailfirst.adaptation._tower import make_tower
from tailfirst.paths import Workspace


def training_set(root, labels):
    ws = Workspace(root)
    world = backtest.load_world(ws, config.load(ws.params))
    bought = np.random.default_rng(0).permutation(len(world.item_ids))[:labels]
    known = world.known
    source = dataclasses.replace(
        simulation._source(world, bought, 0),  # noqa: SLF001
        scratch=Path(tempfile.mkdtemp()),
    )
    return dataclasses.replace(
        known,
        vectors=np.concatenate([world.vectors[bought], known.vectors]),
        classes=np.concatenate([world.truth[bought], known.classes]),
        retrieved=np.concatenate([np.zeros(labels, np.bool_), known.retrieved]),
        source=source,
    )


def measure(train, name, tower, steps, batch):
    params = plugins.params("adaptation", name, {"tower": tower, "batch": batch})
    start = time.perf_counter()
    below = make_tower(train, params, np.random.default_rng(0), texts=name == "contrastive")
    decoding = time.perf_counter() - start
    if name == "finetune":
        problem = Finetune(below, train.classes, params.scale)
    else:
        problem = Contrast(below, train.classes, params.scale, params.targets, params.class_limit)
    rows = np.arange(len(train.classes))
    draws = Draws.of(rows, train.classes, train.retrieved, power=1.0, labeled_share=0.5, size=steps * batch)
    stage = _loop.Stage("benchmark", draws, params, 1e-6, 1e-6, params.cutmix, 1)
    wall, cpu = time.perf_counter(), time.process_time()
    with _loop.deterministic(below.device):
        _loop.run(problem, stage, np.random.default_rng(0), Keeper(None, ""))
    return decoding, time.perf_counter() - wall, time.process_time() - cpu


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, nargs="+", default=[Path()])
    parser.add_argument("--labels", type=int, default=300)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64)
    given = parser.parse_args()
    table = Table("task", "method", "tower", "rows", "ready s", "rows/s", "rows/CPU s")
    for root in given.root:
        train = training_set(root, given.labels)
        for tower in ("full", "adapter"):
            for name in ("finetune", "contrastive"):
                ready, wall, cpu = measure(train, name, tower, given.steps, given.batch)
                done = given.steps * given.batch
                table.add_row(
                    root.resolve().name, name, tower, str(len(train.classes)), f"{ready:.1f}",
                    f"{done / wall:,.0f}", f"{done / cpu:,.0f}",
                )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
