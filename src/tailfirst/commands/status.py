"""`tailfirst status`: where the round stands, what it waits for, money, last measures."""

from typing import TYPE_CHECKING

import typer
from rich.markup import escape
from rich.table import Table

from tailfirst.commands import shell

if TYPE_CHECKING:
    from tailfirst.status import Standing


def status(command: typer.Context, as_json: shell.AsJson = False) -> None:
    """Where the round stands and what it waits for."""
    from tailfirst.status import as_data, standing

    with shell.opened(command) as ctx:
        found = standing(ctx)
    if as_json:
        shell.emit(as_data(found))
    else:
        show(found)


def show(found: "Standing") -> None:
    """The standing for a terminal."""
    from tailfirst.report.words import measured, money

    console = shell.console()
    where = f"round {found.round_no} is {found.state}" if found.round_no else "no round yet"
    console.print(f"[bold]{escape(found.campaign)}[/bold]: {where}, {found.sealed_rounds} sealed")
    color = "yellow" if found.waits else "green"
    console.print(f"next: [{color}]{found.step.kind.value}[/{color}], {escape(found.step.why)}", soft_wrap=True)
    if found.sla_reminder:
        console.print(f"[yellow]{escape(found.sla_reminder)}[/yellow]", soft_wrap=True)
    if found.to_do:
        console.print(f"to do: [yellow]{escape(found.to_do)}[/yellow]", soft_wrap=True)
    if found.classes:
        console.print(escape(found.classes), soft_wrap=True)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for state, count in found.counts.items():
        table.add_row("tasks", state.lower().replace("_", " "), str(count))
    cash = found.money
    for name, amount in (("spent", cash.accrued), ("reserved", cash.reserved), ("left", cash.left)):
        table.add_row("money", name, money(amount, cash.currency))
    if found.month_left is not None:
        table.add_row("money", "left this month", money(found.month_left, cash.currency))
    if found.approval is not None:
        given = found.approval
        cap = money(given.cap_micros, given.currency)
        table.add_row("approved", given.approved_by, f"{cap} on {given.approved_at:%Y-%m-%d %H:%M} UTC")
    if found.misses is not None:
        for name, number in (("waiting", found.inbox.waiting), ("parked", found.inbox.parked)):
            table.add_row("webhooks", name, str(number))
        rate = "no results yet" if found.misses.rate is None else f"{found.misses.rate:.0%} of {found.misses.found}"
        table.add_row("webhooks", "missed in 24 h", rate)
    for one in found.calls:
        table.add_row(f"calls of {one.vendor}", f"{one.operation} {one.outcome.lower()}", str(one.n))
    table.add_row("labels", "may train", str(found.n_labels))
    for name, value in found.values.items():
        table.add_row(f"{found.chosen}", name.replace("_", " "), measured(value))
    console.print(table)
    if found.exhausted:
        names = escape(", ".join(found.exhausted))
        console.print(f"not searched for until the pool grows: {names}", soft_wrap=True)
    for doubt in found.doubts:
        console.print(f"[yellow]quality:[/yellow] {escape(doubt)}", soft_wrap=True)
    if found.values:
        after = f"round {found.measured_after}" if found.measured_after else "no round"
        console.print(f"[dim]measured after {after}; with bootstrap intervals[/dim]")
