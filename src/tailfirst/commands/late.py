"""`tailfirst collect-late`: answers that came after the last round was sealed."""

import typer

from tailfirst.commands import shell


def collect_late(command: typer.Context) -> None:
    """Poll the orders of sealed rounds; what came late goes into a supplement round, for `advance` to seal."""
    from tailfirst.labeling import late

    with shell.opened(command) as ctx:
        shell.say(late.collect_late_labels(ctx))
