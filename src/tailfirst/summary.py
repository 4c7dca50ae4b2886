"""Short views of a round for terminals and for Prefect's artifacts."""

from pathlib import Path

from tailfirst import schemas
from tailfirst.paths import Workspace
from tailfirst.tracking import read_json

SHOWN = 50


def batch_rows(ws: Workspace) -> list[dict[str, str]]:
    """The first rows of the next batch, in buying order, as text."""
    table = schemas.read(ws.batch, schemas.BATCH).slice(0, SHOWN)
    return [
        {
            "rank": str(row["rank"]),
            "item": row["item_id"],
            "purpose": row["purpose"],
            "reason": row["reason"],
            "predicted": row["predicted"] or "",
            "score": "" if row["score"] is None else f"{row['score']:.4f}",
        }
        for row in table.to_pylist()
    ]


def round_markdown(ws: Workspace, round_no: int) -> str:
    """A sealed round in a page of markdown: bought, cost, metrics, where the report lies."""
    sealed = read_json(ws.sealed(round_no) / "round.json")
    candidate = read_json(ws.choice).get("candidate")
    metrics = read_json(ws.metrics(candidate)) if candidate else {}
    lines = [
        f"# Round {round_no}",
        f"- items bought: {sealed.get('n_items')}, labels: {sealed.get('n_labels')}",
        f"- cost: {sealed.get('cost_micros', 0) / 1e6:.2f} {sealed.get('currency', '')}",
        f"- ranks the pool: {candidate}",
    ]
    for name in ("accuracy", "balanced_accuracy", "tail_accuracy"):
        if metrics.get(name):
            value = metrics[name]
            lines.append(
                f"- {name.replace('_', ' ')}: {value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
            )
    lines.append(f"- report: `{(ws.report / f'round-{round_no:04d}.html').relative_to(ws.root)}`")
    lines.append(f"- data: `tailfirst lineage {round_no}`")
    return "\n".join(lines)


def show_campaign(ws: Workspace, ended: str) -> None:
    """Print the campaign's table, why it ended, and where to look next."""
    from rich.console import Console

    from tailfirst.report.table import campaign_table

    console = Console(width=None if Console().is_terminal else 150)
    console.print(campaign_table(ws))
    console.print(f"[bold]{ended}[/bold]", highlight=False)
    latest = _latest_report(ws)
    if latest is not None:
        console.print(f"Report:  {latest}", soft_wrap=True, highlight=False)
        console.print("Next:    tailfirst status · tailfirst lineage 1 · make ui", highlight=False)


def _latest_report(ws: Workspace) -> Path | None:
    pages = sorted(ws.report.glob("round-*.html"))
    return pages[-1] if pages else None
