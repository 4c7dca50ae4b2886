"""`tailfirst fetch`: download the images that the open corpus names by URL."""

from typing import TYPE_CHECKING, Annotated

import typer

from tailfirst.commands import shell

if TYPE_CHECKING:
    from tailfirst.fetching.client import Client
    from tailfirst.fetching.run import Report


def fetch(
    command: typer.Context,
    only_matching: Annotated[
        bool, typer.Option("--only-matching", help="Only rows that retrieval would look at: they name a class.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask for at most so many URLs.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="URLs asked at a time.")] = 16,
    per_host: Annotated[int, typer.Option(min=1, max=16, help="Of them at the same host.")] = 2,
    max_mb: Annotated[float, typer.Option(min=0.001, max=1000, help="The largest image, in megabytes.")] = 20,
    timeout: Annotated[float, typer.Option(min=1, max=600, help="Seconds for one URL, redirects included.")] = 30,
    allow_port: Annotated[
        list[int] | None, typer.Option(min=1, max=65535, help="A port beside 80 and 443; repeat for more.")
    ] = None,
    as_json: shell.AsJson = False,
) -> None:
    """Download the images that the open corpus names by URL; a second run asks only for what is missing."""
    from tailfirst.fetching.run import Plan
    from tailfirst.fetching.run import fetch as act
    from tailfirst.paths import Workspace

    ws = Workspace(shell.find_root(shell.of(command).root))
    plan = Plan(only_matching=only_matching, limit=limit, workers=workers, per_host=per_host)
    report = act(ws, plan, client(frozenset(allow_port or ()), int(max_mb * 1e6), timeout))
    if as_json:
        shell.emit(as_data(report))
    else:
        for line in sentences(report):
            shell.say(line)


def client(ports: frozenset[int], max_bytes: int, time_s: float) -> "Client":
    """Who asks; public addresses only."""
    from tailfirst.fetching.client import Caps, Client
    from tailfirst.fetching.guard import PORTS, Guard

    return Client(Guard(ports=PORTS | ports), Caps(max_bytes=max_bytes, time_s=time_s))


def as_data(report: "Report") -> dict[str, object]:
    """The report for programs."""
    return {
        "asked": report.asked,
        "done": report.done,
        "refused": report.refused,
        "failed": report.failed,
        "retryable": report.retryable,
        "image_bytes": report.image_bytes,
        "reasons": dict(report.reasons.most_common()),
    }


def sentences(report: "Report") -> list[str]:
    """The report for people."""
    if not report.asked:
        return ["nothing to fetch: every URL has its image, or was refused or failed for good"]
    came = f"{report.done:,} came ({report.image_bytes / 1e6:,.1f} MB)"
    rest = f"{report.refused:,} were refused by our own rules, {report.failed:,} failed"
    lines = [f"asked for {report.asked:,} images: {came}, {rest}"]
    lines += [f"  {count:,} x {reason}" for reason, count in report.reasons.most_common()]
    if report.retryable:
        lines.append(f"{report.retryable:,} of the failed may come later: run `tailfirst fetch` again")
    lines.append("what became of each URL: data/open/fetched; next: `dvc add data`, then `tailfirst plan`")
    return lines
