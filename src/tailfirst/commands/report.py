"""`tailfirst report`: build the pages and say where they are."""

import webbrowser
from typing import Annotated

import typer

from tailfirst.commands import shell


def report(
    command: typer.Context,
    round_no: Annotated[int | None, typer.Option("--round", help="This round's page; default: the newest.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Build the round reports and print the path."""
    from tailfirst import config
    from tailfirst.paths import Workspace
    from tailfirst.report import build
    from tailfirst.report.history import sealed_rounds

    ws = Workspace(shell.find_root(shell.of(command).root))
    params = config.load(ws.params)
    numbers = sealed_rounds(ws)
    if round_no is not None:
        build.check_sealed(ws, round_no, numbers)
    with shell.notes().status("building the report"):
        build.report(ws, params)
    path = build.page_path(ws, round_no or (numbers[-1] if numbers else None))
    shell.say(str(path))
    if show:
        webbrowser.open(path.as_uri())
