"""`tailfirst gold`: name items with known answers that test the annotators."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from tailfirst.commands import shell
from tailfirst.errors import UserError


def gold(
    command: typer.Context,
    table: Annotated[Path | None, typer.Argument(help="Answers of an expert: columns item_id and class_id.")] = None,
    expert: Annotated[str, typer.Option(help="Who looked at them; kept with each answer.")] = "",
    from_seed: Annotated[int, typer.Option(help="So many seed labels become gold, evenly over the classes.")] = 0,
) -> None:
    """Name gold items, or say how often each was shown. They never train: their labels leave the training set."""
    from tailfirst.context import NoGates
    from tailfirst.labeling import gold as act

    if table is not None and from_seed:
        raise UserError("give a table or --from-seed, not both: each answer has one source")
    with shell.opened(command, NoGates()) as ctx:
        if table is not None or from_seed:
            done = act.from_table(ctx, table, expert) if table is not None else act.from_seed(ctx, from_seed)
            changed = f", {done.changed} with another answer than before" if done.changed else ""
            shell.say(f"{done.added} gold items named{changed}; {done.total} in all; they never train")
            if not ctx.params.quality.gold_share:
                shell.say("params.yaml buys none yet: set quality.gold_share, for example 0.1")
            return
        shown = Counter(act.exposure(ctx).values())
        if not shown:
            raise UserError(
                "no gold yet: `tailfirst gold ANSWERS.csv --expert NAME`, or `tailfirst gold --from-seed 20`"
            )
        most = ctx.params.quality.gold_max_uses
        uses = ", ".join(f"{n} shown {times} times" for times, n in sorted(shown.items()))
        shell.say(f"{sum(shown.values())} gold items: {uses}; none is shown more than {most} times")
