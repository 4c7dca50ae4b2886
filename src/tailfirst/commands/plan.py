"""`tailfirst plan`: what the next round would buy, why, and for how much; nothing is frozen or ordered."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from tailfirst.commands import shell

if TYPE_CHECKING:
    from tailfirst.preview import Preview


def plan(
    command: typer.Context,
    items: Annotated[int, typer.Option(min=0, help="How many items to show.")] = 20,
    as_json: shell.AsJson = False,
) -> None:
    """What the next round would buy, why, and for how much; spends nothing."""
    from tailfirst.context import NoGates
    from tailfirst.preview import as_data, preview, refresh

    with shell.opened(command, NoGates()) as ctx:
        with shell.notes().status("looking at the stages") as shown:
            refresh(ctx, lambda stage: shown.update(f"running {escape(stage)}"))
        found = preview(ctx)
    if as_json:
        shell.emit(as_data(found, items))
    else:
        show(found, items)


def show(found: "Preview", shown: int) -> None:
    """The plan for a terminal."""
    from tailfirst.report.words import NOTHING, money, percent

    console = shell.console()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name, side in (("#", "right"), ("item", "left"), ("why", "left"), ("score", "right"), ("model says", "left"),
                       ("price", "right")):  # fmt: skip
        table.add_column(name, justify="right" if side == "right" else "left", no_wrap=True)
    for item in found.items[:shown]:
        says = f"{item.predicted} {percent(item.probability, 0)}" if item.predicted else NOTHING
        price = NOTHING if item.price_micros is None else money(item.price_micros, found.currency)
        score = NOTHING if item.score is None else f"{item.score:.3g}"
        why = item.reason if item.purpose != "AUDIT" else f"{item.reason} (audit)"
        table.add_row(str(item.rank + 1), item.item_id, escape(why), score, escape(says), price)
    console.print(table)
    if len(found.items) > shown:
        console.print(f"[dim]and {len(found.items) - shown} more (--items {len(found.items)} shows all)[/dim]")
    for line in sentences(found):
        console.print(escape(line), soft_wrap=True)


def sentences(found: "Preview") -> list[str]:
    """What the table adds up to."""
    from tailfirst.report.words import money

    whole = len(found.items)
    shares = f"{found.count('AUDIT')} for the audit and {found.count('control')} drawn at random as control"
    lines = [f"round {found.round_no}: {whole} items by {found.strategy}, of them {shares}"]
    total, currency = found.total_micros, found.currency
    if total is not None:
        left = money(found.left_micros, currency)
        lines += [
            f"cost: {money(total, currency)} in total, {money(total // max(whole, 1), currency)} per item",
            f"a round may cost {money(found.cap_round_micros, currency)}, the campaign has {left} left",
        ]
    if found.objection:
        lines.append(f"the vendor would not take it yet: {found.objection}")
    if found.starved:
        lines.append(f"classes without a candidate in the pool: {', '.join(found.starved)}")
    if found.exhausted:
        lines.append(f"classes not searched for until the pool grows: {', '.join(found.exhausted)}")
    if found.frozen:
        lines.append(f"this batch is frozen already: round {found.round_no} is {found.frozen} (`tailfirst status`)")
    elif found.ended:
        lines.append(f"it would not be bought: {found.ended}")
    else:
        lines.append("nothing was ordered; `tailfirst advance` freezes this batch and asks for a quote")
    return lines
