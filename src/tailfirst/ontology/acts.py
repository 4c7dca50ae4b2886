"""Preview, apply and revert a migration. Only task.yaml, data/ontology/ and the fold are written: old labels stay."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from tailfirst import schemas
from tailfirst.artifacts import write_bytes
from tailfirst.context import Context
from tailfirst.errors import LeaseLost, OntologyError
from tailfirst.labeling._lease import holding
from tailfirst.labeling._round import refresh
from tailfirst.labeling._versions import ASKED, version_of
from tailfirst.labeling.fold import fold, newest, sealed_labels
from tailfirst.ledger.transitions import FINAL_ROUND_STATES
from tailfirst.ontology.change import Moved, migrated
from tailfirst.ontology.fallen import closed
from tailfirst.ontology.migration import Migration, load_migration
from tailfirst.ontology.tables import VERSION, given_versions, moved
from tailfirst.ontology.versions import Applied, Versions, slug_of
from tailfirst.paths import Workspace
from tailfirst.task import Task, save_task


@dataclass(frozen=True, slots=True)
class Preview:
    """What a migration would do, on the labels there are."""

    origin: str
    to: str
    before: tuple[str, ...]  # class ids
    after: tuple[str, ...]
    ways: tuple[tuple[str, str, int], ...]  # old class, what becomes of it, labels that train or audit
    kept: int  # labels of unchanged classes
    moved: int
    again: int  # labels that end by a split; their items may be bought again
    closed: int  # labels that end, with items that stay out of the pool
    holdout: tuple[int, int]  # labels that move, that end
    gold: tuple[int, int]
    names: tuple[str, ...]  # what classes are called, where that changes


def preview(ws: Workspace, path: Path) -> Preview:
    """Say what a migration would change; nothing is written.

    Raises:
        OntologyError: The migration is wrong or does not fit; says what was asked and what there is.
    """
    versions, migration = Versions.of(ws), load_migration(path)
    after = _after(versions, migration, path)
    now = [(row, versions.move(row["class_id"], row["ontology_version"]).class_id) for row in newest(ws)]
    labels = [(row, was) for row, was in now if was is not None]
    ways = {c: after.move(c, migration.origin) for c in versions.task.class_ids}
    rows = [row | {"class_id": was, "ontology_version": migration.origin} for row, was in labels if was in ways]
    counted = Counter(row["class_id"] for row in rows)
    n_closed, n_ended = len(closed(rows, after)), sum(n for c, n in counted.items() if ways[c].class_id is None)
    n_moved = sum(n for c, n in counted.items() if ways[c].class_id not in {c, None})
    return Preview(
        origin=migration.origin,
        to=migration.to,
        before=versions.task.class_ids,
        after=after.task.class_ids,
        ways=tuple((c, _said(way), counted[c]) for c, way in ways.items() if way.class_id != c),
        kept=len(rows) - n_moved - n_ended,
        moved=n_moved,
        again=n_ended - n_closed,
        closed=n_closed,
        holdout=_touched(ws.holdout, schemas.LABELED, versions, after),
        gold=_touched(ws.gold, schemas.GOLD, versions, after),
        names=tuple(_names(versions.task, after.task)),
    )


def apply(ctx: Context, path: Path) -> str:
    """Make the migration's version that of the workspace, and fold the labels again.

    Written in this order, so that a kill leaves the old version or the new one: the migration, the old task.yaml beside
    it, task.yaml, labels.parquet. The same call again finishes what a kill left.

    A round that is being asked stays frozen on its version (`labeling/_versions.py`); the next plan is of the new one.

    Raises:
        OntologyError: The migration is wrong or does not fit, or models are being judged on a round's labels.
    """
    with _alone(ctx, "applied") as frozen:
        return _apply(ctx.ws, path) + frozen


def _apply(ws: Workspace, path: Path) -> str:
    migration, versions = load_migration(path), Versions.of(ws)
    if _is_done(versions, migration):
        fold(ws)
        return f"version {migration.to} is in force already; labels folded again"
    after = _after(versions, migration, path)
    number = 1 + max((int(one.name[:4]) for one in versions.applied), default=1)
    name = f"{number:04d}-{slug_of(path)}.yaml"
    old, given = ws.task.read_bytes(), path.read_bytes()
    for left in _left_over(ws, versions):
        left.unlink()
    write_bytes(ws.ontology / name, given)
    write_bytes(ws.ontology_before / name, old)
    save_task(after.task, ws.task)
    fold(ws)
    return (
        f"version {migration.to} is in force: {len(after.task.classes)} classes; migration kept as {ws.ontology / name}"
    )


def revert(ctx: Context) -> str:
    """Go back to the version before: task.yaml gets the bytes that it had.

    The migration's file stays as a draft; it counts for nothing until it is applied again. Written in this order, so
    that the same call finishes what a kill left, and never goes back twice: task.yaml, labels.parquet, and the copy of
    task.yaml beside the migration goes.

    Raises:
        OntologyError: There is no migration, models are being judged on a round's labels, or something was asked or
            labeled under the newer version.
    """
    with _alone(ctx, "reverted") as frozen:
        return _revert(ctx) + frozen


def _revert(ctx: Context) -> str:
    ws, versions = ctx.ws, Versions.of(ctx.ws)
    left = _left_over(ws, versions)
    if left:
        return _went_back(ws, versions.task.ontology_version, left)
    if not versions.applied:
        raise OntologyError(f"version {versions.task.ontology_version!r} came by no migration: nothing to go back to")
    last = versions.applied[-1]
    _refuse_used(ctx, last)
    kept = ws.ontology_before / f"{last.name}.yaml"
    write_bytes(ws.task, kept.read_bytes())
    return _went_back(ws, last.migration.origin, [kept])


def _went_back(ws: Workspace, version: str, kept: Iterable[Path]) -> str:
    fold(ws)
    for path in kept:
        path.unlink()
    return f"back at version {version}; " + ", ".join(f"{ws.ontology / p.name} stays as a draft" for p in kept)


def _after(versions: Versions, migration: Migration, path: Path) -> Versions:
    if migration.to in versions.names:
        raise OntologyError(
            f"{path.name} makes version {migration.to!r}, which was there before: {', '.join(versions.names)}; give it "
            "a new one"
        )
    task = migrated(versions.task, migration)
    return Versions((*versions.applied, Applied(slug_of(path), migration, versions.task)), task)


def _left_over(ws: Workspace, versions: Versions) -> list[Path]:
    """What an apply left that was killed before it came into force, or a revert that was killed after it did."""
    applied = {one.name for one in versions.applied}
    return [path for path in sorted(ws.ontology_before.glob("[!.]*.yaml")) if path.stem not in applied]


def _is_done(versions: Versions, migration: Migration) -> bool:
    return bool(versions.applied) and versions.applied[-1].migration == migration


@contextmanager
def _alone(ctx: Context, what: str) -> Iterator[str]:
    """No seal folds the labels meanwhile, and no model is judged; gives what to say about the open round.

    Raises:
        OntologyError: A round's models are trained or judged, or a worker is busy with its order.
    """
    row = ctx.ledger.rounds.current(ctx.campaign)
    if row is None or row.state in FINAL_ROUND_STATES:
        yield ""
        return
    try:
        with holding(ctx, row.round_no):
            row = refresh(ctx, row)
            if row.state not in ASKED:
                raise OntologyError(
                    f"round {row.round_no} is {row.state}: models are trained and judged in the classes of now, and "
                    f"nobody is waited for; a migration is {what} when the round is done: `tailfirst advance --all`"
                )
            yield f"; round {row.round_no} ({row.state}) stays on version {version_of(ctx, row)}"
    except LeaseLost as error:
        raise OntologyError(f"{error}: a migration is {what} when the other worker is done") from error


def _refuse_used(ctx: Context, last: Applied) -> None:
    """Labels under the newer version would have no version any more; nor would answers to come."""
    ws, to = ctx.ws, last.migration.to
    paths = [*([ws.seed_labels] if ws.seed_labels.exists() else []), *sealed_labels(ws)]
    given = given_versions(ws.gold) if ws.gold.exists() else None
    n = 0 if given is None else given.to_pylist().count(to)
    n += sum(row[VERSION] == to for path in paths for row in schemas.read(path, schemas.LABELS).to_pylist())
    if n:
        raise OntologyError(
            f"{n} label(s) or gold answers were given under version {to!r}, so {last.name} cannot be reverted; write a "
            f"migration from {to!r} that undoes it"
        )
    rounds = [row for row in ctx.ledger.rounds.all(ctx.campaign) if row.state != "ABORTED"]
    asked = [row for row in rounds if version_of(ctx, row) == to]
    if asked:
        raise OntologyError(
            f"round {asked[-1].round_no} ({asked[-1].state}) was asked under version {to!r}, so {last.name} cannot be "
            f"reverted; abort the round while nothing of it is ordered, or write a migration from {to!r} that undoes it"
        )


def _touched(path: Path, schema: pa.Schema, before: Versions, after: Versions) -> tuple[int, int]:
    """Rows of a table of known answers that move, and that end."""
    if not path.exists():
        return 0, 0
    given, table = given_versions(path), schemas.read(path, schema)
    old, new = moved(table, given, before), moved(table, given, after)
    was = dict(zip(old["item_id"].to_pylist(), old["class_id"].to_pylist(), strict=True))
    now = dict(zip(new["item_id"].to_pylist(), new["class_id"].to_pylist(), strict=True))
    return sum(now[i] != was.get(i, now[i]) for i in now), len(was) - len(now)


def _said(way: Moved) -> str:
    return f"becomes {way.class_id}" if way.class_id is not None else f"ends ({way.ended})"


def _names(before: Task, after: Task) -> Iterable[str]:
    old, new = ({c.id: (c.name, *c.synonyms) for c in task.classes} for task in (before, after))
    for class_id in sorted(old.keys() | new.keys()):
        if old.get(class_id) != new.get(class_id):
            yield f"{class_id}: {_listed(old.get(class_id))} -> {_listed(new.get(class_id))}"


def _listed(names: tuple[str, ...] | None) -> str:
    return "none" if names is None else ", ".join(names)
