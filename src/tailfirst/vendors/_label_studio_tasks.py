"""Listing and writing the tasks of a project.

Listings go by id, a page at a time: ids never move, so no row is skipped or read twice while people work. The endpoint
that exports a whole project is never used.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from tailfirst.errors import Gone, Retryable
from tailfirst.port import ItemOutcome, SubmissionKey, TaskSpec
from tailfirst.vendors import _label_studio_seen as listed
from tailfirst.vendors._label_studio_http import Client, Refused
from tailfirst.vendors._label_studio_seen import Seen

MAX_PAGES = 100_000
DELETE_CHUNK = 25  # between the look and the deletion of a task, somebody may answer it: keep that short


@dataclass(frozen=True, slots=True)
class Listing:
    """One page: its tasks as the server said them, and whether there are more."""

    tasks: tuple[Mapping[str, Any], ...]
    more: bool


class Tasks:
    """The tasks of one project."""

    def __init__(self, client: Client, project: int, page_size: int) -> None:
        self.client = client
        self.project = project
        self.page_size = page_size

    def page(self, after: int, filters: Sequence[Mapping[str, Any]] = (), *, full: bool = False) -> Listing:
        """Tasks with a higher id, lowest first.

        Args:
            after: The id after which to begin.
            filters: Further conditions of the data manager, all of which must hold.
            full: With annotations and predictions.

        Raises:
            Retryable: The page is not what the server itself counted: it was cut on the way.
        """
        conditions = [_condition("id", "greater", "Number", after), *filters]
        answer = self._list({"ordering": ["tasks:id"], "filters": {"conjunction": "and", "items": conditions}}, full)
        tasks, total = answer["tasks"], int(answer["total"])
        if len(tasks) != min(total, self.page_size):
            raise Retryable(f"project {self.project}: {len(tasks)} tasks came, {min(total, self.page_size)} are there")
        fresh = tuple(task for task in tasks if int(task["id"]) > after)
        if tasks and not fresh:
            raise Retryable(f"project {self.project}: the page after task {after} came a second time")
        return Listing(fresh, total > len(tasks))

    def all(self, after: int = 0, *, full: bool = False) -> Iterator[Mapping[str, Any]]:
        """Every task with a higher id."""
        for _ in range(MAX_PAGES):
            page = self.page(after, full=full)
            yield from page.tasks
            if not page.more or not page.tasks:
                return
            after = int(page.tasks[-1]["id"])

    def some(self, ids: Sequence[int]) -> Iterator[Mapping[str, Any]]:
        """These tasks with their annotations; those that are gone are left out."""
        for start in range(0, len(ids), self.page_size):
            chunk = list(ids[start : start + self.page_size])
            try:
                yield from self.page(0, [_condition("id", "in_list", "List", chunk)], full=True).tasks
            except Gone:  # the project as a whole was deleted
                return

    def changed(self, since: datetime, after: int) -> Listing:
        """Tasks that changed later than `since`, with their annotations."""
        return self.page(after, [_condition("updated_at", "greater", "Datetime", listed.revision_of(since))], full=True)

    def newest_change(self) -> datetime | None:
        """When any task changed last, by the server's clock; None where there is none."""
        answer = self._list({"ordering": ["-tasks:updated_at"]}, full=False, page_size=1)
        return listed.moment(answer["tasks"][0]["updated_at"]) if answer["tasks"] else None

    def by_key(self, after: int = 0) -> dict[SubmissionKey, list[Seen]]:
        """Every copy of every task of ours, the oldest first."""
        found: dict[SubmissionKey, list[Seen]] = defaultdict(list)
        for task in self.all(after):
            one = listed.seen(task)
            if one is not None:
                found[one.key].append(one)
        return dict(found)

    def create(self, tasks: Sequence[Mapping[str, Any]]) -> dict[int, str]:
        """Import; returns why by position, for those that the server does not take. One bad task stops no other.

        Raises:
            VendorError: The call failed; whether tasks were made is known only to the server.
        """
        try:
            self.client.call("import", "POST", f"/api/projects/{self.project}/import", body=list(tasks))
        except Refused as error:
            if len(tasks) == 1:
                return {0: str(error)}
            half = len(tasks) // 2
            later = {half + place: why for place, why in self.create(tasks[half:]).items()}
            return {**self.create(tasks[:half]), **later}
        return {}

    def tidy(self, copies: Mapping[SubmissionKey, Sequence[Seen]]) -> None:
        """Leave one copy of each key: others are deleted while nobody has labeled them, else marked and ignored.

        They come from imports whose answer was lost, and from two creators at once.
        """
        for seen in copies.values():
            kept = winner(seen)
            for extra in seen:
                if extra.id == kept.id or extra.duplicate_of is not None:
                    continue
                if not extra.answers:
                    self.delete(extra.id)
                else:
                    self.mark_duplicate(extra.id, kept.id)

    def delete(self, task: int) -> bool:
        """Delete a task; False where it is gone already."""
        try:
            self.client.call("delete", "DELETE", f"/api/tasks/{task}/")
        except Gone:
            return False
        return True

    def mark_duplicate(self, task: int, kept: int) -> None:
        """Note in a task that another one counts."""
        path = f"/api/tasks/{task}"
        meta = self.client.call("read", "GET", path, params={"resolve_uri": "false"})["meta"]
        meta[listed.OURS]["duplicate_of"] = kept
        self.client.call("mark", "PATCH", path, body={"meta": meta})

    def cancel(self, ids: Sequence[int]) -> dict[int, Literal["CANCELED", "TOO_LATE", "NOT_FOUND"]]:
        """Delete what nobody has answered."""
        said: dict[int, Literal["CANCELED", "TOO_LATE", "NOT_FOUND"]] = dict.fromkeys(ids, "NOT_FOUND")
        for start in range(0, len(ids), DELETE_CHUNK):
            for task in self.some(ids[start : start + DELETE_CHUNK]):
                number = int(task["id"])
                if task["annotations"]:
                    said[number] = "TOO_LATE"
                elif self.delete(number):
                    said[number] = "CANCELED"
        return said

    def _list(self, query: Mapping[str, Any], full: bool, page_size: int | None = None) -> Mapping[str, Any]:
        params = {
            "project": self.project,
            "page_size": page_size or self.page_size,
            "fields": "all" if full else "task_only",
            "resolve_uri": "false",
            "query": json.dumps(query),
        }
        answer = self.client.call("list", "GET", "/api/tasks", params=params)
        if not isinstance(answer, dict) or not isinstance(answer.get("tasks"), list) or "total" not in answer:
            raise Retryable(f"project {self.project}: the list of tasks is not what Label Studio sends")
        return answer


def winner(copies: Sequence[Seen]) -> Seen:
    """The copy that counts: one that a person has answered before one that nobody has, then the oldest."""
    return min(copies, key=lambda one: (one.duplicate_of is not None, not one.answers, one.id))


def _condition(column: str, operator: str, kind: str, value: object) -> dict[str, object]:
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


def outcome_of(
    item: TaskSpec,
    before: Mapping[SubmissionKey, Sequence[Seen]],
    after: Mapping[SubmissionKey, Sequence[Seen]],
    refused: Mapping[SubmissionKey, str],
    lost: Mapping[SubmissionKey, str],
) -> ItemOutcome:
    """What became of one requested item, from what was there before and after the import."""
    if item.key in before:
        found = winner(before[item.key])
        if found.payload_sha256 != item.payload_sha256:
            return ItemOutcome(item.key, found.ref, "the key exists with another payload", "REJECTED")
        return ItemOutcome(item.key, found.ref, "", "EXISTED")
    if item.key in refused:
        return ItemOutcome(item.key, None, refused[item.key], "REJECTED")
    if item.key in after:
        return ItemOutcome(item.key, winner(after[item.key]).ref, "", "CREATED")
    return ItemOutcome(item.key, None, lost.get(item.key, "not among the project's tasks after the import"), "UNKNOWN")
