"""`tailfirst money`: caps, approvals, and what a label costs."""

from typing import TYPE_CHECKING

import typer
from rich.markup import escape
from rich.table import Table

from tailfirst.commands import shell

if TYPE_CHECKING:
    from tailfirst.prices import Price
    from tailfirst.spending import Spending


def money(command: typer.Context, as_json: shell.AsJson = False) -> None:
    """Caps and what is left of them, approvals, costs by kind, prices per label, class and purpose."""
    from tailfirst.context import NoGates
    from tailfirst.spending import as_data, spending

    with shell.opened(command, NoGates()) as ctx:
        found = spending(ctx)
    if as_json:
        shell.emit(as_data(found))
    else:
        show(found)


def show(found: "Spending") -> None:
    """The money for a terminal."""
    from tailfirst.report.words import money as words

    currency, console = found.status.currency, shell.console()
    switch = "; [red]the kill switch is on[/red]" if found.kill_switch else ""
    console.print(f"[bold]{escape(found.campaign)}[/bold]{switch}")
    console.print(_caps(found))
    for given in found.approvals:
        cap, quoted = words(given.cap_micros, given.currency), words(given.quote_micros, given.currency)
        said = (
            f"round {given.round_no}: {given.approved_by} approved up to {cap} on {given.approved_at:%Y-%m-%d %H:%M} "
            f"UTC; quote {quoted} ({given.quote_basis}), {given.n_approved} of {given.n_quoted} tasks"
        )
        shell.say(said)
    lines = _table("cost lines", "count", "amount")
    for kind, one in found.kinds.items():
        lines.add_row(kind.lower(), str(one.labels), words(one.micros, currency))
    console.print(lines)
    paid = found.prices
    table = _table("price of", "labels", "amount", "per label")
    for name, price in _priced(found):
        each = "–" if price.per_label is None else words(price.per_label, currency)
        table.add_row(escape(name), str(price.labels), words(price.micros, currency), each)
    for name, amount in (("items without a label", paid.without_label), ("whole orders", paid.whole_orders)):
        if amount:
            table.add_row(name, "", words(amount, currency), "")
    console.print(table)


def _priced(found: "Spending") -> list[tuple[str, "Price"]]:
    paid = found.prices
    return [
        ("everything", paid.all),
        *((f"class {name}", price) for name, price in paid.by_class.items()),
        *((f"purpose {name.lower()}", price) for name, price in paid.by_purpose.items()),
    ]


def _caps(found: "Spending") -> Table:
    from tailfirst.report.words import money as words
    from tailfirst.spending import left

    table = _table("cap of", "cap", "reserved", "spent", "left")
    status = found.status
    rows: list[tuple[str, int | None, int, int, int | None]] = [
        ("campaign", status.cap, status.reserved, status.accrued, status.left),
        *((one.month, one.cap, one.reserved, one.accrued, left(one)) for one in found.months),
        *((f"round {one.round_no}", one.cap, one.reserved, one.accrued, left(one)) for one in found.rounds),
    ]
    for name, *amounts in rows:
        table.add_row(name, *("–" if amount is None else words(amount, status.currency) for amount in amounts))
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left")
    return table
