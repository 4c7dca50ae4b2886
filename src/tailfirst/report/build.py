"""The stage `report`: one page per sealed round and an index, from files only; the same files give the same bytes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from tailfirst import artifacts, schemas
from tailfirst.config import Params
from tailfirst.errors import TaskFolderError
from tailfirst.items import Items, load_items
from tailfirst.paths import Workspace
from tailfirst.report import page, words
from tailfirst.report.history import History, State, history, read_json
from tailfirst.report.media import looks
from tailfirst.report.provenance import provenance
from tailfirst.report.sealed import Pick, Sealed, read_sealed
from tailfirst.report.table import campaign
from tailfirst.task import Task, load_task

SHOWN_ITEMS = 120  # a page stays below a few megabytes
STAGES = ("audit", "control", "gold", "relabel", "quota", "diversify", "search", "score", "fill", "cold_start")


@dataclass(frozen=True, slots=True)
class StageCount:
    """How many items a part of the strategy chose."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class _Facts:
    """What all pages of a workspace share."""

    ws: Workspace
    params: Params
    task: Task
    items: Items
    known: History
    freq: Mapping[str, int]  # class id -> matching captions; empty without retrieval
    labels: Sequence[Mapping[str, Any]]  # data/labels.parquet without the audit
    encoder: str | None


def report(ws: Workspace, params: Params) -> None:
    """Write work/report/: round-NNNN.html for every sealed round, and index.html.

    Raises:
        TaskFolderError: A file of the workspace cannot be read.
    """
    facts = _gather(ws, params)
    environment = _environment(facts.task)
    numbers = [state.round_no for state in facts.known.states[1:]]
    with artifacts.atomic_folder(ws.report) as folder:
        for place, number in enumerate(numbers, 1):
            context = _round_page(facts, read_sealed(ws, number), place)
            _write(folder / page_name(number), environment, "round.html", context)
        _write(folder / "index.html", environment, "index.html", _index(facts, numbers))


def page_name(round_no: int) -> str:
    """The file name of a round's page."""
    return f"round-{round_no:04d}.html"


def page_path(ws: Workspace, round_no: int | None) -> Path:
    """The page of a round, or the index.

    Raises:
        TaskFolderError: No such page; says which there are.
    """
    path = ws.report / ("index.html" if round_no is None else page_name(round_no))
    if not path.exists():
        there = ", ".join(p.stem for p in sorted(ws.report.glob("round-*.html"))) or "none"
        raise TaskFolderError(f"no report for round {round_no}: it is not sealed; pages there are: {there}")
    return path


def _gather(ws: Workspace, params: Params) -> _Facts:
    freq: dict[str, int] = {}
    if ws.class_counts.exists():
        table = schemas.read(ws.class_counts, schemas.CLASS_COUNTS)
        freq = dict(zip(table["class_id"].to_pylist(), table["freq"].to_pylist(), strict=True))
    labels = schemas.read(ws.labels, schemas.LABELS).to_pylist() if ws.labels.exists() else []
    manifest = ws.embeddings / "manifest.json"
    return _Facts(
        ws=ws,
        params=params,
        task=load_task(ws.task),
        items=load_items(ws),
        known=history(ws, params),
        freq=freq if any(freq.values()) else {},
        labels=[row for row in labels if row["purpose"] != "AUDIT"],
        encoder=read_json(manifest).get("encoder") if manifest.exists() else None,
    )


def _environment(task: Task) -> Environment:
    names = _names(task)
    made = Environment(
        loader=PackageLoader("tailfirst", "report"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    plain = (words.percent, words.spread, words.measured, words.points, words.between, words.money)
    made.filters |= {function.__name__: function for function in plain}
    made.filters["name"] = lambda class_id: names.get(class_id, class_id)
    css = PackageLoader("tailfirst", "report").get_source(made, "style.css")[0]
    made.globals["css"] = Markup(css)  # noqa: S704 (our own style sheet)
    return made


def _names(task: Task) -> dict[str, str]:
    return {c.id: c.name for c in task.classes}


def _write(path: Path, environment: Environment, template: str, context: Mapping[str, Any]) -> None:
    artifacts.write_bytes(path, environment.get_template(template).render(context).encode())


def _index(facts: _Facts, numbers: Sequence[int]) -> dict[str, Any]:
    best = facts.known.states[-1].best
    return {
        **_common(facts, facts.known.states[-1]),
        "rounds": numbers,
        "table": campaign(facts.known, facts.params),
        "curves": page.curves(facts.known, len(numbers), facts.params.money.currency) if best else (),
    }


def _common(facts: _Facts, state: State) -> dict[str, Any]:
    best = state.best
    return {
        "campaign": facts.params.campaign.name,
        "task": facts.task,
        "encoder": facts.encoder,
        "known": facts.known,
        "level": f"{facts.params.evaluation.level * 100:g}",
        "holdout": best.holdout_items if best and best.holdout_items else sum(facts.items.is_holdout.tolist()),
    }


def _round_page(facts: _Facts, sealed: Sealed, place: int) -> dict[str, Any]:
    before, after = facts.known.states[place - 1], facts.known.states[place]
    numbers = [state.round_no for state in facts.known.states]
    names = _names(facts.task)
    tail = after.best.tail if after.best else frozenset()
    old = Counter(row["class_id"] for row in facts.labels if row["round_no"] < sealed.round_no)
    new = Counter(row["class_id"] for row in facts.labels if row["round_no"] == sealed.round_no)
    order = sorted(facts.task.class_ids, key=lambda c: -facts.freq.get(c, 0))
    shown = sealed.picks[:SHOWN_ITEMS]
    seen = looks(facts.ws, facts.items, [pick.item_id for pick in shown])
    judged = [pick for pick in sealed.picks if pick.label and pick.predicted]
    return {
        **_common(facts, after),
        **_money(sealed),
        "sealed": sealed,
        "previous": numbers[place - 1] or None,
        "following": numbers[place + 1] if place + 1 < len(numbers) else None,
        "after": after,
        "figures": page.figures(facts.known, place),
        "unmeasured": _unmeasured(after),
        "curves": page.curves(facts.known, place, sealed.currency),
        "tail": tail,
        "by_freq": bool(facts.freq),
        "bars": page.bars(order, old, new, tail, names),
        "shown": shown,
        "hidden": len(sealed.picks) - len(shown),
        "stages": _stages(sealed.picks),
        "judged": len(judged),
        "agreed": sum(pick.label == pick.predicted for pick in judged),
        "looks": seen,
        "wide": not any(look.image for look in seen.values()),
        "recalls": page.recalls(before.best, after.best, old, new) if after.best else (),
        "confused": page.confused(after.best, names) if after.best else (),
        "provenance": provenance(facts.ws, facts.params.campaign.name, sealed, facts.encoder),
    }


def _stages(picks: Sequence[Pick]) -> tuple[StageCount, ...]:
    counted = Counter(pick.stage for pick in picks)
    order = sorted(counted, key=lambda s: (STAGES.index(s) if s in STAGES else len(STAGES), s))
    return tuple(StageCount(stage.replace("_", " "), counted[stage]) for stage in order)


def _unmeasured(after: State) -> str:
    found = after.candidates.get(after.chosen or "")
    if found and not found.available:
        return found.why or f"{found.candidate} is not available"
    return "the candidates were not evaluated yet" if not after.chosen else f"{after.chosen} was not evaluated yet"


def _money(sealed: Sealed) -> dict[str, Any]:
    quote, approval = sealed.record.get("quote") or {}, sealed.record.get("approval") or {}
    micros, cap = quote.get("micros"), approval.get("cap_micros")
    return {
        "approval": {"by": approval.get("by")},
        "quote": words.money(micros, sealed.currency) if micros is not None else None,
        "cap": words.money(cap, sealed.currency) if cap is not None else None,
    }


def check_sealed(ws: Workspace, round_no: int, numbers: Sequence[int]) -> None:
    """Refuse a round that is not sealed.

    Raises:
        TaskFolderError: Says which rounds are.
    """
    if round_no not in numbers:
        there = ", ".join(map(str, numbers)) or "none"
        raise TaskFolderError(f"round {round_no} is not sealed in {ws.rounds}; sealed rounds: {there}")
