"""What every vendor that works by files does the same way: order, look up, take back, price."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast

from tailfirst.artifacts import sha256_bytes
from tailfirst.errors import Retryable
from tailfirst.port import (
    BatchRef,
    BatchSpec,
    CancelReport,
    CostLine,
    ItemOutcome,
    Money,
    ProjectRef,
    ProjectSpec,
    Purpose,
    Quote,
    SubmissionKey,
    SubmitReport,
    TaskRef,
    TaskSpec,
)
from tailfirst.quote_basis import basis
from tailfirst.task import Task
from tailfirst.vendors._files_book import Book, Line, Order, ref_of, task_id, vendor_id
from tailfirst.vendors._simulated_params import Prices

QUOTE_HOLDS = timedelta(days=30)  # the price list is ours: it holds while params.yaml does


def ensure_project(name: str, book: Book, spec: ProjectSpec, task: Task) -> ProjectRef:
    """Find or create, by ontology digest; the classes as we gave them, and their digest as read back."""
    project_id = "project-" + sha256_bytes(f"{spec.project}|{spec.ontology_digest}".encode())[:16]
    classes = [{"id": c.id, "name": c.name, "definition": c.definition} for c in task.classes]
    asked = {
        "project": spec.project,
        "ontology_version": spec.ontology_version,
        "ontology_digest": spec.ontology_digest,
        "guideline_digest": spec.guideline_digest,
        "task": task.name,
        "modality": task.modality,
        "classes": classes,
    }
    there = book.add_project(project_id, asked)
    return ProjectRef(name, project_id, str(there.get("ontology_digest")))


def quote(batch: BatchSpec, prices: Prices, currency: str) -> Quote:
    """Price list times items times answers per item."""
    each = prices.of(batch.purpose)
    return Quote(
        total=Money(each * batch.overlap * batch.n_tasks, currency),
        per_task=Money(each * batch.overlap, currency),
        basis=basis(batch.n_tasks, batch.purpose, batch.overlap, each, currency),
        valid_until=batch.sla_at + QUOTE_HOLDS,
    )


def submit(
    book: Book, batch: BatchRef, items: Sequence[TaskSpec], line_for: Callable[[TaskSpec], Line | str]
) -> SubmitReport:
    """Look first, then commit what is missing; one outcome per key.

    Args:
        book: What was ordered.
        batch: The order.
        items: What to order.
        line_for: The line of an item, its image copied; or why it cannot be shown.

    Raises:
        VendorError: The store could not be read; nothing was written.
    """
    order_id = book.order(batch.vendor_id).order_id
    there = book.tasks(order_id)
    outcomes: dict[str, ItemOutcome] = {}
    lines: list[Line] = []
    for spec in {item.key: item for item in items}.values():
        if spec.key in there:
            outcomes[spec.key] = _known(order_id, spec, there[spec.key])
            continue
        try:
            made = line_for(spec)
        except Retryable as error:
            outcomes[spec.key] = ItemOutcome(spec.key, None, str(error), "UNKNOWN")
            continue
        if isinstance(made, str):
            outcomes[spec.key] = ItemOutcome(spec.key, None, made, "REJECTED")
        else:
            lines.append(made)
    said = book.add(order_id, lines)
    for line in lines:
        key, why = SubmissionKey(line.key), said[line.key]
        made_ref = None if why else ref_of(order_id, line)
        outcomes[key] = ItemOutcome(key, made_ref, why, "UNKNOWN" if why else "CREATED")
    return SubmitReport(tuple(outcomes.values()))


def find(book: Book, batch: BatchRef, keys: Sequence[SubmissionKey]) -> Mapping[SubmissionKey, TaskRef]:
    """What exists under these keys."""
    tasks = book.tasks(batch.vendor_id) if keys else {}
    return {key: ref_of(batch.vendor_id, tasks[key]) for key in keys if key in tasks}


def by_order(refs: Iterable[TaskRef]) -> dict[str, list[TaskRef]]:
    """References by the order that their vendor ids name; what names none is left out."""
    found: dict[str, list[TaskRef]] = {}
    for ref in refs:
        order_id, slash, _ = ref.vendor_id.partition("/")
        if slash:
            found.setdefault(order_id, []).append(ref)
    return found


def cancel(
    book: Book,
    refs: Sequence[TaskRef],
    key: str,
    begun: Callable[[str], frozenset[str]],
    tell: Callable[[str], None],
) -> CancelReport:
    """Take back what nobody has begun: noted on our side first, then told.

    Args:
        book: What was ordered.
        refs: Which tasks.
        key: Names this cancellation; repeating it changes nothing.
        begun: Task ids of an order that have an answer, or that somebody works on.
        tell: Shows the people of an order what was taken back.
    """
    said = {ref.vendor_id: ItemOutcome(ref.key, ref, "no such task", "NOT_FOUND") for ref in refs}
    for order_id, some in by_order(refs).items():
        tasks = {task_id(k) for k in book.tasks(order_id)}
        late = begun(order_id)
        for ref in some:
            task = ref.vendor_id.partition("/")[2]
            if task not in tasks:
                continue
            if task in late:
                said[ref.vendor_id] = ItemOutcome(ref.key, ref, "begun already", "TOO_LATE")
            else:
                book.cancel(order_id, task, key)
                said[ref.vendor_id] = ItemOutcome(ref.key, ref, "", "CANCELED")
        tell(order_id)
    return CancelReport(tuple(said[ref.vendor_id] for ref in refs))


def estimates(
    batch: BatchRef,
    order: Order,
    tasks: Mapping[str, Line],
    answered: Mapping[str, datetime],
    price: Callable[[Purpose], int],
    currency: str,
) -> tuple[CostLine, ...]:
    """One line per answered task by our own price list, dated with its first answer, so that no line ever changes."""
    return tuple(
        CostLine(
            f"{vendor_id(order.order_id, key)}-answers",
            SubmissionKey(key),
            batch.key,
            Money(price(cast("Purpose", tasks[key].purpose)) * order.overlap, currency),
            at,
            "ESTIMATED",
        )
        for key, at in sorted(answered.items())
    )


def _known(order_id: str, spec: TaskSpec, line: Line) -> ItemOutcome:
    """The outcome of ordering again what is there: the same, or a key with another payload."""
    if line.payload_sha256 != spec.payload_sha256:
        return ItemOutcome(spec.key, ref_of(order_id, line), "the key exists with another payload", "REJECTED")
    return ItemOutcome(spec.key, ref_of(order_id, line), "", "EXISTED")
