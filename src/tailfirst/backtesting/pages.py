"""Results as Markdown (pure)."""

from collections.abc import Mapping, Sequence

import numpy as np

from tailfirst.backtesting.arms import Arm
from tailfirst.backtesting.curves import SECONDS, Curves, area_difference, areas, reached, savings
from tailfirst.backtesting.results import Origin, Results
from tailfirst.backtesting.tables import SHORT, SHOWN, Rows, against, arms_in, said
from tailfirst.contracts import Interval
from tailfirst.evaluation.intervals import over_seeds
from tailfirst.evaluation.metrics import NAMES


def markdown(results: Results) -> str:
    """The tables of all tasks."""
    parts = [
        f"# {results.grid.name}",
        "",
        *_listed(results.origin),
        "",
        _protocol(results),
    ]
    for task in results.tasks:
        parts += ["", f"## {task}", "", *_task(results, task)]
    if results.failed:
        told = [f"- {', '.join(names)}: {error.splitlines()[-1]}" for error, names in results.failures().items()]
        parts += ["", "## Failed cells", "", *told]
    return "\n".join(parts) + "\n"


def timing(results: Results) -> str:
    """Wall seconds per round, as Markdown."""
    parts = [f"# {results.grid.name}: wall time", "", *_listed(results.origin), ""]
    parts += ["Seconds per round on one thread, mean over rounds and seeds; the machine was not otherwise idle."]
    for task in results.tasks:
        found = results.of(task)
        rows = [["arm", "choice", "fit", "campaign"]]
        for arm in arms_in(results, found):
            choice, fit = (found[arm.name].values[name] for name in SECONDS)
            whole = float((choice + fit).sum(axis=1).mean())
            rows.append([arm.name, f"{choice[:, 1:].mean():.2f}", f"{fit[:, 1:].mean():.2f}", f"{whole:.1f}"])
        parts += ["", f"## {task}", "", *_table(rows)]
    return "\n".join(parts) + "\n"


def _protocol(results: Results) -> str:
    grid = results.grid
    size = "one label per class" if grid.budget == "classes" else f"{grid.budget} labels"
    return (
        f"{grid.rounds} rounds of {size}, each seed on its own {grid.pool_share:.0%} of the pool, {_answers(results)}, "
        f"start: {_start(results)}. Means over seeds with {grid.level:.0%} t intervals; differences are paired over "
        "seeds. `open`: retrieved open data train and count; `closed`: none. AULC: mean height of the learning curve. "
        "`saved`: labels saved against random until the target; a curve that never gets there counts with its end."
    )


def _task(results: Results, task: str) -> list[str]:
    found, law = results.of(task), results.grid.tasks[task].long_tail
    arms = arms_in(results, found)
    before, labels = _first(found), _mean_labels(found)
    charts = "".join(f"![{SHORT[name]}]({task}-{name}.svg) " for name in SHOWN).strip()
    drawn = "" if law is None else f" Pool and caption counts are drawn with an imbalance of {law.imbalance:g}."
    return [
        f"After {labels} labels ({_cost(results, found)} {results.grid.currency}); {before}.{drawn}",
        "",
        *_table(_levels(results, arms, found)),
        "",
        f"Differences after the last round: to random with the same adaptation, and to `{results.reference.name}`.",
        "",
        *_table(_differences(results, arms, found)),
        "",
        *_table(_efficiency(results, arms, found)),
        "",
        charts,
    ]


def _levels(results: Results, arms: Sequence[Arm], found: Mapping[str, Curves]) -> Rows:
    head = ["arm", "seeds", *(SHORT[name] for name in NAMES), "classes seen", "tail labels", "label entropy"]
    rows = [head]
    for arm in arms:
        one = found[arm.name]
        last = [said(over_seeds(one.last(name), results.grid.level)) for name in NAMES]
        counts = [f"{one.last('classes_seen').mean():.1f}", f"{one.last('tail_bought').mean():.1f}"]
        rows.append([_named(arm), str(len(one.seeds)), *last, *counts, f"{one.last('label_entropy').mean():.3f}"])
    return rows


def _differences(results: Results, arms: Sequence[Arm], found: Mapping[str, Curves]) -> Rows:
    head = ["arm", *(f"{SHORT[name]} − random" for name in SHOWN), *(f"{SHORT[name]} − reference" for name in SHOWN)]
    rows = [head]
    for arm in arms:
        cells = [
            "" if rival.name == arm.name else said(against(results, found, arm, rival, name, -1), "+")
            for rival in (results.control(arm), results.reference)
            for name in SHOWN
        ]
        rows.append([_named(arm), *cells])
    return rows


def _efficiency(results: Results, arms: Sequence[Arm], found: Mapping[str, Curves]) -> Rows:
    level, targets = results.grid.level, results.targets(found)
    head = ["arm", *(f"AULC {SHORT[name]}" for name in SHOWN), *(f"AULC {SHORT[name]} − reference" for name in SHOWN)]
    rival = found.get(results.reference.name)
    for name, target in targets.items():
        head += [f"labels to {SHORT[name]} {target:.3f}", "seeds there", "saved"]
    rows = [head]
    for arm in arms:
        one, control = found[arm.name], found.get(results.control(arm).name)
        row = [_named(arm), *(said(over_seeds(areas(one, name), level)) for name in SHOWN)]
        beside = None if arm.name == results.reference.name else rival
        row += ["" if beside is None else said(area_difference(one, beside, name, level), "+") for name in SHOWN]
        for name, target in targets.items():
            got = reached(one, name, target, level)
            row += [said(got.labels, digits=0), f"{got.share:.0%}"]
            same = control is None or results.control(arm).name == arm.name
            row.append("" if same or control is None else _share(savings(one, control, name, target, level)))
        rows.append(row)
    return rows


def _named(arm: Arm) -> str:
    return f"{arm.name} ({arm.profile})" if arm.profile else arm.name


def _answers(results: Results) -> str:
    share = results.grid.noise
    return f"{share:.0%} of the answers name the most similar class" if share else "perfect answers"


def _start(results: Results) -> str:
    start = results.grid.start
    if start.rule == "none":
        return "no label"
    return f"{start.labels} random label(s)" + (" of each class" if start.rule == "per_class" else "")


def _first(found: Mapping[str, Curves]) -> str:
    """What the arms start from: the same for all with one adaptation and the same open data."""
    one = next(iter(found.values()))
    value = one.values["balanced_accuracy"][:, 0]
    if np.isnan(value).all():
        return f"before the first round ({one.labels[:, 0].mean():.0f} labels) there is no model"
    return f"{one.labels[:, 0].mean():.0f} before the first round"


def _mean_labels(found: Mapping[str, Curves]) -> str:
    return f"{np.mean([one.labels[:, -1].mean() for one in found.values()]):.0f}"


def _cost(results: Results, found: Mapping[str, Curves]) -> str:
    return f"{float(results.grid.price) * np.mean([one.labels[:, -1].mean() for one in found.values()]):.2f}"


def _listed(origin: Origin) -> list[str]:
    name, data, commit, command = origin.lines()
    return [f"{name}; {data}; {commit}.", "", "```sh", command.removeprefix("command "), "```"]


def _table(rows: Rows) -> list[str]:
    head, *body = rows
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in body)]


def _share(found: Interval | None) -> str:
    return "-" if found is None else f"{found.value:+.0%} [{found.low:+.0%}, {found.high:+.0%}]"
