"""One Label Studio server per test process, and people who label there through its API."""

import json
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from tailfirst.labelstudio import server as servers
from tailfirst.labelstudio.server import Server
from tailfirst.vendors._label_studio_wire import choice

MISSING = (
    "no Label Studio (`make .venv-label-studio/.installed`, or TAILFIRST_LABEL_STUDIO): the tests on a real server"
)
ROOT = Path(__file__).parents[2]
_open = ExitStack()


def command() -> Path | None:
    """The `label-studio` command; None = not installed."""
    return servers.executable(ROOT)


@cache
def server() -> Server:
    """The process's server, started at the first call and ended by `stop`."""
    found = command()
    if found is None:
        raise AssertionError(MISSING)
    folder = Path(_open.enter_context(tempfile.TemporaryDirectory(prefix="tfls", ignore_cleanup_errors=True)))
    files = folder / "files"
    files.mkdir()
    return _open.enter_context(servers.running(found, folder / "data", files))


def stop() -> None:
    """End the server, if it was started."""
    _open.close()
    server.cache_clear()


def client(token: str | None = None) -> httpx.Client:
    """A client with a token; default: the robot's."""
    headers = {"Authorization": f"Token {token or server().account.token}"}
    return httpx.Client(base_url=server().url, headers=headers, trust_env=False, verify=False, timeout=60)


def forget_projects() -> None:
    """Delete every project: each test begins with an empty server."""
    with client() as http:
        for row in (
            http.get("/api/projects", params={"page_size": 1000, "include": "id"}).raise_for_status().json()["results"]
        ):
            http.delete(f"/api/projects/{row['id']}/").raise_for_status()


@dataclass
class Person:
    """An annotator with an own account."""

    email: str
    password: str
    number: int
    http: httpx.Client = field(repr=False)

    def label(self, task: int, alias: str, lead_time: float | None = 2.5, **more: Any) -> int:
        """Submit an answer; returns its number."""
        return self.post(task, {"result": [choice(alias)], "lead_time": lead_time, **more})

    def skip(self, task: int) -> int:
        """Press Skip."""
        return self.post(task, {"result": [], "lead_time": 1.0, "was_cancelled": True})

    def post(self, task: int, body: dict[str, Any]) -> int:
        """Submit any body."""
        return int(self.http.post(f"/api/tasks/{task}/annotations/", json=body).raise_for_status().json()["id"])

    def edit(self, annotation: int, alias: str) -> None:
        """Choose again."""
        self.http.patch(f"/api/annotations/{annotation}/", json={"result": [choice(alias)]}).raise_for_status()

    def delete(self, annotation: int) -> None:
        """Take an answer away."""
        self.http.delete(f"/api/annotations/{annotation}/").raise_for_status()


@cache
def person(name: str) -> Person:
    """An annotator, signed up by the organization's invitation like a person would."""
    with client() as http:
        invitation = http.get("/api/invite").raise_for_status().json()["invite_url"]
    email, password = f"{name}@example.com", f"{name}-secret-1"
    with httpx.Client(base_url=server().url, trust_env=False, verify=False, timeout=60) as page:
        page.get(invitation).raise_for_status()
        form = {"email": email, "password": password, "csrfmiddlewaretoken": page.cookies["csrftoken"]}
        page.post(invitation, data=form, headers={"Referer": server().url + invitation})
        token = page.get("/api/current-user/token").raise_for_status().json()["token"]
        number = page.get("/api/current-user/whoami").raise_for_status().json()["id"]
    return Person(email, password, int(number), _open.enter_context(client(token)))


def tasks(project: int) -> list[dict[str, Any]]:
    """A project's tasks with everything, by id; none where the project is gone."""
    query = json.dumps({"ordering": ["tasks:id"]})
    with client() as http:
        params = {"project": project, "fields": "all", "page_size": 1000, "query": query, "resolve_uri": "false"}
        answer = http.get("/api/tasks", params=params)
    return [] if answer.status_code == httpx.codes.NOT_FOUND else list(answer.raise_for_status().json()["tasks"])
