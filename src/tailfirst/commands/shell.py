"""What all commands share: finding the workspace, opening it, and writing for people or for programs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from tailfirst.errors import ConfigError

if TYPE_CHECKING:
    from tailfirst.context import Context, Gates

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@dataclass(frozen=True, slots=True)
class Shell:
    """Where a command works; `root` None = look upwards from the current folder."""

    root: Path | None


def of(command: typer.Context) -> Shell:
    """The shell that the global options made."""
    shell = command.find_object(Shell)
    return shell or Shell(None)


def find_root(given: Path | None, start: Path | None = None) -> Path:
    """The workspace: as given, or the nearest folder upwards that holds params.yaml.

    Raises:
        ConfigError: There is none.
    """
    if given is not None:
        if not given.is_dir():
            raise ConfigError(f"--root {given} is not a folder; give the folder that holds params.yaml")
        if not (given / "params.yaml").exists():
            raise ConfigError(f"--root {given} holds no params.yaml; `tailfirst init --root {given}` makes a workspace")
        return given.resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").exists():
            return folder
    raise ConfigError(
        f"no params.yaml in {here} or above it; go into a workspace, name one with --root, or make one with "
        "`tailfirst init`"
    )


@contextmanager
def opened(command: typer.Context, gates: "Gates | None" = None) -> Iterator["Context"]:
    """The workspace's context, closed again at the end.

    Raises:
        UserError: No workspace, or something in it is wrong.
    """
    from tailfirst.context import open_context

    with open_context(find_root(of(command).root), settings(), gates=gates) as context:
        yield context


def settings() -> Any:
    """Settings from the environment.

    Raises:
        ConfigError: A variable holds something unusable; names it.
    """
    from pydantic import ValidationError

    from tailfirst.config import Settings

    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"TAILFIRST_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"the environment (or .env) is wrong: {wrong}") from error


def console() -> Console:
    """For results: standard output; a wide page where nobody watches, so that nothing is cut in a log."""
    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=max(made.width, 140))


def notes() -> Console:
    """For progress and hints: standard error."""
    return Console(stderr=True, highlight=False)


def emit(value: Any) -> None:
    """JSON on standard output, and nothing else."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str))


def say(text: str) -> None:
    """A sentence on standard output, never wrapped or taken for markup."""
    Console(highlight=False).print(text, markup=False, soft_wrap=True)
