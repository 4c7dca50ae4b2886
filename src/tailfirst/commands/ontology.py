"""`tailfirst ontology`: look at, apply and take back migrations of the classes."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tailfirst.commands import shell

if TYPE_CHECKING:
    from tailfirst.ontology.acts import Preview

app = typer.Typer(name="ontology", no_args_is_help=True, help="Change the classes: rename, merge, split, retire, add.")
File = Annotated[Path, typer.Argument(help="The migration, a YAML file; see docs/ontology.md.")]


@app.command()
def preview(command: typer.Context, file: File, as_json: shell.AsJson = False) -> None:
    """What a migration would change; nothing is written."""
    from tailfirst.ontology import acts
    from tailfirst.paths import Workspace

    found = acts.preview(Workspace(shell.find_root(shell.of(command).root)), file)
    if as_json:
        shell.emit(asdict(found))
        return
    for line in lines(found):
        shell.say(line)


@app.command()
def apply(command: typer.Context, file: File) -> None:
    """Put a migration in force: a new version of task.yaml, labels folded again. An open round keeps its own."""
    from tailfirst.context import NoGates
    from tailfirst.ontology import acts

    with shell.opened(command, NoGates()) as ctx:
        shell.say(acts.apply(ctx, file))


@app.command()
def revert(command: typer.Context) -> None:
    """Back to the version before the last migration, as long as nothing was labeled under the newer one."""
    from tailfirst.context import NoGates
    from tailfirst.ontology import acts

    with shell.opened(command, NoGates()) as ctx:
        shell.say(acts.revert(ctx))


def lines(found: "Preview") -> list[str]:
    """The preview for people."""
    said = [f"version {found.origin} -> {found.to}: {len(found.before)} -> {len(found.after)} classes"]
    said += [f"  {old} {way}: {n} labels" for old, way, n in found.ways]
    new = [c for c in found.after if c not in found.before]
    said += [f"  new: {', '.join(new)}"] if new else []
    said.append(
        f"labels: {found.kept} as they are, {found.moved} move, {found.again} end and may be bought again, "
        f"{found.closed} end for good"
    )
    for what, (moves, ends) in (("holdout", found.holdout), ("gold", found.gold)):
        said += [f"{what}: {moves} labels move, {ends} end"] if moves or ends else []
    return said + [f"names of {one}" for one in found.names]
