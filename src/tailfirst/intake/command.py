"""The `tailfirst init` command: options in, a summary and the next steps out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from tailfirst.intake.records import InitReport, InitRequest, Progress
from tailfirst.intake.workspace import init as init_workspace
from tailfirst.paths import Workspace

_SHOWN = 10


def init(
    root: Annotated[Path, typer.Option(help="The folder of the new workspace.")] = Path(),
    images: Annotated[Path | None, typer.Option(help="A folder of images, searched recursively.")] = None,
    table: Annotated[Path | None, typer.Option(help="A .csv, .tsv or .parquet file, one item per row.")] = None,
    text_column: Annotated[str | None, typer.Option(help="The table's column of texts.")] = None,
    path_column: Annotated[str | None, typer.Option(help="The table's column of image paths, relative to it.")] = None,
    tar: Annotated[list[Path] | None, typer.Option(help="An uncompressed tar of images; repeat for shards.")] = None,
    blob: Annotated[Path | None, typer.Option(help="Images end to end in one file, found by --index.")] = None,
    index: Annotated[Path | None, typer.Option(help="The blob's table: path, offset, length, class_name.")] = None,
    vectors: Annotated[Path | None, typer.Option(help="An (N, D) .npy, rows as in the table or index.")] = None,
    prototypes: Annotated[
        Path | None, typer.Option(help="A (C, D) .npy, rows in the order of the classes in task.yaml.")
    ] = None,
    label_column: Annotated[str | None, typer.Option(help="Known labels of the table or index.")] = None,
    labels_from_folders: Annotated[bool, typer.Option(help="The first folder of a path is the label.")] = False,
    holdout_table: Annotated[Path | None, typer.Option(help="Labeled items that only measure.")] = None,
    holdout_images: Annotated[Path | None, typer.Option(help="The same as one folder per class.")] = None,
    holdout_vectors: Annotated[Path | None, typer.Option(help="Vectors of the holdout table's rows.")] = None,
    holdout_share: Annotated[float | None, typer.Option(help="Share of labeled items to hold out, per class.")] = None,
    split_column: Annotated[str | None, typer.Option(help="The column that tells pool and holdout apart.")] = None,
    holdout_value: Annotated[str | None, typer.Option(help="Its value for holdout rows.")] = None,
    classes: Annotated[Path | None, typer.Option(help="Classes: .txt, .json or .yaml; default: the labels.")] = None,
    synonyms: Annotated[Path | None, typer.Option(help="A .yaml: class id -> list of synonyms.")] = None,
    template: Annotated[list[str] | None, typer.Option(help="A prompt with {} for the class name.")] = None,
    open_corpus: Annotated[list[Path] | None, typer.Option("--open", help="Captions: .parquet, .csv or .txt.")] = None,
    seed_labels: Annotated[Path | None, typer.Option(help="Labels you have: item (id, path, text) and class.")] = None,
    takedowns: Annotated[
        Path | None, typer.Option(help="Another workspace's data/takedowns.parquet: nothing on it is taken.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The campaign's name; default: the folder's.")] = None,
    ontology_version: Annotated[str, typer.Option(help="Kept with every label.")] = "1",
    source: Annotated[str | None, typer.Option(help="Where the items come from; kept with each.")] = None,
    licence: Annotated[str | None, typer.Option(help="The items' licence; kept with each.")] = None,
    link: Annotated[bool, typer.Option("--link/--copy", help="Hard links in place of copies.")] = False,
    max_rejected: Annotated[float, typer.Option(help="Share of unusable rows of a source at which to stop.")] = 0.05,
) -> None:
    """Make a workspace from what you have: images, texts, tars, blobs or vectors, and a holdout with labels."""
    request = InitRequest(
        images=images,
        table=table,
        text_column=text_column,
        path_column=path_column,
        tars=tuple(tar or ()),
        blob=blob,
        index=index,
        vectors=vectors,
        prototypes=prototypes,
        label_column=label_column,
        labels_from_folders=labels_from_folders,
        holdout_table=holdout_table,
        holdout_images=holdout_images,
        holdout_vectors=holdout_vectors,
        holdout_share=holdout_share,
        split_column=split_column,
        holdout_value=holdout_value,
        classes=classes,
        synonyms=synonyms,
        templates=tuple(template or ()),
        open=tuple(open_corpus or ()),
        seed_labels=seed_labels,
        takedowns=takedowns,
        name=name,
        ontology_version=ontology_version,
        source=source,
        licence=licence,
        link=link,
        max_rejected=max_rejected,
    )
    console = Console(stderr=True)
    report = init_workspace(root, request, finish, bars(console))
    show(report, Workspace(root.resolve()), console)


def finish(ws: Workspace) -> None:
    """Make the folder a git + DVC workspace: dvc.yaml, data.dvc, ignore files."""
    from tailfirst import versioning  # imports DVC only when it acts

    versioning.init_workspace(ws)


def bars(console: Console) -> Progress:
    """Progress as rich bars that vanish when they are done."""

    @contextmanager
    def bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=console, transient=True) as shown:
            job = shown.add_task(escape(title), total=total)
            yield lambda done: shown.advance(job, done)

    return bar


def show(report: InitReport, ws: Workspace, console: Console) -> None:
    """The summary and what to do next."""
    table = Table(title=f"workspace {escape(str(ws.root))}", show_header=False)
    for what, n in (
        ("classes", report.n_classes),
        ("pool items", report.n_pool),
        ("  with a known answer", report.n_known),
        ("holdout items", report.n_holdout),
        ("seed labels", report.n_seed),
        ("open-corpus rows", report.n_open),
        ("rows not taken", len(report.rejected)),
    ):
        table.add_row(what, f"{n:,}")
    console.print(table)
    for row in report.rejected.slice(0, _SHOWN).to_pylist():
        console.print(f"  {escape(row['source'])} row {escape(row['row'])}: {escape(row['reason'])}", highlight=False)
    if len(report.rejected):
        console.print(f"  all of them: {escape(str(ws.quarantine / 'init.csv'))}", highlight=False)
    for note in report.notes:
        console.print(f"note: {escape(note)}", highlight=False)
    if not report.n_known:
        console.print("note: no pool item has a known answer, so the simulated vendor cannot rehearse a round")
    console.print(
        "next: look through data/task.yaml and params.yaml (encoder, budget, money, vendor), then run `tailfirst plan`"
    )
