"""Learning curves with bands as SVG files; the same results give the same bytes."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tailfirst.backtesting.arms import CONTROLS, Arm
from tailfirst.backtesting.curves import Curves
from tailfirst.backtesting.results import Origin, Results
from tailfirst.backtesting.tables import SHORT
from tailfirst.evaluation.intervals import over_seeds

STYLE: Any = {"svg.hashsalt": "tailfirst", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}
# Okabe and Ito's colours, told apart by colour-blind readers, then darker ones; grey is for random arms.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C564B", "#6A3D9A", "#B15928", "#1B7837")
GREYS = ("#555555", "#999999")
DASHES = ("-", "--", "-.", ":")


def learning_curves(results: Results, task: str, metric: str) -> bytes:
    """One figure: a panel per adaptation and open data, a line with a band per arm."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib.figure import Figure

    found = results.of(task)
    arms = [arm for arm in results.arms if arm.name in found]
    settings = list(dict.fromkeys(arm.setting for arm in arms))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6 * len(settings) + 1.9, 3.9), layout="constrained")
        axes = figure.subplots(1, len(settings), sharey=True, squeeze=False)[0]
        for axis, setting in zip(axes, settings, strict=True):
            inside = [arm for arm in arms if arm.setting == setting]
            _panel(axis, inside, found, metric, results.grid.level)
            axis.set_title(f"{setting[0]}, {'with' if setting[1] else 'without'} open data")
        axes[0].set_ylabel(f"{SHORT[metric]} on the holdout")
        _legend(figure, axes)
        figure.suptitle(f"{results.grid.name}: {task}, {SHORT[metric]}, {results.grid.level:.0%} t band over seeds")
        figure.supxlabel("\n".join(results.origin.lines()), fontsize=5, color="#666666", x=0.01, ha="left")
        return _svg(figure, results.origin)


def _panel(axis: Any, arms: Sequence[Arm], found: Mapping[str, Curves], metric: str, level: float) -> None:
    colours = _colours(arms)
    for number, arm in enumerate(arms):
        one = found[arm.name]
        x, middle, low, high = _band(one, metric, level)
        if not len(x):
            continue
        style = "--" if arm.acquisition.plugin in CONTROLS else DASHES[number // len(COLOURS) % len(DASHES)]
        axis.plot(x, middle, style, color=colours[arm.name], label=arm.strategy, marker="o", markersize=2.5, lw=1.4)
        axis.fill_between(x, low, high, color=colours[arm.name], alpha=0.12, linewidth=0)
    axis.set_xlabel("labels")
    axis.grid(visible=True, color="#e5e5e5", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def _band(one: Curves, metric: str, level: float) -> tuple[list[float], list[float], list[float], list[float]]:
    """Labels, mean, lower and upper end; points without a model are left out."""
    rows = []
    for place, labels in enumerate(np.asarray(one.labels.mean(axis=0))):
        interval = over_seeds(one.values[metric][:, place], level)
        if interval is not None:
            rows.append((float(labels), interval.value, interval.low, interval.high))
    x, middle, low, high = ([row[column] for row in rows] for column in range(4))
    return x, middle, low, high


def _colours(arms: Sequence[Arm]) -> dict[str, str]:
    plain = [arm.name for arm in arms if arm.acquisition.plugin not in CONTROLS]
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(plain)}
    rest = [arm.name for arm in arms if arm.name not in colours]
    return colours | {name: GREYS[number % len(GREYS)] for number, name in enumerate(rest)}


def _legend(figure: Any, axes: Sequence[Any]) -> None:
    """Each label once, beside the panels."""
    entries: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(entries.values(), entries.keys(), loc="outside right center", frameon=False, fontsize=8)


def _svg(figure: Any, origin: Origin) -> bytes:
    out = io.BytesIO()
    said = {"Title": origin.grid, "Description": "; ".join(origin.lines()), "Date": None, "Creator": "tailfirst"}
    figure.savefig(out, format="svg", metadata=said)
    return out.getvalue()
