"""`tailfirst take-down`: an item, an open row or bytes leave the workspace for good."""

from typing import TYPE_CHECKING, Annotated

import typer

from tailfirst.commands import shell
from tailfirst.errors import CheckFailed

if TYPE_CHECKING:
    from tailfirst.takedown.run import Report

# In this order: git names the versions of data/, DVC holds their bytes.
CLEAN = (
    "dvc add data",
    "dvc repro",
    "git add data.dvc dvc.yaml dvc.lock && git commit -m 'Take-down'",
    "dvc push",
    "dvc gc --workspace --cloud --force",
)


def take_down(
    command: typer.Context,
    what: Annotated[list[str], typer.Argument(help="Item ids, open ids or sha256 of the bytes.")],
    reason: Annotated[str | None, typer.Option(help="Why; kept in data/takedowns.parquet.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is where.")] = False,
    as_json: shell.AsJson = False,
) -> None:
    """Take items or open data out for good: bytes, rows, labels, vectors; then look whether it is gone."""
    from tailfirst.context import NoGates
    from tailfirst.takedown.run import take_down as act

    with shell.opened(command, NoGates()) as ctx, shell.notes().status("looking through the workspace"):
        report = act(ctx, [one.strip() for one in what], reason, dry_run=dry_run)
    if as_json:
        shell.emit(as_data(report))
    else:
        for line in sentences(report):
            shell.say(line)
    if report.remains:
        left = ", ".join(f"{name}: {count}" for name, count in report.remains.items())
        raise CheckFailed(f"it is not gone: {left}; run the same command again")


def as_data(report: "Report") -> dict[str, object]:
    """The report for programs."""
    return {
        "ids": list(report.ids),
        "sha256": list(report.shas),
        "dry_run": report.dry_run,
        "found": dict(report.found),
        "remains": dict(report.remains),
        "dropped_tasks": report.dropped_tasks,
        "stays": {"rounds": list(report.stays.rounds), "at_vendor": list(report.stays.at_vendor)},
        "next": list(CLEAN),
    }


def sentences(report: "Report") -> list[str]:
    """The report for people."""
    known = ", ".join(report.ids) or "nothing of it is here"
    lines = [f"{'would take down' if report.dry_run else 'taken down'}: {known}"]
    lines += [f"  {name}: {count}" for name, count in report.found.items()]
    if report.dry_run:
        return [*lines, *stays(report), "nothing was changed"]
    if report.dropped_tasks:
        lines.append(f"{report.dropped_tasks} labeling task(s) that were not sent yet are called off")
    if not report.remains:
        lines.append("looked again everywhere: nothing of it is left in data/, work/ or the vector cache")
    lines += stays(report)
    lines.append("older versions of data/ in the DVC cache and its remote still hold the bytes; to remove them there:")
    lines += [f"  {line}" for line in CLEAN]
    lines.append(
        "then `tailfirst plan` runs the stages without it; docs/runbook/take-down.md says what that cannot undo"
    )
    return lines


def stays(report: "Report") -> list[str]:
    """What a take-down leaves as it is."""
    lines = []
    if report.stays.rounds:
        lines.append(
            f"sealed round(s) {', '.join(report.stays.rounds)} keep its id, labels and raw answers (no image), and the "
            "ledger its money: records that never change"
        )
    if report.stays.at_vendor:
        lines.append(
            f"the vendor has {len(report.stays.at_vendor)} labeling task(s) of it: ask them to delete; an answer that "
            "still comes is paid and kept in its round, but never enters data/labels.parquet"
        )
    return lines
