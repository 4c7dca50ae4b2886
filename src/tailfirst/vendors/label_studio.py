"""Label Studio as the vendor: one's own people, one's own server, no bill.

Every round has its own project (specs/vendor.md section 7: imports and exports slow down with history). An import knows
no key and makes duplicates, so the adapter looks before and after it, and leaves one copy of each key. Changes are
pulled by the tasks' update time; the endpoint that exports a whole project is never used. Webhooks carry nothing but a
fixed secret, so they are hints. Prices are ours: the server knows no money.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from tailfirst.artifacts import sha256_bytes
from tailfirst.config import Settings
from tailfirst.errors import Retryable
from tailfirst.ontology.versions import task_at
from tailfirst.paths import Workspace
from tailfirst.port import (
    BatchRef,
    BatchSpec,
    CancelReport,
    Capabilities,
    CostLine,
    Cursor,
    Health,
    ItemOutcome,
    Money,
    Ontology,
    Page,
    ParsedResult,
    ProjectRef,
    ProjectSpec,
    Quote,
    RawResult,
    SubmissionKey,
    SubmitReport,
    TaskRef,
    TaskSpec,
    VendorEvent,
    WebhookHint,
)
from tailfirst.task import Task, load_task
from tailfirst.vendors import _label_studio_config as interface
from tailfirst.vendors import _label_studio_seen as listed
from tailfirst.vendors import _label_studio_wire as wire
from tailfirst.vendors._label_studio_costs import estimates
from tailfirst.vendors._label_studio_hooks import hint
from tailfirst.vendors._label_studio_http import Client
from tailfirst.vendors._label_studio_media import Media
from tailfirst.vendors._label_studio_params import Params
from tailfirst.vendors._label_studio_place import START, Place
from tailfirst.vendors._label_studio_project import Projects
from tailfirst.vendors._label_studio_tasks import Tasks, outcome_of, winner
from tailfirst.vendors._label_studio_wire import Mark
from tailfirst.vendors._not_offered import NoReviews

__all__ = ["LabelStudioVendor", "Params", "load"]

QUOTE_HOLDS = timedelta(days=30)


def load(params: Params, ws: Workspace, settings: Settings) -> "LabelStudioVendor":
    """The Label Studio of a workspace; nothing is sent yet.

    Raises:
        TaskFolderError: data/task.yaml is missing or wrong.
    """
    token = settings.label_studio_token.get_secret_value() if settings.label_studio_token else ""
    hook = settings.webhook_secrets.get_secret_value() if settings.webhook_secrets else ""
    url = (settings.label_studio_url or params.base_url).rstrip("/")
    return LabelStudioVendor(params, ws, load_task(ws.task), Client(url, token, params.timeout_s), hook)


class LabelStudioVendor(NoReviews):
    """The port's face of a Label Studio server: it only translates."""

    name = "label_studio"
    parser_version = wire.PARSER_VERSION
    why_no_reviews = "reviews need a paid edition of Label Studio"

    def __init__(
        self,
        params: Params,
        ws: Workspace,
        task: Task,
        client: Client,
        hook_secrets: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.params = params
        self.task = task
        self.client = client
        self.media = Media(ws, task, params)
        self.projects = Projects(client, params)
        self._hook_secrets = tuple(part for part in hook_secrets.split(",") if part)  # two during a change
        self._now = now

    def capabilities(self) -> Capabilities:
        """What the free edition can do."""
        return Capabilities(
            idempotency="NONE", idempotency_ttl_s=None, key_max_chars=128, max_batch=self.params.max_batch,
            staging=False, cancel="QUEUED", review=False, rework=False, prelabels=True, gold=False,
            overlap_max=self.params.overlap_max, dynamic_overlap=False, push="UNSIGNED", revisions=True, cost="NONE",
            retention_days=None, workforce="INTERNAL",
        )  # fmt: skip

    def ensure_project(self, spec: ProjectSpec) -> ProjectRef:
        """The campaign at this server under an ontology, with the classes that its open project holds.

        Projects belong to rounds, so `open_batch` makes them; before the first one, the classes are those it would get.
        """
        held = self.projects.read_back(spec.project, spec.ontology_digest)
        if held is None:
            held = interface.digest(interface.build(self._task_at(spec.ontology_version)))
        return ProjectRef(self.name, f"{spec.project}/{spec.ontology_version}/{spec.ontology_digest[:16]}", held)

    def quote(self, batch: BatchSpec) -> Quote:
        """Our price of an answer, times answers per item, times items."""
        each = self.params.price_micros
        return Quote(
            total=self._money(each * batch.overlap * batch.n_tasks),
            per_task=self._money(each * batch.overlap),
            basis=f"{batch.n_tasks} {batch.purpose} items x {batch.overlap} answers x {each} micros (our price list)",
            valid_until=batch.sla_at + QUOTE_HOLDS,
        )

    def open_batch(self, spec: BatchSpec) -> BatchRef:
        """Find or create the round's project, by batch key.

        Raises:
            VendorConflict: It holds other classes.
        """
        campaign, _, rest = spec.project.vendor_id.partition("/")
        mark = Mark(spec.key, campaign, rest.rpartition("/")[0], spec.project.ontology_digest)
        local = self.params.images == "local_files" and self.task.modality == "image"
        folders = [folder.as_posix() for folder in self.media.folders] if local else []
        asked, secret = self._task_at(mark.ontology_version), next(iter(self._hook_secrets), "")
        number = self.projects.open(spec, mark, asked, folders, secret)
        return BatchRef(spec.key, str(number))

    def submit(self, batch: BatchRef, items: Sequence[TaskSpec]) -> SubmitReport:
        """Import what is not there yet; every requested key comes back exactly once.

        Raises:
            VendorError: Before anything was sent.
        """
        tasks = self._tasks(batch)
        version = self.projects.mark(int(batch.vendor_id)).ontology_version
        before = tasks.by_key()
        tasks.tidy(before)
        shown, refused = self.media.data([item for item in items if item.key not in before])
        sent = {item.key: item for item in items if item.key in shown}
        try:
            said = (
                tasks.create([wire.new_task(item, shown[key], version) for key, item in sent.items()]) if sent else {}
            )
            after = tasks.by_key() if sent else {}
            tasks.tidy(after)
        except Retryable as error:
            lost = {key: str(error) for key in sent}
            return SubmitReport(tuple(outcome_of(item, before, {}, refused, lost) for item in items))
        refused |= {key: said[place] for place, key in enumerate(sent) if place in said}
        if any(item.prelabel is not None for item in sent.values()):
            self.projects.show_prelabels(tasks.project)
        return SubmitReport(tuple(outcome_of(item, before, after, refused, {}) for item in items))

    def finalize(self, batch: BatchRef) -> None:
        """Nothing is staged; a last look for copies that came from lost calls."""
        tasks = self._tasks(batch)
        tasks.tidy(tasks.by_key())

    def find(self, batch: BatchRef, keys: Sequence[SubmissionKey]) -> Mapping[SubmissionKey, TaskRef]:
        """What exists under these keys: the project's tasks are listed and compared."""
        copies = self._tasks(batch).by_key() if keys else {}
        return {key: winner(copies[key]).ref for key in keys if key in copies}

    def changes(self, batch: BatchRef, cursor: Cursor | None) -> Page[VendorEvent]:
        """A page of tasks that changed since the cursor, less the overlap window.

        A poll walks by task id through everything newer than `since`; meanwhile `until`, the newest change when it
        began, stands still and becomes the next poll's start: a change during the walk is seen now or next time.
        """
        tasks, at = self._tasks(batch), Place.read(cursor)
        if at is None:
            tasks.tidy(tasks.by_key())
        if at is None or at.after == 0:
            since = START if at is None else at.since
            at = Place(since, tasks.newest_change() or since, 0)
        window = timedelta(seconds=self.params.overlap_s) if at.since > START else timedelta()
        page = tasks.changed(at.since - window, at.after)
        following = Place(at.since, at.until, int(page.tasks[-1]["id"])) if page.more else Place(at.until, at.until, 0)
        return Page(listed.events(page.tasks), following.cursor(), page.more)

    def fetch(self, refs: Sequence[TaskRef]) -> Iterator[RawResult]:
        """Each labeling task with the answers that it has now; nothing for those without one or gone."""
        for project, ids in wire.numbers(refs).items():
            for task in Tasks(self.client, project, self.params.page_size).some(ids):
                one = listed.seen(task)
                if one is None or not one.answers or one.duplicate_of is not None:
                    continue
                body = wire.body_of(task)
                yield RawResult(
                    one.key, one.vendor_id, listed.revision_of(one.updated_at), body, sha256_bytes(body),
                    (("content-type", "application/json"),), one.updated_at,
                )  # fmt: skip

    def parse(self, raw: RawResult, ontology: Ontology) -> ParsedResult:
        """Annotations from bytes; pure.

        Raises:
            InvalidDelivery: Not our format.
        """
        return wire.parse(raw, ontology)

    def cancel(self, refs: Sequence[TaskRef], key: str) -> CancelReport:  # noqa: ARG002 - repeating is harmless anyway
        """Delete what nobody has answered."""
        said: dict[str, Literal["CANCELED", "TOO_LATE", "NOT_FOUND"]] = {}
        for project, ids in wire.numbers(refs).items():
            outcomes = Tasks(self.client, project, self.params.page_size).cancel(ids)
            said |= {f"{project}-{task}": outcome for task, outcome in outcomes.items()}
        return CancelReport(tuple(ItemOutcome(r.key, r, "", said.get(r.vendor_id, "NOT_FOUND")) for r in refs))

    def costs(self, batch: BatchRef) -> Sequence[CostLine]:
        """What the answers cost by our own price list, one line per answered task, from its first answer on."""
        tasks = self._tasks(batch).all(full=True)
        return estimates(batch.key, tasks, Money(self.params.price_micros, self.params.currency))

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> WebhookHint:
        """The tasks that a hook names; nothing signs it, so it is worth an early poll and nothing else.

        Raises:
            ConfigError: No secret is set here.
            AuthRefused: The header does not hold it.
            InvalidDelivery: The body is no hook of Label Studio.
        """
        return hint(headers, body, now, self._hook_secrets)

    def health(self) -> Health:
        """Whether the server answers and takes the token."""
        ok, detail = self.client.answers()
        return Health(ok=ok, checked_at=self._now(), detail=detail)

    def _tasks(self, batch: BatchRef) -> Tasks:
        return Tasks(self.client, int(batch.vendor_id), self.params.page_size)

    def _task_at(self, version: str) -> Task:
        """A round asks in the classes that it was planned under, whatever came after them."""
        return self.task if version == self.task.ontology_version else task_at(self.media.ws, version)

    def _money(self, micros: int) -> Money:
        return Money(micros, self.params.currency)
