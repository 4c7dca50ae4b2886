"""The fake vendor's API for customers, Scale-like: projects, staged batches, unique ids, changes, results."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from tailfirst.artifacts import sha256_bytes
from tailfirst.errors import Gone
from tailfirst.fakevendor import views
from tailfirst.fakevendor.answers import Cut, problem
from tailfirst.fakevendor.shapes import BatchIn, ProjectIn, QuoteIn, ReviewIn, TaskIds, TaskIn, TasksIn, UniqueIds
from tailfirst.fakevendor.shop import Shop
from tailfirst.vendors._simulated_money import percent_quoted, statement
from tailfirst.vendors.simulated import QUOTE_HOLDS

Json = dict[str, Any]
PAGE_MAX = 5_000


def orders(router: APIRouter, shop: Shop) -> None:
    """Projects, quotes and batches."""

    @router.post("/projects")
    def create_project(given: ProjectIn) -> Json:
        """Find or create, by name."""
        vendor_id = "project-" + sha256_bytes(f"{given.name}|{given.ontology_digest}".encode())[:16]
        with shop.company.call("ensure_project") as (session, call):
            session.add_project(vendor_id, given.ontology_digest, given.ontology_version)
        drifted = shop.company.fault("ontology_drift", call) is not None
        return {"id": vendor_id, "name": given.name, "ontology_digest": "drifted" if drifted else given.ontology_digest}

    @router.post("/quotes")
    def quote(given: QuoteIn) -> Json:
        """Price list times items times answers per item, in the prices of now."""
        with shop.company.call("quote", counted=False) as (session, _):
            each = (
                shop.config.price_micros.of(given.purpose) * percent_quoted(shop.config, session, given.purpose) // 100
            )
        return {
            "total_micros": each * given.overlap * given.n_tasks,
            "per_task_micros": each * given.overlap,
            "currency": shop.config.currency,
            "basis": f"{given.n_tasks} {given.purpose} items x {given.overlap} answers x {each} micros",
            "valid_until": (given.sla_at + QUOTE_HOLDS).isoformat(),
        }

    @router.post("/batches")
    def open_batch(given: BatchIn) -> Response:
        """Create a staging batch; 409 names the one that has this name already."""
        if given.overlap > len(shop.config.annotators):
            return problem(422, f"overlap is {given.overlap}, there are {len(shop.config.annotators)} annotators")
        spec = given.spec()
        with shop.company.call("open_batch") as (session, _):
            there = session.batch(f"order-{spec.key[:16]}") is not None
            vendor_id = shop.company.open(session, spec)
        if there:
            return problem(409, "there is a batch of this name", batch_id=vendor_id)
        return JSONResponse({"id": vendor_id, "name": given.name, "status": "staging"}, 201)

    @router.get("/batches")
    def find_batch(name: str) -> Json:
        """The batch of a name."""
        return show_batch(f"order-{name[:16]}")

    @router.get("/batches/{batch_id}")
    def show_batch(batch_id: str) -> Json:
        """A batch."""
        with shop.book.session() as session:
            order = shop.company.order(session, batch_id)
        status = "in_progress" if order.finalized else "staging"
        return {"id": order.vendor_id, "name": order.batch_key, "status": status, "project": order.project}

    @router.post("/batches/{batch_id}/finalize")
    def finalize(batch_id: str) -> Json:
        """End the staging phase: the people start."""
        with shop.company.call("finalize") as (session, _):
            shop.company.order(session, batch_id)
            session.finalize(batch_id)
        return {"id": batch_id, "status": "in_progress"}

    @router.get("/batches/{batch_id}/charges")
    def charges(batch_id: str) -> Json:
        """The money book of a batch."""
        with shop.company.call("costs") as (session, _):
            shop.company.order(session, batch_id)
            return {"lines": [views.line(c) for c in session.charges(batch_id)]}

    @router.get("/batches/{batch_id}/statement")
    def invoice(batch_id: str) -> Json:
        """The invoice for a batch; it should say what the money book says."""
        with shop.company.call("statement", counted=False) as (session, _):
            lines = statement(shop.config, session, shop.company.order(session, batch_id))
        return {"lines": [views.line(c) for c in lines]}


def tasks(router: APIRouter, shop: Shop) -> None:
    """Creating, finding, listing, canceling and reviewing labeling tasks."""
    looks = shop.config.idempotency in {"NATIVE", "NATIVE_TTL"}

    def make(batch_id: str, wanted: Sequence[TaskIn]) -> tuple[list[Json], bool]:
        with shop.company.call("submit") as (session, call):
            items = [one.spec() for one in wanted]
            report = shop.company.submit(session, call, batch_id, items, looks=looks)
            made = [c.job for c in report.created if c.job is not None and c.outcome == "CREATED"]
            early = shop.callbacks.early(session, made)
        if early:
            shop.callbacks.send_waiting()
        return [views.entry(one) for one in report.created], report.lost

    @router.post("/batches/{batch_id}/tasks")
    def create_tasks(batch_id: str, given: TasksIn) -> Response:
        """Create many; every entry of the answer has its own status: 201, 409 (names the existing task) or 422."""
        entries, lost = make(batch_id, given.tasks)
        return Cut() if lost else JSONResponse({"tasks": entries})

    @router.post("/batches/{batch_id}/task")
    def create_task(batch_id: str, given: TaskIn) -> Response:
        """Create one: 201, 409 or 422."""
        entries, lost = make(batch_id, [given])
        return Cut() if lost or not entries else JSONResponse(entries[0], entries[0]["status"])

    @router.post("/batches/{batch_id}/tasks/search")
    def search(batch_id: str, given: UniqueIds) -> Response:
        """The tasks of a batch under these unique ids; 501 where this vendor cannot search by them."""
        if shop.config.idempotency == "NONE":
            return problem(501, "no search by unique id here; list the batch")
        with shop.company.call("find") as (session, _):
            found = shop.company.find(session, batch_id, given.unique_ids)
        return JSONResponse({"tasks": [views.task(job) for job in found.values()]})

    @router.get("/batches/{batch_id}/tasks")
    def list_tasks(batch_id: str, after: str = "", limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 1_000) -> Json:
        """Every task of a batch, by id."""
        with shop.company.call("find") as (session, _):
            order = shop.company.order(session, batch_id)
            rows = session.jobs_of_batch(batch_id, after, limit)
            lost = [job.key for job in rows if shop.company.people.gone(order, job)]
        if lost:
            raise Gone(f"{len(lost)} labeling tasks were deleted: {lost[0]} ...")
        return {"tasks": [views.task(job) for job in rows], "next": rows[-1].vendor_id if len(rows) == limit else None}

    @router.get("/tasks")
    def by_unique_id(unique_id: str) -> Json:
        """The task with a unique id."""
        with shop.company.call("find") as (session, _):
            known = session.jobs(unique_id)
        if not known:
            raise LookupError(f"no task with unique id {unique_id}")
        return views.task(known[0])

    @router.post("/tasks/cancel")
    def cancel(given: TaskIds) -> Json:
        """Take tasks back that nobody has answered; each has its own outcome."""
        with shop.company.call("cancel") as (session, _):
            return {"tasks": {i: shop.company.cancel(session, i) for i in given.task_ids}}

    @router.post("/tasks/{task_id}/review")
    def review(task_id: str, given: ReviewIn) -> Response:
        """Accept, reject (credited) or send back (answered anew)."""
        with shop.company.call("review") as (session, _):
            refused = shop.company.review(session, task_id, given.verdict, given.reason, given.key)
        return problem(404, refused) if refused else JSONResponse({"task_id": task_id, "verdict": given.verdict})


def results(router: APIRouter, shop: Shop) -> None:
    """What changed, and the answers themselves."""

    @router.get("/batches/{batch_id}/changes")
    def changes(
        batch_id: str,
        updated_after: str = "",
        page: str = "",
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 1_000,
    ) -> Json:
        """What changed in a batch, by update time; `until` is where the next reader may start (less an overlap)."""
        since, _, seq = (page or f"{updated_after}|0").rpartition("|")
        if not seq.isdigit():
            raise ValueError(f"page {page!r} is none that was given out")
        with shop.company.call("changes") as (session, call):
            if not page:
                shop.company.pass_by(session, batch_id, call)
            shop.company.order(session, batch_id)
            rows = session.events_since(batch_id, since, int(seq), limit)
            until = session.last_listed(batch_id)
            more = f"{rows[-1].listed_at}|{rows[-1].seq}" if len(rows) == limit else None
            if more is None:  # rows that were being written while this listing was read are there only now
                session.unhide(batch_id)
        told = [views.change(row) for row in rows for _ in range(row.copies)]
        return {"changes": told, "next_page": more, "until": until}

    @router.post("/results/export")
    def export(given: TaskIds) -> Json:
        """Every revision of the results of these tasks, with their count and the checksum of all bodies."""
        with shop.company.call("fetch") as (session, call):
            rows = shop.company.deliver(session, call, given.task_ids)
            whole = sum(len(session.results(i)) for i in given.task_ids)
        checksum = sha256_bytes(b"".join(row.body for row in rows))
        return {"count": whole, "sha256": checksum, "results": [views.result(row) for row in rows]}

    @router.get("/tasks/{task_id}/results/{revision}")
    def result(task_id: str, revision: str) -> Response:
        """One result as its raw bytes."""
        with shop.company.call("fetch") as (session, call):
            rows = shop.company.deliver(session, call, [task_id])
        found = next((row for row in rows if row.revision == revision), None)
        if found is None:
            raise LookupError(f"task {task_id} has no revision {revision}")
        return Response(found.body, media_type="application/json", headers={"x-sha256": sha256_bytes(found.body)})

    @router.get("/health")
    def health() -> Json:
        """Whether the vendor is there."""
        with shop.book.session():
            return {"ok": True, "now": shop.now().isoformat()}
