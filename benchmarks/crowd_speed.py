"""Seconds and memory of majority, Dawid-Skene, CROWDLAB and ActiveLab, with crowd-kit and cleanlab beside them.

    python benchmarks/crowd_speed.py

Peers run at the smallest size only; cleanlab needs a dense table of items and annotators.
"""

import contextlib
import io
import time
import tracemalloc
import warnings
from functools import partial

import numpy as np

from tailfirst.quality.activelab import relabel_scores
from tailfirst.quality.answers import Answers
from tailfirst.quality.crowdlab import crowdlab
from tailfirst.quality.dawid_skene import dawid_skene
from tailfirst.quality.majority import majority

SIZES = (3_000, 25_000, 50_000, 100_000)


def speed(classes=20, annotators=200):
    names = (
        "items", "build", "majority", "Dawid-Skene", "CROWDLAB", "ActiveLab", "crowd-kit's Dawid-Skene",
        "cleanlab's CROWDLAB",
    )  # fmt: skip
    about = (
        f"3 answers per item, {annotators} annotators, {classes} classes; CPU seconds, peak memory beyond the inputs"
    )
    lines = [f"{about}; `build` turns rows of strings into arrays.", "", f"| {' | '.join(names)} |"]
    lines.append("|---" * len(names) + "|")
    for n in SIZES:
        rows, class_ids, probs = drawn(n, classes, annotators)
        answers = Answers.build(rows, class_ids)
        calls = (
            partial(Answers.build, rows, class_ids), partial(majority, answers, probs), partial(dawid_skene, answers),
            partial(crowdlab, answers, probs), partial(relabel_scores, answers, probs, probs),
        )  # fmt: skip
        cells = [timed(call) for call in calls]
        cells += [timed(call, memory=False) for call in peers(rows, answers, probs)] if n == SIZES[0] else ["", ""]
        lines.append(f"| {n:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def drawn(n, classes, annotators, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(classes, size=n)
    who = (rng.integers(annotators, size=(n, 1)) + np.arange(3) * 7) % annotators
    said = np.where(rng.random((n, 3)) < 0.2, rng.integers(classes, size=(n, 3)), truth[:, None])
    rows = [(f"{i:07d}", f"a{w:03d}", f"c{k}") for i in range(n) for w, k in zip(who[i], said[i], strict=True)]
    logits = rng.normal(size=(n, classes))
    logits[np.arange(n), truth] += 3
    raised = np.exp(logits)
    return rows, [f"c{k}" for k in range(classes)], raised / raised.sum(axis=1, keepdims=True)


def peers(rows, answers, probs):
    import pandas as pd
    from cleanlab.multiannotator import get_label_quality_multiannotator
    from crowdkit.aggregation import DawidSkene

    frame = pd.DataFrame(rows, columns=["task", "worker", "label"])
    wide = np.full((len(probs), len(answers.annotator_ids)), np.nan)
    wide[answers.items, answers.annotators] = answers.labels
    return (
        lambda: DawidSkene(100).fit_predict(frame),
        lambda: get_label_quality_multiannotator(wide, probs, calibrate_probs=True, verbose=False),
    )


def timed(call, memory=True):
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        start = time.process_time()
        call()
        seconds = time.process_time() - start
        if not memory:
            return f"{seconds:.2f} s"
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    return f"{seconds:.2f} s, {peak:,.0f} MiB"


if __name__ == "__main__":
    print(speed())
