"""Time passes at the simulated vendor: answers come in, change, are sent back or deleted, and charges arise."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from tailfirst.vendors import _simulated_wire as wire
from tailfirst.vendors._simulated_answers import CHANGED, Ask, choose_annotators, start_of
from tailfirst.vendors._simulated_book import BatchRow, Charge, EventRow, Job, ResultRow, Review, Session
from tailfirst.vendors._simulated_money import percent_of
from tailfirst.vendors._simulated_params import Params

AGAIN = timedelta(days=1)  # until an answer that was sent back is given anew
Told = Callable[[Session, Job, EventRow], None]  # what to do about every new line of the change list


@dataclass(frozen=True, slots=True)
class Known:
    """What the vendor's people know, in the classes of one ontology version."""

    truth: Mapping[str, str]  # by item id
    class_ids: tuple[str, ...]  # every class that occurs, sorted


class Work:
    """What the people of the vendor do with an order."""

    def __init__(self, params: Params, known: Callable[[BatchRow], Known], told: Told | None) -> None:
        self.params = params
        self._known = known
        self._told = told

    def assigned(self, session: Session, order: BatchRow, job: Job, *, copy: bool) -> Job:
        """A new labeling task with its people, its price and the time at which they will be done.

        A copy of an item (another overlap slot, a relabel) goes to people who have not seen it, while there are any.
        """
        others = session.jobs_of_item(job.item_id) if copy else ()
        seen = frozenset(i for other in others for i in other.people)
        people = choose_annotators(self.params, job.key, order.overlap, seen)
        price = (
            self.params.price_micros.of(job.purpose) * order.overlap * percent_of(session, order, job.purpose) // 100
        )
        job = replace(job, people=tuple(a.id for a in people), price_micros=price)
        if job.purpose == "RELABEL" and others:
            first = others[0]
            given = wire.people_of(self.params, order, first, self.ask(order, first))
            job = replace(job, first=next((c for a in given for c in a.class_ids), None))
        return replace(job, due_s=wire.due_s(self.params, order, job, self.ask(order, job)))

    def ask(self, order: BatchRow, job: Job) -> Ask:
        """What the people are asked."""
        known = self._known(order)
        return Ask(
            job.key, job.item_id, known.truth[job.item_id], known.class_ids, order.round_no, job.purpose, job.prelabel,
            job.first,
        )  # fmt: skip

    def pass_by(self, session: Session, order: BatchRow) -> None:
        """Hand out what is ready by now."""
        elapsed = elapsed_of(self.params, order)
        ready = session.due(order.vendor_id, elapsed.total_seconds())
        for job in ready:
            self._return(session, order, job, elapsed)
        session.set_done(job.vendor_id for job in ready)
        if self.params.armed("label_changed"):
            for job in session.due(order.vendor_id, (elapsed - CHANGED).total_seconds(), done=1):
                self._change(session, order, job, elapsed)
        for review in session.reworks(order.vendor_id, (elapsed - AGAIN).total_seconds()):
            self._redo(session, order, review)

    def gone(self, order: BatchRow, job: Job) -> bool:
        """Whether the vendor has deleted the labeling task after its retention time."""
        elapsed = elapsed_of(self.params, order)
        fault = self.params.hit("vendor_retention", item_id=job.item_id, key=job.key)
        days = self.params.retention_days
        kept = days is None or elapsed <= timedelta(days=days, seconds=job.due_s)
        if not kept or fault is None:
            return not kept
        return order.polls >= fault.polls and elapsed > fault.polls * self.params.poll + timedelta(seconds=job.due_s)

    def _return(self, session: Session, order: BatchRow, job: Job, elapsed: timedelta) -> None:
        """First answers, and what they cost."""
        self._publish(session, order, job, wire.results(self.params, order, job, self.ask(order, job), elapsed))
        at = start_of(order.round_no) + timedelta(seconds=job.due_s)
        price = job.price_micros or self.params.price_micros.of(job.purpose) * order.overlap
        line = Charge(f"{job.vendor_id}-answers", job.key, price, self.params.currency, at.isoformat())
        session.charge(order.vendor_id, line)

    def _change(self, session: Session, order: BatchRow, job: Job, elapsed: timedelta) -> None:
        """A label is edited, or taken back, some time after it was handed out."""
        fault = self.params.hit("label_changed", item_id=job.item_id, key=job.key)
        if fault is None:
            return
        if not fault.deleted:
            self._publish(session, order, job, wire.results(self.params, order, job, self.ask(order, job), elapsed))
        elif session.results(job.vendor_id):
            session.drop_results(job.vendor_id)
            at = start_of(order.round_no) + timedelta(seconds=job.due_s) + CHANGED
            self._list(session, order, job, EventRow(0, job.vendor_id, job.key, "DELETED", "2", at.isoformat(), 1))

    def _redo(self, session: Session, order: BatchRow, review: Review) -> None:
        """An answer that was sent back is given anew, by other people, for nothing."""
        session.finish_review(review.key)
        job, known = session.job(review.vendor_id), session.results(review.vendor_id)
        if job is None or not known:
            return
        again = replace(job, key=f"{job.key}|{review.key}")
        people = choose_annotators(self.params, again.key, order.overlap, frozenset(job.people))
        given = wire.people_of(
            self.params, order, replace(again, people=tuple(a.id for a in people)), self.ask(order, again)
        )
        at = start_of(order.round_no) + timedelta(seconds=review.at_s) + AGAIN
        late = at - max(a.submitted_at for a in given)
        moved = tuple(
            replace(a, started_at=a.started_at and a.started_at + late, submitted_at=a.submitted_at + late)
            for a in given
        )
        revision = str(1 + max(int(row.revision) for row in known))
        self._publish(session, order, job, (wire.result_row(self.params, job, revision, at, moved),))

    def _publish(self, session: Session, order: BatchRow, job: Job, made: tuple[ResultRow, ...]) -> None:
        fresh = [row for row in made if session.add_result(row)]
        if wire.hits(self.params, "out_of_order", job):
            fresh.reverse()
        copies = 2 if wire.hits(self.params, "duplicate_event", job) else 1
        for row in fresh:
            kind = "RETURNED" if row.revision == "1" else "UPDATED"
            self._list(
                session, order, job, EventRow(0, job.vendor_id, job.key, kind, row.revision, row.updated_at, copies)
            )

    def _list(self, session: Session, order: BatchRow, job: Job, event: EventRow) -> None:
        """One more line in the change list, sorted by the vendor's own clock however skewed the times in it are."""
        skewed = wire.hits(self.params, "clock_skew", job)
        own = wire.moment(event.at) - (wire.SKEW if skewed else timedelta())
        line = replace(event, listed_at=own.isoformat(timespec="microseconds"))
        session.add_event(order.vendor_id, line, hidden=wire.hits(self.params, "cursor_skip", job))
        if self._told is not None:
            self._told(session, job, line)


def elapsed_of(params: Params, order: BatchRow) -> timedelta:
    """Simulated time since the people started on an order."""
    return params.poll * order.polls + timedelta(seconds=order.jumped_s)
