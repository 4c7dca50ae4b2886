"""The project of a round at the server: found again by the mark in its description, made where it is missing."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from tailfirst.errors import ConfigError, Gone, Retryable, VendorConflict
from tailfirst.port import BatchSpec
from tailfirst.task import Task
from tailfirst.vendors import _label_studio_config as interface
from tailfirst.vendors._label_studio_hooks import SECRET_HEADER
from tailfirst.vendors._label_studio_http import Client
from tailfirst.vendors._label_studio_params import Params
from tailfirst.vendors._label_studio_wire import MODEL, Mark, mark_of

TITLE_CHARS = 50
HINTS = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED")
_FIELDS = "id,title,description,label_config,task_number,finished_task_number,maximum_annotations,model_version"
PAGE = 100
MAX_PAGES = 1_000


class Projects:
    """Projects of ours at one server."""

    def __init__(self, client: Client, params: Params) -> None:
        self.client = client
        self.params = params
        self._marks: dict[int, Mark] = {}  # a project's mark never changes

    def ours(self) -> Iterator[tuple[Mark, Mapping[str, Any]]]:
        """Every project with our mark, the oldest first."""
        for number in range(1, MAX_PAGES):
            answer = self.client.call(
                "projects", "GET", "/api/projects",
                params={"page": number, "page_size": PAGE, "ordering": "id", "include": _FIELDS},
            )  # fmt: skip
            if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
                raise Retryable("the list of projects is not what Label Studio sends")
            for row in answer["results"]:
                mark = mark_of(row.get("description"))
                if mark is not None:
                    yield mark, row
            if not answer.get("next"):
                return

    def read_back(self, campaign: str, ontology_digest: str) -> str | None:
        """The ontology digest of the newest project of a campaign and ontology with work left; None = there is none.

        Finished ones are left out: what somebody changes there asks nobody a wrong question any more.
        """
        found = [
            row
            for mark, row in self.ours()
            if mark.campaign == campaign and mark.ontology_digest == ontology_digest
            and not 0 < row["task_number"] <= row["finished_task_number"]
        ]  # fmt: skip
        return interface.digest(found[-1]["label_config"]) if found else None

    def open(self, spec: BatchSpec, mark: Mark, task: Task, folders: Sequence[str], secret: str) -> int:
        """The round's project, with everything that it needs; returns its id.

        Raises:
            VendorConflict: It holds other classes than those asked for.
        """
        row = next((row for found, row in self.ours() if found.batch == mark.batch), None)
        if row is None:
            row = self._create(spec, mark, task)
        held = interface.digest(row["label_config"])
        if held != mark.ontology_digest:
            raise VendorConflict(
                f"project {row['id']} at Label Studio holds other classes (digest {held[:12]}) than the order "
                f"({mark.ontology_digest[:12]}); restore its labeling interface"
            )
        number = int(row["id"])
        if row["maximum_annotations"] != spec.overlap:
            self.client.call("project", "PATCH", f"/api/projects/{number}/", body={"maximum_annotations": spec.overlap})
        self._storages(number, folders)
        self._webhook(number, secret)
        self._marks[number] = mark
        return number

    def mark(self, number: int) -> Mark:
        """What a project says about itself.

        Raises:
            Gone: No such project, or it lost its mark.
        """
        if number not in self._marks:
            row = self.client.call("project", "GET", f"/api/projects/{number}/", params={"include": _FIELDS})
            found = mark_of(row.get("description"))
            if found is None:
                raise Gone(
                    f"project {number} at Label Studio has no line `tailfirst {{...}}` in its description any more"
                )
            self._marks[number] = found
        return self._marks[number]

    def show_prelabels(self, number: int) -> None:
        """Show our predictions to annotators; the server takes the name only once there are some."""
        self.client.call("project", "PATCH", f"/api/projects/{number}/", body={"model_version": MODEL})

    def _create(self, spec: BatchSpec, mark: Mark, task: Task) -> Mapping[str, Any]:
        about = f"Round {spec.round_no} of campaign {mark.campaign}, ontology version {mark.ontology_version}."
        title = f"{self.params.title} {mark.campaign} {spec.round_no:04d} v{mark.ontology_version}"
        created: Mapping[str, Any] = self.client.call(
            "project", "POST", "/api/projects/",
            body={
                "title": title[:TITLE_CHARS],
                "description": f"{about} Keep the next line: tailfirst finds the project by it.\n{mark.line()}",
                "label_config": interface.build(task),
                "expert_instruction": guidelines(task, self.params.instructions),
                "show_instruction": True,
                "maximum_annotations": spec.overlap,
                "skip_queue": "IGNORE_SKIPPED",  # a skip is an answer: what follows from it is decided by the ledger
                "enable_empty_annotation": False,
                "show_collab_predictions": True,
                "sampling": "Sequential sampling",  # best first
            },
        )  # fmt: skip
        return created

    def _storages(self, number: int, folders: Sequence[str]) -> None:
        """Let the server show the folders' files to people who are logged in."""
        if not folders:
            return
        path = "/api/storages/localfiles/"
        known = {row["path"] for row in self.client.call("storage", "GET", path, params={"project": number})}
        for folder in folders:
            if folder not in known:
                body = {"project": number, "title": folder.rpartition("/")[2], "path": folder, "use_blob_urls": True}
                self.client.call("storage", "POST", path, body=body)

    def _webhook(self, number: int, secret: str) -> None:
        url = self.params.webhook_url
        if url is None:
            return
        if not secret:
            raise ConfigError("vendor.webhook_url needs TAILFIRST_WEBHOOK_SECRETS, the hooks' only guard")
        known = {row["url"] for row in self.client.call("webhook", "GET", "/api/webhooks/", params={"project": number})}
        if url not in known:
            body = {
                "project": number, "url": url, "send_payload": True, "send_for_all_actions": False,
                "actions": list(HINTS), "headers": {SECRET_HEADER: secret}, "is_active": True,
            }  # fmt: skip
            self.client.call("webhook", "POST", "/api/webhooks/", body=body)


def guidelines(task: Task, first: str) -> str:
    """What annotators read before they begin: the classes with their definitions, as HTML."""
    lines = [
        f"<li><b>{escape(c.name)}</b>{': ' if c.definition else ''}{escape(c.definition)}</li>" for c in task.classes
    ]
    none = ", ".join(f"<b>{words}</b>" for words in interface.SHOWN.values())
    return f"{first}<ul>{''.join(lines)}</ul><p>Where no class fits, say so: {none}.</p>"
