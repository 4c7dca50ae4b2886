"""`tailfirst backup`: a copy of the ledger."""

from pathlib import Path
from typing import Annotated

import typer

from tailfirst.commands import shell


def backup(
    command: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where the copy goes; it must not exist yet.", show_default=False)],
) -> None:
    """Copy the ledger while rounds run; how to go back to a copy: docs/runbook/restore.md."""
    from tailfirst.ledger.backup import backup as copy

    with shell.opened(command) as ctx:
        size = copy(ctx.ledger.database, file)
    shell.say(f"{file}: {size:,} bytes, checked")
