"""The campaign in one table: what each round bought and what it brought, beside zero-shot and the random arm."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rich.table import Table

from tailfirst import config
from tailfirst.config import Params
from tailfirst.contracts import Interval
from tailfirst.paths import Workspace
from tailfirst.report import words
from tailfirst.report.history import ControlPoint, History, State, history
from tailfirst.report.measures import SHOWN, WORDS, Measures

Kind = Literal["round", "zero_shot", "random"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a round, zero-shot, or the random arm at a round's number of labels."""

    kind: Kind
    name: str
    round_no: int | None
    candidate: str | None
    n_labels: int | None
    cost_micros: int | None
    values: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class CampaignTable:
    """The rows with what is needed to write them."""

    campaign: str
    currency: str
    names: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]  # what is missing, in words


def campaign(known: History, params: Params) -> CampaignTable:
    """The table of a history."""
    rows = [_zero_shot(known.zero_shot)] if known.zero_shot else []
    for place, state in enumerate(known.states):
        if not (rows and state.round_no == 0 and state.chosen == rows[0].candidate):  # it would say zero-shot again
            rows.append(_round(state))
        point = known.control.after(place)
        if point:
            rows.append(_random(point))
    notes = [] if known.zero_shot else [f"no zero-shot row: {known.no_zero_shot}"]
    if not known.control.points:
        notes.append(f"no random rows: {known.control.why or 'no points yet'}")
    return CampaignTable(
        params.campaign.name, params.money.currency, SHOWN, tuple(WORDS[n] for n in SHOWN), tuple(rows), tuple(notes)
    )


def campaign_table(ws: Workspace) -> Table:
    """The table for a terminal.

    Raises:
        UserError: The workspace cannot be read.
    """
    params = config.load(ws.params)
    return as_rich(campaign(history(ws, params), params))


def campaign_data(ws: Workspace) -> dict[str, Any]:
    """The table as plain data for JSON.

    Raises:
        UserError: The workspace cannot be read.
    """
    params = config.load(ws.params)
    return as_data(campaign(history(ws, params), params))


def as_rich(table: CampaignTable) -> Table:
    """The table for a terminal."""
    made = Table(title=f"campaign {table.campaign}", caption="; ".join(table.notes) or None, caption_justify="left")
    made.add_column("after", no_wrap=True)
    made.add_column("candidate")
    made.add_column("labels", justify="right")
    made.add_column("cost", justify="right", no_wrap=True)
    for column in table.columns:
        made.add_column(column, justify="right")
    for row in table.rows:
        cost = words.NOTHING if row.cost_micros is None else words.money(row.cost_micros, table.currency)
        labels = words.NOTHING if row.n_labels is None else str(row.n_labels)
        values = [words.measured(row.values.get(name)) for name in table.names]
        made.add_row(row.name, row.candidate or words.NOTHING, labels, cost, *values, style=_STYLES[row.kind])
    return made


def as_data(table: CampaignTable) -> dict[str, Any]:
    """The table as plain data for JSON."""
    return {
        "campaign": table.campaign,
        "currency": table.currency,
        "rows": [_row_data(row) for row in table.rows],
        "notes": list(table.notes),
    }


_STYLES: Mapping[Kind, str] = {"round": "", "zero_shot": "yellow", "random": "dim"}


def _row_data(row: Row) -> dict[str, Any]:
    values = {k: {"value": v.value, "low": v.low, "high": v.high} for k, v in row.values.items()}
    return {
        "kind": row.kind,
        "round_no": row.round_no,
        "candidate": row.candidate,
        "n_labels": row.n_labels,
        "cost_micros": row.cost_micros,
        **values,
    }


def _round(state: State) -> Row:
    name = f"round {state.round_no}" if state.round_no else "start"
    values = state.best.values if state.best else {}
    return Row("round", name, state.round_no, state.chosen, state.n_labels, state.cost_micros, values)


def _zero_shot(found: Measures) -> Row:
    return Row("zero_shot", "zero-shot", None, found.candidate, 0, 0, found.values)


def _random(point: ControlPoint) -> Row:
    return Row(
        "random",
        f"random, {point.seeds} seed{'' if point.seeds == 1 else 's'}",
        None,
        None,
        point.n_labels,
        None,
        point.values,
    )
