"""`tailfirst reconcile`: the vendor's statement against the ledger."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from tailfirst.commands import shell
from tailfirst.errors import UserError

if TYPE_CHECKING:
    from tailfirst.reconcile.match import Finding, Matching

SHOWN = 20  # disputes on the screen


def reconcile(
    command: typer.Context,
    statement: Annotated[Path | None, typer.Argument(help="The vendor's statement: CSV or JSON lines.")] = None,
    from_vendor: Annotated[bool, typer.Option("--from-vendor", help="Ask the vendor for its statement.")] = False,
    disputes: Annotated[Path | None, typer.Option(help="Write the dispute list to this CSV file.")] = None,
    as_json: shell.AsJson = False,
) -> None:
    """Compare the vendor's statement with the ledger; exit code 1 when there is something to dispute."""
    from tailfirst.context import NoGates
    from tailfirst.reconcile import run
    from tailfirst.reconcile.statement import read

    if (statement is None) is not from_vendor:
        raise UserError("give either a STATEMENT file or --from-vendor, for example: tailfirst reconcile march.csv")
    with shell.opened(command, NoGates()) as ctx, shell.notes().status("comparing"):
        currency = ctx.params.money.currency
        lines = run.of_vendor(ctx) if statement is None else read(statement, currency)
        found, new = run.reconcile(ctx.ledger, ctx.campaign, lines, currency, ctx.now())
    if disputes is not None:
        run.write_disputes(disputes, found)
    if as_json:
        shell.emit(as_data(found, new, currency))
    else:
        show(found, new, currency, disputes)
    if found.disputes:
        raise typer.Exit(1)


def as_data(found: "Matching", new: int, currency: str) -> dict[str, Any]:
    """For programs."""
    from tailfirst.reconcile.match import WHATS

    return {
        "clean": not found.disputes,
        "currency": currency,
        "new_lines": new,
        "counts": {what: summed(found.of(what)) for what in WHATS},
        "disputes": [fact(one) for one in found.disputes],
        "missing_there": [fact(one) for one in found.of("missing there")],
    }


def summed(findings: "tuple[Finding, ...]") -> dict[str, int]:
    """How many, and their amounts together."""
    ours, theirs = sum(one.ours for one in findings), sum(one.theirs for one in findings)
    return {"n": len(findings), "ours_micros": ours, "theirs_micros": theirs, "difference_micros": theirs - ours}


def fact(one: "Finding") -> dict[str, Any]:
    """A finding for programs."""
    return {
        "what": one.what,
        "round_no": one.round_no,
        "key": one.key,
        "ours_micros": one.ours,
        "theirs_micros": one.theirs,
        "difference_micros": one.difference,
        "lines": list(one.line_ids),
        "why": one.why,
    }


def show(found: "Matching", new: int, currency: str, disputes: Path | None) -> None:
    """The result for a terminal."""
    from tailfirst.reconcile.match import WHATS
    from tailfirst.report.words import money

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "count", "ours", "theirs", "difference"):
        table.add_column(heading, justify="right" if heading else "left")
    for what in WHATS:
        one = summed(found.of(what))
        amounts = (one["ours_micros"], one["theirs_micros"], one["difference_micros"])
        table.add_row(what, str(one["n"]), *(money(amount, currency) for amount in amounts))
    console = shell.console()
    console.print(table)
    for finding in found.disputes[:SHOWN]:
        name = finding.key or (f"round {finding.round_no}" if finding.round_no else ", ".join(finding.line_ids))
        amounts_said = f"ours {money(finding.ours, currency)}, theirs {money(finding.theirs, currency)}"
        said = f"{finding.what}: {name}: {amounts_said}; {finding.why}"
        console.print(f"[yellow]{escape(said)}[/yellow]", soft_wrap=True)
    shell.say(f"{new} new invoice lines kept in the ledger; they move no money")
    n = len(found.disputes)
    if not n:
        shell.say("clean: nothing to dispute")
        return
    where = f"the list is in {disputes}" if disputes else "--disputes FILE writes the list"
    more = f", {SHOWN} of them shown" if n > SHOWN else ""
    shell.say(f"{n} to dispute with the vendor{more} (exit code 1); {where}")
