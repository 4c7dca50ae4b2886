"""`init`: gather what was brought, decide what becomes an item, then make the workspace whole or not at all."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.csv as pacsv

from tailfirst import artifacts
from tailfirst.errors import UserError
from tailfirst.intake import classes, combinations, corpus, decide, notes, params, seeds, store, survey
from tailfirst.intake.finish import finish_task
from tailfirst.intake.records import InitReport, InitRequest, Progress, Rejection, quiet, rejected_table
from tailfirst.intake.validate import ensure_valid
from tailfirst.intake.write import TaskFacts, write_task
from tailfirst.items import item_id
from tailfirst.paths import Workspace
from tailfirst.takedowns import NOTHING, Takedowns

_LISTED = 10  # refused rows in a message


def init(
    root: Path, request: InitRequest, finish: Callable[[Workspace], object], progress: Progress = quiet
) -> InitReport:
    """Make a workspace at `root`.

    Args:
        root: The folder of the workspace; made when absent.
        request: What there is, and how to read it.
        finish: Called when data/ and params.yaml stand, to make the folder a git + DVC workspace.
        progress: Shows longer work.

    Returns:
        Counts, refused rows and notes. Refused rows also lie in state/quarantine/init.csv.

    Raises:
        UserError: There is a task folder already, the options contradict each other, a source is unusable, or too many
            rows are. Nothing is left behind but the list of refused rows.
    """
    ws = Workspace(root.resolve())
    if ws.data.exists() or ws.data.is_symlink():
        raise UserError(f"{ws.data} exists already; init never overwrites a task folder: choose another --root")
    combinations.check(request)
    campaign = params.slug(request.name or ws.root.name)
    banned = NOTHING if request.takedowns is None else Takedowns.read(request.takedowns)
    gathered = _gather(request, campaign, progress, banned)
    with _all_or_nothing(ws.root):
        _quarantine(ws, gathered.rejections)
        _judge(ws, gathered, request)
        written = _make(ws, gathered, request, campaign, progress, banned)
        finish(ws)
    return _report(gathered, written)


@dataclass(frozen=True, slots=True)
class _Gathered:
    facts: TaskFacts
    rejections: tuple[Rejection, ...]
    rows_of: Counter[str]  # source -> rows read
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Open:
    n: int
    notes: tuple[str, ...]


def _gather(request: InitRequest, campaign: str, progress: Progress, banned: Takedowns) -> _Gathered:
    found = survey.survey(request, progress)
    labels = (entry.label for entry in found.entries if entry.label is not None)
    task = classes.make_task(request, campaign, survey.modality_of(request), labels)
    allowed, refused = decide.without(found.entries, banned)
    decision = decide.decide(allowed, task, request.holdout_share)
    rows_of = Counter(entry.source for entry in found.entries)
    rows_of.update(rejection.source for rejection in found.rejections)
    seeded = seeds.Seeds((), ())
    if request.seed_labels:
        keys = {entry.key: item_id(entry.sha256) for entry in allowed if entry.key is not None}
        seeded = seeds.read_seeds(request.seed_labels, decision.items, keys, task)
        rows_of[request.seed_labels.name] += len(seeded.labels) + len(seeded.rejections)
    facts = TaskFacts(task, decision.items, seeded.labels)
    unfit = (*found.rejections, *refused, *decision.rejections, *seeded.rejections)
    rejections = tuple(sorted(unfit, key=_in_order))
    order = notes.of_prototypes(task.class_ids) if request.prototypes is not None else ()
    said = (*found.notes, *notes.about(allowed, facts, rejections), *order)
    return _Gathered(facts, rejections, rows_of, said)


def _in_order(rejection: Rejection) -> tuple[str, int, str]:
    return rejection.source, int(rejection.row) if rejection.row.isdecimal() else 0, rejection.row


def _quarantine(ws: Workspace, rejections: Sequence[Rejection]) -> None:
    if rejections:
        with artifacts.atomic_file(ws.quarantine / "init.csv") as temporary:
            pacsv.write_csv(rejected_table(rejections), temporary)


def _judge(ws: Workspace, gathered: _Gathered, request: InitRequest) -> None:
    faults = [r for r in gathered.rejections if r.kind == "fault"]
    listed = ws.quarantine / "init.csv"
    for source, n in Counter(r.source for r in faults).items():
        total = gathered.rows_of[source]
        if n > request.max_rejected * total:
            first = "; ".join([f"row {r.row}: {r.reason}" for r in faults if r.source == source][:_LISTED])
            raise UserError(
                f"{n:,} of {total:,} rows of {source} are unusable, more than --max-rejected {request.max_rejected:g}. "
                f"The first: {first}. All are listed in {listed}. Nothing was made."
            )
    for role, remedy in (("pool", "give more items"), ("holdout", f"check {combinations.HOLDOUTS}")):
        if not any(item.role == role for item in gathered.facts.items):
            raise UserError(f"no item is left for the {role}; {remedy} (refused rows, if any: {listed})")


def _make(
    ws: Workspace, gathered: _Gathered, request: InitRequest, campaign: str, progress: Progress, banned: Takedowns
) -> _Open:
    with tempfile.TemporaryDirectory(dir=ws.root, prefix=".init-") as temporary:
        staging = Workspace(Path(temporary))
        staging.data.mkdir()
        items = gathered.facts.items
        places = store.store(staging.data, items, request.link, progress)
        write_task(staging, gathered.facts, places, request)
        if request.takedowns is not None:
            artifacts.write_bytes(staging.takedowns, request.takedowns.read_bytes())
        written = corpus.write_corpus(request.open, staging.open, progress, banned)
        finish_task(staging)
        ensure_valid(staging)
        basis = params.Basis(
            campaign,
            gathered.facts.task.modality,
            vectors=request.vectors is not None,
            prototypes=request.prototypes is not None,
            n_pool=sum(item.role == "pool" for item in items),
            n_open=written.n,
        )
        said = [f"open corpus: {n:,} {what}" for what, n in written.dropped.items()]
        if ws.params.exists():
            said.append(f"{ws.params} was there and is kept; make sure that its encoder fits")
        else:
            artifacts.write_bytes(ws.params, params.first_params(basis).encode())
        staging.data.rename(ws.data)
    return _Open(written.n, tuple(said))


def _report(gathered: _Gathered, written: _Open) -> InitReport:
    facts = gathered.facts
    pool = [item for item in facts.items if item.role == "pool"]
    return InitReport(
        n_pool=len(pool),
        n_holdout=len(facts.items) - len(pool),
        n_open=written.n,
        n_classes=len(facts.task.classes),
        n_seed=len(facts.seeds),
        n_known=sum(item.class_id is not None for item in pool),
        rejected=rejected_table(gathered.rejections),
        notes=(*gathered.notes, *written.notes),
    )


@contextmanager
def _all_or_nothing(root: Path) -> Iterator[None]:
    """Take back every new entry of `root` on any error, but for the list of refused rows below state/."""
    existed = root.exists()
    root.mkdir(parents=True, exist_ok=True)
    before = {path.name for path in root.iterdir()} | {"state"}
    ignore = root / ".gitignore"
    ignored = ignore.read_bytes() if ignore.exists() else None
    try:
        yield
    except BaseException:
        for path in root.iterdir():
            if path.name not in before:
                _remove(path)
        if ignored is not None:
            artifacts.write_bytes(ignore, ignored)
        if not existed and not any(root.iterdir()):
            root.rmdir()
        raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
