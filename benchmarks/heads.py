"""The linear probe's optimiser against scikit-learn at equal objective (perf.md, heads on cached features).

    python benchmarks/heads.py [--rows 2000] [--classes 100] [--dim 512] [--l2 0.05] [--features features.npz]

scikit-learn runs with `tol=1e-6`; its default stops far from the optimum. `--features` takes an .npz with `x` (N, D)
and `y` (N,); without it, Gaussian classes in a narrow cone with a falling spectrum are drawn, as real features have.

Both minimise sum_i CE(step z'_i, y_i) + l2/2 |step|^2 over rows z' without their mean direction. The objective is
evaluated in float64 for both. Runs are interleaved; times are medians.
"""

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from tailfirst.adaptation._head import _without_mean, fit_step


def make(rows, classes, dim, noise, seed=0):
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(classes, dim))
    y = rng.integers(classes, size=rows)
    x = (centers[y] + noise * rng.normal(size=(rows, dim)) + 3) * np.linspace(1, 0.05, dim) ** 2
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), y


def load(path, rows):
    found = np.load(path)
    chosen = np.random.default_rng(0).choice(len(found["y"]), rows, replace=False)
    x = found["x"][chosen].astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True), found["y"][chosen]


def objective(step, z, y, l2):
    logits = z.astype(np.float64) @ step.T
    top = logits.max(axis=1)
    total = top + np.log(np.exp(logits - top[:, None]).sum(axis=1)) - logits[np.arange(len(y)), y]
    return float(total.sum() + 0.5 * l2 * (step**2).sum())


def ours(x, y, classes, l2):
    return fit_step(x, y, np.ones(len(y)), np.zeros((len(y), classes)), l2, 200)


def theirs(x, y, _, l2):
    from sklearn.linear_model import LogisticRegression

    z = _without_mean(x, np.ones(len(y)))
    return LogisticRegression(C=1 / l2, fit_intercept=False, max_iter=5000, tol=1e-6).fit(z, y).coef_


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[250, 2000])
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--l2", type=float, nargs="+", default=[0.05, 0.0005])
    parser.add_argument("--noise", type=float, default=3.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--features")
    given = parser.parse_args()
    table = Table("rows", "l2", "ours s", "scikit-learn s", "ratio", "objective ours", "scikit-learn", "relative gap")
    for rows in given.rows:
        x, y = load(given.features, rows) if given.features else make(rows, given.classes, given.dim, given.noise)
        classes = len(np.unique(y))
        y = np.unique(y, return_inverse=True)[1]
        z = _without_mean(x, np.ones(rows))
        for l2 in given.l2:
            times, found = {ours: [], theirs: []}, {}
            for _ in range(given.repeats):
                for fit in (ours, theirs):
                    start = time.perf_counter()
                    found[fit] = objective(fit(x, y, classes, l2), z, y, l2)
                    times[fit].append(time.perf_counter() - start)
            one, two = (float(np.median(times[f])) for f in (ours, theirs))
            gap = (found[ours] - found[theirs]) / abs(found[theirs])
            table.add_row(
                str(rows), f"{l2:g}", f"{one:.3f}", f"{two:.3f}", f"{one / two:.2f}",
                f"{found[ours]:.4f}", f"{found[theirs]:.4f}", f"{gap:+.1e}",
            )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
