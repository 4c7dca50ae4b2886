"""SEAL: last sweep, agree on labels, export the round as a folder that never changes again.

Order of a seal, each part repeatable: sweep, take back what did not come, decide, write the folder under a temporary
name, rename it, rebuild data/labels.parquet, commit SEALED with the folder's hash. After a kill, the folder either is
not there yet (everything is done again, with the same result) or is there (it is compared and committed).
"""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tailfirst.artifacts import atomic_folder, sha256_tree
from tailfirst.context import Context
from tailfirst.errors import LeaseLost, StaleArtifact
from tailfirst.labeling._costs import account
from tailfirst.labeling._decide import Decision, Harvest, harvest
from tailfirst.labeling._export import label_table, write_folder
from tailfirst.labeling._exported import cost_lines
from tailfirst.labeling._guard import guarded
from tailfirst.labeling._ingest import pull, read
from tailfirst.labeling._lease import holding, renewed
from tailfirst.labeling._quality import same_person
from tailfirst.labeling._resubmit import after_skip
from tailfirst.labeling._round import current, idle, refresh
from tailfirst.labeling._swapped import stop_if_swapped
from tailfirst.labeling.fold import fold
from tailfirst.ledger.journal import Act
from tailfirst.ledger.records import CostRow, LeaseRow, RoundRow, TaskRow
from tailfirst.port import SubmissionKey, TaskRef
from tailfirst.quality.skips import UNSURE

THROWN_AWAY = "its answers are not counted: the item is asked again"
ORDER = ("RETURNED", "ACCEPTED", "REJECTED", "REWORK", "CLOSED_UNLABELED", "EXPERT_QUEUE", "RESUBMIT", "DROPPED")
OUTSTANDING = ("SUBMITTED", "IN_PROGRESS")


@guarded
def seal(ctx: Context) -> str:
    """Seal the round that is CLOSING.

    Raises:
        CheckFailed: The labels did not pass their gate; nothing was written.
        StaleArtifact: The round's folder exists and holds something else.
        VendorError: The vendor cannot be reached for the last sweep.
    """
    row = current(ctx)
    nothing = idle(row, "seal", "CLOSING")
    if nothing:
        return nothing
    try:
        with holding(ctx, row.round_no) as lease:
            return _seal(ctx, refresh(ctx, row), lease)
    except LeaseLost as error:
        return str(error)


def _seal(ctx: Context, row: RoundRow, lease: LeaseRow) -> str:
    if row.state != "CLOSING":
        return f"round {row.round_no} is {row.state}: another worker was faster"
    folder = ctx.ws.sealed(row.round_no)
    if folder.exists():
        found = harvest(ctx, row)
        costs = cost_lines(ctx, row)
        _compare(ctx, row, found, costs.rows, folder)
    else:
        _take_back(ctx, row, lease)
        pull(ctx, row, sweep=True)
        read(ctx, row)
        stopped = stop_if_swapped(ctx, row)
        if stopped:
            return stopped
        found = _close(ctx, row, lease)
        costs = cost_lines(ctx, row)
        _export(ctx, row, found, costs.rows, folder)
    fold(ctx.ws)
    sealed = sha256_tree(folder)
    places = {(no, d.vendor_id, d.revision): row.round_no for no, d in found.deliveries} | dict(found.elsewhere)
    lines = {(line.round_no, line.line_id): row.round_no for line in costs.rows} | dict(costs.elsewhere)
    ctx.ledger.exports.seal(ctx.campaign, row.round_no, sealed, places, lines, Act(ctx.now(), ctx.worker))
    return _said(row, found, sealed)


def _close(ctx: Context, row: RoundRow, lease: LeaseRow) -> Harvest:
    """Give up what did not come, and decide every task."""
    _give_up(ctx, row, renewed(ctx, lease))
    account(ctx, row)
    _read_late(ctx, row)
    found = harvest(ctx, row)
    _settle_states(ctx, row, found)
    _reject(ctx, row, found)
    ctx.ledger.money.release_round(ctx.campaign, row.round_no, ctx.now())
    own = label_table(ctx, row, [d for d in found.decisions if d.late_for_round is None])
    if own.num_rows:
        ctx.gates.labels(own.to_pandas())
    return found


def _read_late(ctx: Context, row: RoundRow) -> None:
    """Late answers whose worker died after it stored them: what is exported was read, and its charge is booked."""
    for number in sorted({number for number, _ in ctx.ledger.exports.late(ctx.campaign, row.round_no)}):
        late = ctx.ledger.rounds.get(ctx.campaign, number)
        read(ctx, late, gated=False)
        account(ctx, late)


def _give_up(ctx: Context, row: RoundRow, lease: LeaseRow) -> None:
    """Take back what did not come, so that it is not paid; what cannot be taken back may still come, late.

    TOO_LATE keeps its reservation and its item stays in flight: it will be delivered and charged, and is never bought
    twice. Where the vendor cannot cancel, tasks end as CLOSED_UNLABELED and their money is given back; a late charge
    is taken as far as the caps reach.
    """
    ledger, campaign, no = ctx.ledger, ctx.campaign, row.round_no
    if ctx.vendor.capabilities().cancel == "NONE":
        for old, new in (*((state, "EXPIRED") for state in OUTSTANDING), ("EXPIRED", "CLOSED_UNLABELED")):
            _move(ctx, [t.key for t in ledger.tasks.list(campaign, no, (old,))], old, new, "not back when closing")
        return
    for state in OUTSTANDING:
        _move(ctx, [t.key for t in ledger.tasks.list(campaign, no, (state,))], state, "CANCEL_REQUESTED", "not back")
    _take_back(ctx, row, lease)


def _take_back(ctx: Context, row: RoundRow, lease: LeaseRow) -> None:
    """Ask the vendor for what is to be taken back, and write down what became of it.

    A seal that was killed in between leaves tasks behind that are asked for and not settled. The next one settles them
    before it sweeps: an answer can come only for a task that is known to be TOO_LATE.
    """
    ledger, campaign, no = ctx.ledger, ctx.campaign, row.round_no
    asked = ledger.tasks.list(campaign, no, ("CANCEL_REQUESTED",))
    refs = [TaskRef(SubmissionKey(t.key), t.vendor_task_id or "", t.payload_sha256, None) for t in asked]
    if refs:
        ledger.tasks.to_outbox(campaign, no, 0, lease, ctx.now())  # nothing to reserve: it takes the guard over
        report = ctx.vendor.cancel(refs, f"close-{campaign}-{no}")
        wanted = {ref.key for ref in refs}
        said = [o for o in report.outcomes if o.key in wanted]
        ledger.tasks.record_outcomes(said, lease.token, ctx.now(), ctx.worker)


def _settle_states(ctx: Context, row: RoundRow, found: Harvest) -> None:
    """The end of every task's life in this round; moves that were made before are not made again."""
    ends: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    rounds = {task.round_no for d in found.decisions for task in d.tasks}
    states = {t.key: t.state for number in sorted(rounds) for t in ctx.ledger.tasks.list(ctx.campaign, number)}
    for decision in found.decisions:
        for task in decision.tasks:
            for move in endings(decision, task, states[task.key]):
                ends[move].append(task.key)
    for (old, new, reason), keys in sorted(ends.items(), key=lambda pair: ORDER.index(pair[0][1])):
        _move(ctx, keys, old, new, reason)
    _move(ctx, [t.key for _, t in found.retracted], "ACCEPTED", "SUPERSEDED", "the vendor deleted the answer")
    for number in sorted({row.round_no, *(ordered_in for ordered_in, _ in found.deliveries)}):
        _close_the_rest(ctx, number)
    _supersede(ctx, row, found)


def _close_the_rest(ctx: Context, round_no: int) -> None:
    """What this seal exports and no decision ends, of its own round and of those whose answers came late."""
    left: dict[str, list[str]] = defaultdict(list)
    for task in ctx.ledger.tasks.list(ctx.campaign, round_no):
        left[task.state].append(task.key)
    taken_back = "the answer was taken back"  # it was deleted, or is held back with its batch
    _move(ctx, left["VALIDATED"], "VALIDATED", "CLOSED_UNLABELED", taken_back)
    _move(ctx, left["QUARANTINED"], "QUARANTINED", "CLOSED_UNLABELED", "")
    _move(ctx, left["SKIPPED_BY_ANNOTATOR"], "SKIPPED_BY_ANNOTATOR", "DROPPED", "")


def endings(decision: Decision, task: TaskRow, state: str) -> list[tuple[str, str, str]]:
    """The moves (from, to, why) that end one task of an answered item, in order; none if it has ended before."""
    verdict, gold = decision.verdict, decision.task.purpose == "GOLD"
    if state == "SKIPPED_BY_ANNOTATOR":
        if verdict.kind == "UNRESOLVED":
            return [(state, "RESUBMIT", "others answered, and do not agree: the item can be asked again")]
        expert = verdict.reason == UNSURE and not gold
        return [(state, "EXPERT_QUEUE" if expert else after_skip(task, verdict.reason), verdict.reason)]
    if state not in {"VALIDATED", "REJECTED"}:
        return []
    if decision.reworked:
        moves = [("VALIDATED", "REJECTED", THROWN_AWAY), ("REJECTED", "REWORK", THROWN_AWAY)]
        return moves if state == "VALIDATED" else moves[1:]
    if gold:
        return [(state, "ACCEPTED", "gold: counts for the annotator only")]
    if verdict.kind == "LABEL":
        return [(state, "ACCEPTED", "")]
    return [(state, "CLOSED_UNLABELED", verdict.reason)]


def _reject(ctx: Context, row: RoundRow, found: Harvest) -> None:
    """Tell the vendor which answers are thrown away, once per task, and book what it gives back for them."""
    lost = [t for d in found.decisions if d.reworked for t in d.tasks if t.round_no == row.round_no]
    if not lost or not ctx.vendor.capabilities().review:
        return
    for task in sorted(lost, key=lambda t: t.key):
        ref = TaskRef(SubmissionKey(task.key), task.vendor_task_id or "", task.payload_sha256, None)
        ctx.vendor.review(ref, "REJECT", THROWN_AWAY, f"reject-{task.key}")
    account(ctx, row)


def _supersede(ctx: Context, row: RoundRow, found: Harvest) -> None:
    """Purchases of earlier rounds whose label is replaced by a newer one: the old rows stay, in their sealed folder."""
    ended = {task.key for d in found.decisions for task in d.tasks}
    again = {d.task.item_id for d in found.labeled if any(task.purpose == "RELABEL" for task in d.tasks)}
    old = {g.task.key for g in found.evidence.given if g.task.item_id in again and g.task.round_no < row.round_no}
    _move(ctx, sorted(old - ended), "ACCEPTED", "SUPERSEDED", f"asked again in round {row.round_no}")


def _move(ctx: Context, keys: list[str], old: str, new: str, reason: str) -> None:
    if keys:
        ctx.ledger.tasks.move_many(keys, old, new, ctx.now(), ctx.worker, reason)


def _export(ctx: Context, row: RoundRow, found: Harvest, costs: Sequence[CostRow], folder: Path) -> None:
    for left_over in ctx.ws.rounds.glob(f".{folder.name}.*"):  # of a seal that was killed
        shutil.rmtree(left_over)
    with atomic_folder(folder) as temporary:
        write_folder(ctx, row, found, costs, temporary)


def _compare(ctx: Context, row: RoundRow, found: Harvest, costs: Sequence[CostRow], folder: Path) -> None:
    """A folder that is there must be what this ledger would write.

    Raises:
        StaleArtifact: It is not; says which files differ.
    """
    ctx.ws.state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ctx.ws.state, prefix="seal-") as name:
        again = Path(name)
        write_folder(ctx, row, found, costs, again)
        if sha256_tree(again) == sha256_tree(folder):
            return
        names = sorted({p.name for p in (*folder.iterdir(), *again.iterdir())})
        differ = [n for n in names if _bytes(folder / n) != _bytes(again / n)]
    raise StaleArtifact(
        f"{folder} exists and differs from the ledger in {', '.join(differ)}; a sealed folder never changes: if it is "
        "not of this campaign, move it away, else restore it (`dvc checkout`) and run again"
    )


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _said(row: RoundRow, found: Harvest, sealed: str) -> str:
    late = sum(d.late_for_round is not None for d in found.labeled)
    gold = sum(d.task.purpose == "GOLD" for d in found.decisions)
    unlabeled = len(found.decisions) - len(found.labeled) - gold
    parts = [f"round {row.round_no} sealed as {sealed[:12]}: {len(found.labeled)} labels"]
    parts += [f"{late} of them late for an earlier round"] if late else []
    parts += [f"{unlabeled} answered without a label"] if unlabeled else []
    parts += [f"{gold} gold items answered"] if gold else []
    twice = len({item for item, _, _ in same_person(found)})
    parts += [f"{twice} items answered more than once by one person, counted once"] if twice else []
    parts += [f"answers of {', '.join(found.judged.accused)} not counted"] if found.judged.accused else []
    return ", ".join(parts)
