"""The command `tailfirst`: what people type.

Bad input ends with one sentence and exit code 2, other refusals with 1.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tailfirst import __version__
from tailfirst.commands import acts, shell
from tailfirst.commands.backup import backup
from tailfirst.commands.fake_vendor import fake_vendor
from tailfirst.commands.fetch import fetch
from tailfirst.commands.gold import gold
from tailfirst.commands.late import collect_late
from tailfirst.commands.lineage import lineage
from tailfirst.commands.money import money
from tailfirst.commands.ontology import app as ontology
from tailfirst.commands.plan import plan
from tailfirst.commands.reconcile import reconcile
from tailfirst.commands.report import report
from tailfirst.commands.serve import serve
from tailfirst.commands.status import status
from tailfirst.commands.take_down import take_down
from tailfirst.errors import TailfirstError, UserError
from tailfirst.intake.command import init

PANELS = {"look": "Look", "act": "Act", "start": "Start"}
INTERRUPTED = 130

app = typer.Typer(
    name="tailfirst",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    epilog="One round: plan, advance, approve, advance --all, report. The flow in flows/ does the same on a schedule.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tailfirst {__version__}")
        raise typer.Exit


@app.callback()
def tailfirst(
    command: typer.Context,
    root: Annotated[
        Path | None, typer.Option(help="The workspace; default: the nearest folder upwards with params.yaml.")
    ] = None,
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which it is.")] = False,
) -> None:
    """Active learning in rounds: retrieve, embed, adapt, evaluate, choose what to buy, buy it, repeat."""
    command.obj = shell.Shell(root)
    if root is not None:
        command.default_map = {"init": {"root": str(root)}}


for _function, _panel in (
    (init, "start"),
    (fetch, "start"),
    (fake_vendor, "start"),
    (gold, "start"),
    (status, "look"),
    (plan, "look"),
    (report, "look"),
    (lineage, "look"),
    (money, "look"),
    (acts.advance, "act"),
    (acts.approve, "act"),
    (acts.abort, "act"),
    (acts.pause, "act"),
    (acts.resume, "act"),
    (acts.replay, "act"),
    (collect_late, "act"),
    (reconcile, "act"),
    (take_down, "act"),
    (serve, "act"),
    (backup, "act"),
):
    app.command(rich_help_panel=PANELS[_panel])(_function)
app.add_typer(ontology, rich_help_panel=PANELS["act"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 refused, 2 bad input (nothing changed), 130 interrupted."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning OpenMP threads cost 3-15x beside other work
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    try:
        code = app(
            args=list(sys.argv[1:] if arguments is None else arguments), prog_name="tailfirst", standalone_mode=False
        )
    except UserError as error:
        return _refuse(str(error), 2)
    except TailfirstError as error:
        return _refuse(f"{type(error).__name__}: {error}", 1)
    except (typer.Abort, KeyboardInterrupt):
        return _refuse("interrupted; whatever was done is kept, run it again to go on", INTERRUPTED)
    except typer.TyperException as error:
        return _misused(error)
    return code if isinstance(code, int) else 0


def _misused(error: typer.TyperException) -> int:
    """A wrong command or option; typer's message names the nearest one."""
    message = getattr(error, "format_message", lambda: str(error))()
    if not message:  # no command at all: typer has printed the help
        return 2
    where = getattr(error, "ctx", None)
    command = "tailfirst" if where is None else where.command_path
    return _refuse(f"{message.rstrip('.')}; `{command} --help` lists what there is", 2)


def _refuse(sentence: str, code: int) -> int:
    shell.notes().print(f"tailfirst: {' '.join(sentence.split())}", markup=False, soft_wrap=True)
    return code
