"""`tailfirst lineage`: from a round, an item, a purchase or a run back to bytes and money."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.tree import Tree

from tailfirst.commands import shell

if TYPE_CHECKING:
    from tailfirst.lineage_files import Fact

MARKS = {True: " [green]✓ matches[/green]", False: " [red]✗ does not match[/red]", None: ""}


def lineage(
    command: typer.Context,
    reference: Annotated[str, typer.Argument(help="A round (3, round-0003), item id, submission key or run id.")],
    as_json: shell.AsJson = False,
) -> None:
    """From a number back to the bytes: report, run, data version, raw deliveries, money."""
    from tailfirst.lineage import as_data, trace

    with shell.opened(command) as ctx, shell.notes().status("hashing"):
        found = trace(ctx, reference)
    if as_json:
        shell.emit(as_data(found))
    else:
        shell.console().print(grown(found), soft_wrap=True)


def grown(fact: "Fact", below: Tree | None = None) -> Tree:
    """The facts as a tree for a terminal."""
    words = f"[bold]{escape(fact.what)}[/bold] {escape(fact.value)}{MARKS[fact.matches]}"
    tree = Tree(words) if below is None else below.add(words)
    for one in fact.below:
        grown(one, tree)
    return tree
