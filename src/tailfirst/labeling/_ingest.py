"""From the vendor's change list to stored bytes, and from stored bytes to annotations. Raw first, always.

Both halves can be repeated at will: a known (vendor id, revision) is not stored again, a parsed one not parsed again.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from tailfirst.artifacts import sha256_bytes
from tailfirst.context import Context
from tailfirst.errors import Gone, InvalidDelivery
from tailfirst.labeling._decide import verdicts
from tailfirst.labeling._fetch import fetched
from tailfirst.labeling._round import order_ref
from tailfirst.labeling._tombstone import NEVER_READ, never_read, read_tombstone, tombstone
from tailfirst.labeling._versions import names_of
from tailfirst.ledger.records import DeliveryRow, RoundRow, TaskRow
from tailfirst.observed import note
from tailfirst.ontology.names import Names
from tailfirst.port import (
    BatchRef,
    Cursor,
    ParsedResult,
    RawResult,
    SubmissionKey,
    TaskRef,
    VendorEvent,
)

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

PORTION = 500  # results in one transaction
WITH_RESULT = ("RETURNED", "UPDATED", "SKIPPED")
MAX_PAGES = 10_000  # a vendor whose pages never end must not hold a worker for ever

ANSWERS = pa.schema(
    [
        ("key", pa.string()),
        ("item_id", pa.string()),
        ("purpose", pa.string()),
        ("revision", pa.string()),
        ("annotator_id", pa.string()),
        ("class_id", pa.string()),  # null where skipped or not exactly one class
        ("skipped", pa.bool_()),
        ("started_at", pa.timestamp("us", tz="UTC")),
        ("submitted_at", pa.timestamp("us", tz="UTC")),
        ("work_s", pa.float64()),
        ("provenance", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Read:
    """What a pass over unparsed deliveries came to."""

    parsed: int
    quarantined: int


def pull(ctx: Context, row: RoundRow, *, sweep: bool = False) -> int:
    """Store every result that is new; returns how many.

    The cursor moves only after the bytes behind it are stored, and not past a result that was named and did not come,
    unless the list says further on that it was deleted.
    A sweep reads the change list from its start and looks at every task, because cursors skip and nothing in an answer
    says so (failure `cursor_skip`). An order that is GONE at the vendor brings nothing new: what came before is ours.
    """
    batch = order_ref(ctx, row)
    if batch is None:
        return 0
    try:
        return _pages(ctx, row, batch, sweep) + (_look_at_all(ctx, row, batch) if sweep else 0)
    except Gone:
        note(ctx.vendor, "changes", "GONE_ORDER")
        return 0


def _pages(ctx: Context, row: RoundRow, batch: BatchRef, sweep: bool) -> int:
    cursor = None if sweep or row.cursor is None else Cursor(row.cursor)
    new, missing, deleted = 0, set[str](), set[str]()
    for _ in range(MAX_PAGES):
        page = ctx.vendor.changes(batch, cursor)
        known = _known(ctx, row)
        note(
            ctx.vendor,
            "changes",
            "DUPLICATE_EVENT",
            len(page.rows) - len({(e.vendor_id, e.revision) for e in page.rows}),
        )
        refs = _refs(page.rows, known)
        new += _store(ctx, row, refs)
        stored = {vendor_id for vendor_id, _ in _known(ctx, row)}
        new += _bury(ctx, row, page.rows, stored)
        missing |= {ref.vendor_id for ref in refs} - stored
        deleted |= {event.vendor_id for event in page.rows if event.kind == "DELETED"}  # those never come any more
        if not sweep and missing <= deleted and page.next_cursor is not None:
            ctx.ledger.rounds.annotate(ctx.campaign, row.round_no, cursor=page.next_cursor)
        if not page.more or page.next_cursor in {None, cursor}:
            break
        cursor = page.next_cursor
    return new


def read(ctx: Context, row: RoundRow, *, gated: bool = True) -> Read:
    """Parse and check what is stored and not yet parsed: annotations, or quarantine with a reason.

    Args:
        ctx: The workspace.
        row: The round that ordered.
        gated: Also ask the gate on deliveries; it knows only the tasks of the newest round.
    """
    tasks = {t.key: t for t in ctx.ledger.tasks.list(ctx.campaign, row.round_no)}
    names = names_of(ctx, row)
    waiting = ctx.ledger.deliveries.unparsed(ctx.campaign, row.round_no)
    never = never_read(ctx, row, waiting)
    answers = [(d, NEVER_READ if d.key in never else _parse(ctx, d, tasks, names)) for d in waiting]
    good = [(d, parsed) for d, parsed in answers if not isinstance(parsed, str)]
    held = _held(ctx, row, [parsed for _, parsed in good], tasks) if gated and good else set()
    bad = [(d, reason) for d, reason in answers if isinstance(reason, str)]
    bad += [(d, "did not pass the checks on deliveries") for d, parsed in good if parsed.key in held]
    for d, reason in bad:
        ctx.ledger.deliveries.quarantine(ctx.campaign, row.round_no, d.vendor_id, d.revision, reason, ctx.now())
    passed = [parsed for _, parsed in good if parsed.key not in held]
    for some in portions(passed):
        ctx.ledger.deliveries.record_many(some, ctx.now())
    validate(ctx, row)
    return Read(len(passed), len(bad))


def _held(ctx: Context, row: RoundRow, fresh: Sequence[ParsedResult], tasks: Mapping[str, TaskRow]) -> set[str]:
    """Keys that the gate wants quarantined.

    It sees all answers of the round so far, so that its verdict does not depend on how polls happened to cut them.
    """
    done = [d for d in ctx.ledger.deliveries.raw(ctx.campaign, row.round_no) if d.parsed_at or d.quarantine_reason]
    names = names_of(ctx, row)
    before = [parsed for d in done if not isinstance(parsed := _parse(ctx, d, tasks, names), str)]
    return set(ctx.gates.deliveries(_frame(ctx, [*before, *fresh], tasks)))


def validate(ctx: Context, row: RoundRow) -> None:
    """What parsed passed every check on the way in: PARSED > VALIDATED, or > SKIPPED_BY_ANNOTATOR without an answer."""
    waiting = [t.key for t in ctx.ledger.tasks.list(ctx.campaign, row.round_no, ("PARSED",))]
    if not waiting:
        return
    found = verdicts(ctx, row)
    ends: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key in waiting:
        verdict = found.get(key)
        answered = verdict is not None and verdict.kind in {"LABEL", "UNRESOLVED"}
        reason = "" if answered else verdict.reason if verdict else "an empty answer"
        ends["VALIDATED" if answered else "SKIPPED_BY_ANNOTATOR", reason].append(key)
    for (state, reason), keys in sorted(ends.items()):
        ctx.ledger.tasks.move_many(keys, "PARSED", state, ctx.now(), ctx.worker, reason)


def _known(ctx: Context, row: RoundRow) -> set[tuple[str, str]]:
    return ctx.ledger.deliveries.known(ctx.campaign, row.round_no)


def _refs(events: Sequence[VendorEvent], known: set[tuple[str, str]]) -> list[TaskRef]:
    """What to fetch: each task once, however often the list names it."""
    wanted: dict[str, TaskRef] = {}
    for event in events:
        if event.kind in WITH_RESULT and (event.vendor_id, event.revision) not in known:
            key = event.key or SubmissionKey("")
            wanted[event.vendor_id] = TaskRef(key, event.vendor_id, None, event.vendor_updated_at)
    return list(wanted.values())


def _bury(ctx: Context, row: RoundRow, events: Sequence[VendorEvent], stored: set[str]) -> int:
    """Answers that the vendor took back: the task's newest revision is then one without an answer.

    One that we never had is nothing in an open round: its task is taken back with what did not come. Of a sealed round
    it is the end of a task that would wait for ever.
    """
    deleted = [event for event in events if event.kind == "DELETED"]
    if not deleted:
        return 0
    ours = {t.vendor_task_id: t.key for t in ctx.ledger.tasks.list(ctx.campaign, row.round_no) if t.vendor_task_id}
    keys = set(ours.values())
    new = 0
    for event in deleted:
        key = event.key or ours.get(event.vendor_id)
        if key not in keys or (event.vendor_id not in stored and row.sealed_sha256 is None):
            continue
        new += ctx.ledger.deliveries.store_raw(ctx.campaign, row.round_no, tombstone(event, str(key), ctx.now()))
    return new


def _look_at_all(ctx: Context, row: RoundRow, batch: BatchRef) -> int:
    """Fetch every ordered task that has no stored result, whatever the change list said."""
    answered = ctx.ledger.deliveries.answered(ctx.campaign, row.round_no)
    tasks = ctx.ledger.tasks.list(ctx.campaign, row.round_no)
    waiting = [SubmissionKey(t.key) for t in tasks if t.vendor_task_id is not None and t.key not in answered]
    return _store(ctx, row, list(ctx.vendor.find(batch, waiting).values())) if waiting else 0


def _store(ctx: Context, row: RoundRow, refs: Sequence[TaskRef]) -> int:
    """Fetch and store; results of tasks that this round did not order are stored too, and quarantined."""
    if not refs:
        return 0
    ours = {t.key for t in ctx.ledger.tasks.list(ctx.campaign, row.round_no)}
    return sum(_store_some(ctx, row, some, ours) for some in portions(fetched(ctx, refs)))


def _store_some(ctx: Context, row: RoundRow, raws: Sequence[RawResult], ours: set[str]) -> int:
    bodies = [
        replace(raw, key=raw.key if raw.key in ours else None, sha256=sha256_bytes(raw.body), fetched_at=ctx.now())
        for raw in raws
    ]
    stored = ctx.ledger.deliveries.store_many(ctx.campaign, row.round_no, bodies)
    for raw, body, new in zip(raws, bodies, stored, strict=True):
        reason = ""
        if body.key is None:
            reason = f"task {raw.key} was not ordered in round {row.round_no}"
        elif new and raw.sha256 != body.sha256:
            reason = f"checksum {raw.sha256[:12]} announced, {body.sha256[:12]} received"
        if reason:
            ctx.ledger.deliveries.quarantine(ctx.campaign, row.round_no, raw.vendor_id, raw.revision, reason, ctx.now())
    return sum(stored)


def portions(results: Iterable[T], size: int = PORTION) -> Iterator[list[T]]:
    """In their order, `size` at a time; what came before the source failed is still handed out."""
    some: list[T] = []
    try:
        for one in results:
            some.append(one)
            if len(some) == size:
                yield some
                some = []
    except Exception:  # whatever it was, it goes on: what was paid for and fetched is kept first
        if some:
            yield some
        raise
    if some:
        yield some


def _parse(ctx: Context, delivery: DeliveryRow, tasks: Mapping[str, TaskRow], names: Names) -> ParsedResult | str:
    """The parsed result, or why it cannot be used."""
    task = tasks.get(delivery.key or "")
    if task is None:
        return "the task was not ordered in this round"
    buried = read_tombstone(delivery, task, names.version)
    if buried is not None:
        return buried
    raw = RawResult(
        SubmissionKey(task.key), delivery.vendor_id, delivery.revision, delivery.body, delivery.sha256, (),
        delivery.fetched_at,
    )  # fmt: skip
    try:
        parsed = ctx.vendor.parse(raw, names)
    except InvalidDelivery as error:
        return f"unreadable: {error}"
    if parsed.key != task.key:
        return f"the result names task {parsed.key}, it was delivered as {task.key}"
    if parsed.item_digest_echo != task.item_digest:
        return (
            f"item digest {parsed.item_digest_echo[:12]} came back, {task.item_digest[:12]} was sent: answers swapped?"
        )
    if parsed.revision != delivery.revision:
        return f"the result says revision {parsed.revision}, the change list {delivery.revision}"
    if parsed.unknown_labels:
        said = [f"{name} ({why})" if (why := names.why_not(name)) else name for name in parsed.unknown_labels]
        return f"not in ontology {names.version}: {', '.join(said)}"
    return parsed


def _frame(ctx: Context, results: Iterable[ParsedResult], tasks: Mapping[str, TaskRow]) -> "pd.DataFrame":
    """Each task's newest answers for the gate; times of a simulated clock are left out, they say nothing about ours."""
    simulated = bool(getattr(ctx.vendor, "simulated_clock", False))
    newest = {r.key: r for r in sorted(results, key=lambda r: (r.vendor_updated_at, r.revision))}
    rows = [
        {
            "key": result.key,
            "item_id": tasks[result.key].item_id,
            "purpose": tasks[result.key].purpose,
            "revision": result.revision,
            "annotator_id": one.annotator_id,
            "class_id": one.class_ids[0] if len(one.class_ids) == 1 else None,
            "skipped": one.skipped,
            "started_at": None if simulated else one.started_at,
            "submitted_at": None if simulated else one.submitted_at,
            "work_s": one.work_s,
            "provenance": one.provenance,
        }
        for result in newest.values()
        for one in result.annotations
    ]
    frame: pd.DataFrame = pa.Table.from_pylist(rows, schema=ANSWERS).to_pandas()
    return frame
