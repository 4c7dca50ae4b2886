"""Which options of `init` go together."""

from collections.abc import Iterator

from tailfirst.errors import UserError
from tailfirst.intake.records import InitRequest

HOLDOUTS = "--holdout-table, --holdout-images, --split-column with --holdout-value, or --holdout-share"


def check(request: InitRequest) -> None:
    """Make sure that the options say one thing.

    Raises:
        UserError: No source or several, no holdout or several, or options that do not go together; names every mistake.
    """
    wrong = [*_sources(request), *_columns(request), *_holdout(request), *_vectors(request)]
    if not 0 <= request.max_rejected <= 1:
        wrong.append(f"--max-rejected is a share between 0 and 1; found {request.max_rejected}")
    if wrong:
        raise UserError("; ".join(wrong))


def _sources(r: InitRequest) -> Iterator[str]:
    sources = {"--images": r.images, "--table": r.table, "--tar": r.tars, "--blob": r.blob}
    given = [name for name, value in sources.items() if value]
    if len(given) > 1 or not (given or r.vectors):
        found = ", ".join(given) or "none"
        yield f"say where the items are with exactly one of {', '.join(sources)} (or --vectors alone); found: {found}"
    if bool(r.blob) != bool(r.index):
        yield "--blob and --index go together"
    if r.labels_from_folders and not (r.images or r.tars):
        yield "--labels-from-folders needs --images or --tar"


def _columns(r: InitRequest) -> Iterator[str]:
    if r.text_column and r.path_column:
        yield "give --text-column or --path-column, not both"
    if (r.text_column or r.path_column) and not r.table:
        yield "--text-column and --path-column are columns of a --table"
    if r.table and not (r.text_column or r.path_column or r.vectors):
        yield "say what the rows of --table are with --text-column, --path-column or --vectors"
    if r.label_column and not (r.table or r.index):
        yield "--label-column is a column of a --table or --index"
    if r.split_column and not (r.table or r.index):
        yield "--split-column is a column of a --table or --index"
    if bool(r.split_column) != (r.holdout_value is not None):
        yield "--split-column and --holdout-value go together"


def _holdout(r: InitRequest) -> Iterator[str]:
    holdouts = (r.holdout_table, r.holdout_images, r.split_column, r.holdout_share)
    if sum(value is not None for value in holdouts) != 1:
        yield f"nothing can be measured without a labeled holdout; give exactly one of {HOLDOUTS}"
    if r.holdout_table and not (r.table and r.label_column):
        yield "--holdout-table has the columns of --table, --label-column among them"
    if r.holdout_images and (r.text_column or r.vectors):
        yield "--holdout-images goes with images alone; for texts and vectors use --holdout-table"
    if r.holdout_share is not None and not 0 < r.holdout_share < 1:
        yield f"--holdout-share lies between 0 and 1; found {r.holdout_share}"


def _vectors(r: InitRequest) -> Iterator[str]:
    if r.vectors and (r.images or r.tars):
        yield "--vectors are rows of a --table or --index; folders and tars have no order to match"
    if r.vectors and r.holdout_table and not r.holdout_vectors:
        yield "--holdout-table beside --vectors needs --holdout-vectors"
    if r.holdout_vectors and not (r.vectors and r.holdout_table):
        yield "--holdout-vectors needs --vectors and --holdout-table"
    if r.prototypes and not r.vectors:
        yield "--prototypes need --vectors"
