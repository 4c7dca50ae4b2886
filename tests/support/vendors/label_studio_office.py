"""An office around a real Label Studio: people who answer between two polls, somebody who changes things at the server,
and a line to it that drops, cuts and refuses. Everything is done through the server's own API.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tailfirst.port import BatchRef, CancelReport, Cursor, Page, TaskRef, VendorEvent
from tailfirst.vendors._label_studio_place import Place
from tailfirst.vendors._label_studio_seen import OURS
from tailfirst.vendors._label_studio_wire import MODEL, choice
from tailfirst.vendors._simulated_answers import uniform
from tailfirst.vendors.label_studio import LabelStudioVendor
from tests.support import label_studio
from tests.support.vendors import kit as kits

STAFF = ("anna", "bert", "cleo")
LATE_POLLS = 12  # so many polls later a `late_label` comes by itself


@dataclass(frozen=True)
class Armed:
    """A fault that is armed."""

    name: str
    rate: float | None = None
    at_call: int | None = None
    items: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
    keep: int = 0
    of: int = 1
    after_commit: bool = False

    def fires(self, what: str | int) -> bool:
        """Whether it hits this call (a number) or this item (an id)."""
        if self.at_call is not None:
            return self.at_call == what
        if self.items:
            return what in self.items
        return uniform("office", self.name, what) < (self.rate or 0.0)


@dataclass
class Office:
    """What there is at the vendor beside the server."""

    armed: tuple[Armed, ...] = ()
    calls: Counter[str] = field(default_factory=Counter)
    polls: int = 0
    interface: dict[int, str] = field(default_factory=dict)  # the labeling interfaces before somebody changed them
    first: dict[int, int] = field(default_factory=dict)  # task -> an answer that will be changed
    said: dict[str, str] = field(default_factory=dict)  # item -> what was first said about it, on unclear words
    done: set[int] = field(default_factory=set)  # projects in which nobody has anything to do

    def arm(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """From now on these faults, and no others."""
        self.done.clear()
        several = ("items", "annotators")
        self.armed = tuple(Armed(**{**f, **{name: tuple(f.get(name, ())) for name in several}}) for f in faults)
        if self.fault("vendor_retention", 1):
            label_studio.forget_projects()
        self.change_classes(drift=self.fault("ontology_drift", 1) is not None)

    def fault(self, name: str, what: str | int) -> Armed | None:
        """The armed fault that hits this call or item."""
        return next((f for f in self.armed if f.name == name and f.fires(what)), None)

    def hits(self, name: str, task: Mapping[str, Any]) -> bool:
        """Whether an armed fault hits a task's item."""
        return self.fault(name, item_of(task)[0]) is not None

    def change_classes(self, *, drift: bool) -> None:
        """Somebody adds a class to every project, or takes it away again."""
        with label_studio.client() as http:
            if drift:
                params = {"page_size": 1000, "include": "id,label_config"}
                for row in http.get("/api/projects", params=params).raise_for_status().json()["results"]:
                    self.interface[row["id"]] = row["label_config"]
                    more = row["label_config"].replace("</Choices>", '<Choice value="Yak" alias="yak" /></Choices>')
                    http.patch(f"/api/projects/{row['id']}/", json={"label_config": more}).raise_for_status()
            else:
                for number, config in self.interface.items():
                    http.patch(f"/api/projects/{number}/", json={"label_config": config}).raise_for_status()
                self.interface.clear()

    def work(self, project: int) -> None:
        """People answer what waits, and change what they have second thoughts about."""
        self.polls += 1
        if project in self.done:
            return
        self.done.add(project)
        for task in label_studio.tasks(project):
            if self.hits("sla_partial", task) or (self.hits("late_label", task) and self.polls < LATE_POLLS):
                self.done.discard(project)
                continue
            if task["id"] in self.first:
                label_studio.person(STAFF[0]).edit(self.first.pop(task["id"]), item_of(task)[1])
            self.answer(task)

    def answer(self, task: Mapping[str, Any]) -> None:
        """As many different people answer as are wanted."""
        have = len(task["annotations"])
        for name in STAFF[have : task["overlap"]]:
            self._answer(task, name)

    def _led(self, task: Mapping[str, Any], name: str) -> str | None:
        """An answer that hangs on something else than the item."""
        item, right = item_of(task)
        drawn = uniform(task["meta"][OURS]["key"], name)
        if any(one.name == "annotator_spam" and name in one.annotators for one in self.armed):
            return kits.CLASSES[int(drawn * len(kits.CLASSES))]
        if self.hits("relabel_correlated", task) and item in self.said:
            return self.said[item]
        guess = next((one["result"][0]["value"]["choices"][0] for one in task["predictions"]), None)
        if guess is not None and self.hits("prelabel_anchoring", task):
            return str(guess)
        if not self.hits("guideline_ambiguous", task) or right not in kits.CLASSES[:2]:
            return None
        self.said.setdefault(item, kits.CLASSES[int(drawn * 2)])
        return kits.CLASSES[int(drawn * 2)]

    def _answer(self, task: Mapping[str, Any], name: str) -> None:
        who, number, (_, right) = label_studio.person(name), task["id"], item_of(task)
        led = self._led(task, name)
        wrong = kits.CLASSES[(kits.CLASSES.index(right) + 1) % 3]
        if self.hits("answers_swapped", task):
            meta = {OURS: {**task["meta"][OURS], "item_digest": "0" * 64}}
            who.http.patch(f"/api/tasks/{number}", json={"meta": meta}).raise_for_status()
        if self.hits("payload_malformed", task):
            who.post(number, {"result": [{**choice(right), "value": {"rating": 3}}]})
        elif self.hits("label_unknown_class", task):
            who.label(number, f"{right} (retired)")
        elif self.hits("asset_unreachable", task):
            who.label(number, "tf:not_shown")
        elif self.hits("machine_labeled", task):
            guess = {"task": number, "model_version": MODEL, "result": [choice(right)]}
            made = who.http.post("/api/predictions/", json=guess).raise_for_status().json()["id"]
            who.label(number, right, lead_time=None, parent_prediction=made)
        elif self.hits("label_changed", task):
            self.first[number] = who.label(number, wrong)
            self.done.discard(task["project"])
        elif led is not None:
            who.label(number, led)
        else:
            who.label(number, right)


def item_of(task: Mapping[str, Any]) -> tuple[str, str]:
    """Item id and right class of a task, from its text."""
    n = int(task["data"]["text"].removeprefix("item "))
    return kits.spec(n).item_id, kits.CLASSES[n % 3]


class Staffed(LabelStudioVendor):
    """The adapter, with the office at work: before each poll, and while we try to take tasks back."""

    office: Office

    def changes(self, batch: BatchRef, cursor: Cursor | None) -> Page[VendorEvent]:
        at = Place.read(cursor)
        if at is None or at.after == 0:
            self.office.work(int(batch.vendor_id))
        return super().changes(batch, cursor)

    def cancel(self, refs: Sequence[TaskRef], key: str) -> CancelReport:
        wanted = {ref.vendor_id for ref in refs}
        for project in {
            int(ref.vendor_id.partition("-")[0]) for ref in refs if ref.vendor_id.partition("-")[0].isdigit()
        }:
            for task in label_studio.tasks(project):
                begun = self.office.hits("late_label", task) or self.office.hits("cancel_too_late", task)
                if f"{project}-{task['id']}" in wanted and begun:
                    self.office.answer(task)
        return super().cancel(refs, key)


@dataclass
class Line(httpx.BaseTransport):
    """The line to the server, with the office's faults."""

    office: Office
    inner: httpx.HTTPTransport = field(default_factory=lambda: httpx.HTTPTransport(verify=False))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on, or not."""
        office = self.office
        office.calls["any"] += 1
        refused = self._refused(office.calls["any"])
        if refused is not None:
            return refused
        if request.method == "POST" and request.url.path.endswith("/import"):
            return self._import(request)
        if request.method == "GET" and request.url.path == "/api/tasks":
            return self._listing(request)
        return self.inner.handle_request(request)

    def close(self) -> None:
        self.inner.close()

    def _refused(self, call: int) -> httpx.Response | None:
        if self.office.fault("vendor_down", call):
            return httpx.Response(503, text="<h1>maintenance</h1>")
        if self.office.fault("rate_limited", call):
            return httpx.Response(429, headers={"Retry-After": "3600"}, json={"detail": "slow down"})
        if self.office.fault("auth_revoked", call):
            return httpx.Response(401, json={"detail": "Invalid token."})
        return None

    def _import(self, request: httpx.Request) -> httpx.Response:
        office = self.office
        office.calls["import"] += 1
        office.done.clear()
        call, given = office.calls["import"], json.loads(request.content)
        timeout, partial = office.fault("create_timeout", call), office.fault("batch_partial", call)
        twice = [task for task in given if office.hits("conflict_409", task)]
        if timeout and not timeout.after_commit:
            raise httpx.ReadTimeout("the line went dead", request=request)
        if twice:  # another creator was a moment faster
            self._pass_on(request, twice)
        kept = given[: len(given) * partial.keep // partial.of] if partial else given
        answer = self._pass_on(request, kept)
        if timeout:
            raise httpx.ReadTimeout("the line went dead", request=request)
        return answer

    def _pass_on(self, request: httpx.Request, body: Any) -> httpx.Response:
        copy = httpx.Request(request.method, request.url, headers=_plain(request.headers), json=body)
        answer = self.inner.handle_request(copy)
        answer.read()
        return answer

    def _listing(self, request: httpx.Request) -> httpx.Response:
        office, query = self.office, json.loads(request.url.params["query"])
        conditions = {c["filter"].rpartition(":")[2]: c for c in query.get("filters", {}).get("items", [])}
        since = conditions.get("updated_at")
        if since is not None and office.fault("duplicate_event", 1) and office.polls == 3:
            since["value"] = "2000-01-01T00:00:00.000000Z"  # the server forgot what we have read
            url = request.url.copy_merge_params({"query": json.dumps(query)})
            request = httpx.Request("GET", url, headers=request.headers)
        answer = self.inner.handle_request(request)
        answer.read()
        if answer.status_code != 200:
            return answer
        value = answer.json()
        if since is not None and not (since["value"].startswith("2000") and office.polls > 1):
            hidden = [task for task in value["tasks"] if office.hits("cursor_skip", task)]
            value["tasks"] = [task for task in value["tasks"] if task not in hidden]
            value["total"] -= len(hidden)
        if conditions.get("id", {}).get("operator") == "in_list":
            office.calls["fetch"] += 1
            if office.fault("export_truncated", office.calls["fetch"]):
                value["tasks"] = value["tasks"][: len(value["tasks"]) // 2]
        return httpx.Response(200, json=value)


def _plain(headers: httpx.Headers) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in headers.items() if name not in {"content-length", "content-type"})
