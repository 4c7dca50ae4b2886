"""What a round's page says, decided from the sealed round and the history; the template only lays it out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tailfirst.contracts import Interval
from tailfirst.report import svg
from tailfirst.report.history import History, State
from tailfirst.report.measures import SHOWN, WORDS, ClassScore, Measures

BARS = 16  # classes per bar chart: a screen's height
CONFUSED = 10  # classes in the confusion table
SHARES = 3  # wrong classes named per class


@dataclass(frozen=True, slots=True)
class Figure:
    """One headline measure, with what it is compared to."""

    words: str
    now: Interval
    before: float | None  # change in level since the round before
    zero_shot: Interval | None  # paired difference
    random: Interval | None  # the random arm's level at the same number of labels


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart under its title."""

    title: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class in the recall table."""

    class_id: str
    tail: bool
    support: int
    labels: int
    added: int
    before: float | None
    after: float | None
    bar: Markup


@dataclass(frozen=True, slots=True)
class ConfusedRow:
    """Where the items of a class went."""

    class_id: str
    tail: bool
    recall: float
    wrong: tuple[svg.Part, ...]
    bar: Markup


def figures(known: History, place: int) -> tuple[Figure, ...]:
    """The headline measures of the chosen candidate after `place` rounds; empty where nothing was measured."""
    before, after = known.states[place - 1], known.states[place]
    best = after.best
    if best is None:
        return ()
    random = known.control.after(place)
    past = before.best.values if before.best else {}
    return tuple(
        Figure(
            words=WORDS[name],
            now=best.values[name],
            before=best.values[name].value - past[name].value if name in past else None,
            zero_shot=best.versus_zero_shot.get(name),
            random=random.values.get(name) if random else None,
        )
        for name in SHOWN
        if name in best.values
    )


def curves(known: History, last: int, currency: str) -> tuple[Chart, ...]:
    """The learning curves up to a round: each shown measure over labels, then balanced accuracy over money."""
    charts = [
        Chart(f"{WORDS[name].capitalize()} by labels", _curve(known, last, name, "labels that may train"))
        for name in SHOWN
    ]
    cost = _curve(known, last, "balanced_accuracy", currency, by_cost=True)
    charts.append(Chart(f"Balanced accuracy by cost ({currency})", cost))
    return tuple(chart for chart in charts if chart.svg)


def _curve(known: History, last: int, name: str, x_title: str, *, by_cost: bool = False) -> Markup:
    """One measure; the random arm has no price of its own and stands only over labels."""
    states = known.states[: last + 1]
    chosen = _line("chosen", name, [(state, state.best) for state in states], by_cost=by_cost)
    lines = [chosen, *_level(known, name, chosen)]
    lines += [
        _line(other, name, [(s, s.candidates.get(other)) for s in states], "other", by_cost=by_cost)
        for other in known.others
    ]
    if not by_cost:
        points = [svg.Point(p.n_labels, p.values[name]) for p in known.control.points[:last] if name in p.values]
        lines.append(svg.Series("random", tuple(points), "random"))
    return svg.line_chart(f"{WORDS[name]} over {x_title}", lines, x_title)


def _line(
    title: str,
    name: str,
    found: Sequence[tuple[State, Measures | None]],
    style: svg.Style = "main",
    *,
    by_cost: bool,
) -> svg.Series:
    points = [
        svg.Point(state.cost_micros / 1e6 if by_cost else state.n_labels, measures.values[name])
        for state, measures in found
        if measures and name in measures.values
    ]
    return svg.Series(title, tuple(points), style)


def _level(known: History, name: str, chosen: svg.Series) -> list[svg.Series]:
    if known.zero_shot is None or name not in known.zero_shot.values or not chosen.points:
        return []
    return [svg.Series("zero-shot", (svg.Point(chosen.points[-1].x, known.zero_shot.values[name]),), "zero")]


def bars(
    order: Sequence[str],
    counts: Mapping[str, int],
    added: Mapping[str, int],
    tail: frozenset[str],
    names: Mapping[str, str],
) -> tuple[Markup, ...]:
    """Labels per class before and after, `BARS` classes per chart, all on one scale."""
    top = max((counts.get(c, 0) + added.get(c, 0) for c in order), default=0)
    made = [svg.Bar(names.get(c, c), counts.get(c, 0), added.get(c, 0), c in tail) for c in order]
    groups = [made[start : start + BARS] for start in range(0, len(made), BARS)]
    return tuple(svg.bar_chart(f"Labels per class, part {n}", group, top) for n, group in enumerate(groups, 1))


def recalls(
    before: Measures | None, after: Measures, counts: Mapping[str, int], added: Mapping[str, int]
) -> tuple[ClassRow, ...]:
    """Recall of every class, tail first, then worst first."""
    old = {score.class_id: score.recall for score in before.per_class} if before else {}
    rows = sorted(after.per_class, key=lambda s: (not s.tail, 1.0 if s.recall is None else s.recall, s.class_id))
    return tuple(_class_row(score, old.get(score.class_id), counts, added) for score in rows)


def _class_row(score: ClassScore, old: float | None, counts: Mapping[str, int], added: Mapping[str, int]) -> ClassRow:
    new = added.get(score.class_id, 0)
    return ClassRow(
        class_id=score.class_id,
        tail=score.tail,
        support=score.support,
        labels=counts.get(score.class_id, 0) + new,
        added=new,
        before=old,
        after=score.recall,
        bar=svg.change_bar(f"recall of {score.class_id}", old, score.recall),
    )


def confused(found: Measures, names: Mapping[str, str]) -> tuple[ConfusedRow, ...]:
    """The worst classes with the classes they were taken for."""
    worst = sorted((s for s in found.per_class if s.recall is not None), key=lambda s: (s.recall, s.class_id))
    rows = []
    for score in worst:
        pairs = [c for c in found.confusions if c.truth == score.class_id and c.count > 0]
        wrong = tuple(svg.Part(names.get(c.predicted, c.predicted), c.share) for c in pairs[:SHARES])
        if wrong and score.recall is not None:
            right = svg.Part(names.get(score.class_id, score.class_id), score.recall)
            bar = svg.share_bar(f"where {right.name} goes", (right, *wrong))
            rows.append(ConfusedRow(score.class_id, score.tail, score.recall, wrong, bar))
    return tuple(rows[:CONFUSED])
