"""`tailfirst take-down`: record it, take it out everywhere, look for it again, and say what stays and why.

The list (data/takedowns.parquet) is written first: from then on nothing lets it in again, and a take-down that was
killed is finished by the same command.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tailfirst import advance, artifacts, versioning
from tailfirst.context import Context
from tailfirst.fetching.run import alone
from tailfirst.fetching.spool import Spool
from tailfirst.labeling.abort import UNBOUGHT
from tailfirst.labeling.fold import sealed_folders
from tailfirst.ledger.transitions import AT_VENDOR, BEFORE_VENDOR
from tailfirst.paths import Workspace
from tailfirst.takedown import rows
from tailfirst.takedown.places import PLACES
from tailfirst.takedown.targets import Targets, complete, recorded, resolve
from tailfirst.takedowns import as_table

WITHOUT_REASON = "not said"


@dataclass(frozen=True, slots=True)
class Stays:
    """What a take-down does not change, and must not."""

    rounds: tuple[str, ...]  # sealed folders that name an item
    at_vendor: tuple[str, ...]  # submission keys of labeling tasks that the vendor has


@dataclass(frozen=True, slots=True)
class Report:
    """What a take-down found, took out and left."""

    ids: tuple[str, ...]  # items and open rows
    shas: tuple[str, ...]
    dry_run: bool
    found: Mapping[str, int]  # place -> traces before
    remains: Mapping[str, int]  # place -> traces after; empty when it was done
    dropped_tasks: int  # planned purchases that were called off
    stays: Stays


def take_down(ctx: Context, references: Sequence[str], reason: str | None = None, *, dry_run: bool = False) -> Report:
    """Take items, open rows or bytes out of the workspace for good.

    Args:
        ctx: The workspace.
        references: Item ids, open ids or sha256; of each everything with the same bytes or address goes too.
        reason: Kept in the list.
        dry_run: Only say what is where.

    Returns:
        What was found, and what a second look still finds.

    Raises:
        UserError: A reference names nothing here, or a fetch is running.
        CampaignBusy: Another process works on the campaign.
        TaskFolderError: A file cannot be read, so that nobody knows what it holds.
    """
    ws, is_text = ctx.ws, ctx.task.modality == "text"
    targets = resolve(ws, references, is_text)
    found = _counted(ws, targets)
    if dry_run:
        return _report(ctx, targets, found, {}, 0, dry_run=True)
    with alone(ws), advance.holding(ctx):
        before, was_killed = targets.size, ws.spool.exists()
        if was_killed:
            Spool(ws).close()  # what a fetch had got
        complete(ws, targets, is_text)  # nobody else writes from here on
        found = _counted(ws, targets) if was_killed or targets.size > before else found
        _record(ctx, references, targets, reason or WITHOUT_REASON, found)
        dropped = _call_off(ctx, targets)
        for place in PLACES:
            place.drop(ws, targets)
        if (ws.root / "dvc.yaml").exists():
            versioning.refresh_code(ws)  # stages depend on the list from now on
        return _report(ctx, targets, found, _counted(ws, targets), dropped, dry_run=False)


def _counted(ws: Workspace, targets: Targets) -> dict[str, int]:
    """The places that hold something, and how much."""
    return {place.name: count for place in PLACES if (count := place.count(ws, targets))}


def _record(ctx: Context, references: Iterable[str], targets: Targets, reason: str, found: Mapping[str, int]) -> None:
    """Add to the list what is not on it yet: one row per id, and one for each content or address that no id has."""
    there = recorded(ctx.ws)
    said = ", ".join(f"{name} {count}" for name, count in found.items()) or "nothing"
    common = {"reason": reason, "at": ctx.now(), "found": said}
    new: list[dict[str, object]] = [
        {"id": one, "sha256": marks.sha or targets.sha_of_url.get(marks.url or ""), "url_sha256": marks.url}
        for one, marks in targets.marks.items()
    ]
    new += [{"id": one, "sha256": one} for one in targets.shas - {row["sha256"] for row in (*there, *new)}]
    new += [{"id": one, "url_sha256": one} for one in targets.urls - {row.get("url_sha256") for row in (*there, *new)}]
    new += [{"id": one} for one in references if one not in targets.marks and one not in targets.shas]
    ids = {row["id"] for row in there}
    fresh = [{**row, **common} for row in new if row["id"] not in ids]
    if fresh:
        artifacts.write_parquet(ctx.ws.takedowns, as_table([*there, *fresh]))


def _call_off(ctx: Context, targets: Targets) -> int:
    """Labeling tasks that nobody was sent yet are dropped: the item is not bought, by no later quote either."""
    dropped, row = 0, ctx.ledger.rounds.current(ctx.campaign)
    open_no = row.round_no if row is not None and row.state in UNBOUGHT else None
    for task in (task for one in sorted(targets.item_ids) for task in ctx.ledger.tasks.by_item(ctx.campaign, one)):
        if task.state in BEFORE_VENDOR or (task.state == "OVER_BUDGET" and task.round_no == open_no):
            moved = ctx.ledger.tasks.move(task.key, task.state, "DROPPED", ctx.now(), ctx.worker, "taken down")
            dropped += moved
    return dropped


def _report(
    ctx: Context, targets: Targets, found: Mapping[str, int], remains: Mapping[str, int], dropped: int, *, dry_run: bool
) -> Report:
    tasks = [task for one in sorted(targets.item_ids) for task in ctx.ledger.tasks.by_item(ctx.campaign, one)]
    stays = Stays(_rounds(ctx.ws, targets), tuple(task.key for task in tasks if task.state in AT_VENDOR))
    ids, shas = tuple(sorted(targets.marks)), tuple(sorted(targets.shas))
    return Report(ids, shas, dry_run, found, remains, dropped, stays)


def _rounds(ws: Workspace, targets: Targets) -> tuple[str, ...]:
    names = {"item_id": targets.item_ids, "item_sha256": targets.shas}
    tables = ("batch.parquet", "labels.parquet", "annotations.parquet")
    return tuple(
        folder.name for folder in sealed_folders(ws) if any(rows.count(folder / table, names) for table in tables)
    )
