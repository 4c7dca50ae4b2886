"""Workspaces of the tests on a real Label Studio server, and a store with manifests."""

from pathlib import Path

import pytest

from tailfirst.paths import Workspace
from tailfirst.task import save_task
from tests.support import label_studio
from tests.support.label_studio_desk import TASK, write_items
from tests.support.vendors.manifest_site import Site


@pytest.fixture
def empty_server() -> None:
    label_studio.forget_projects()


@pytest.fixture
def ws(tmp_path: Path, empty_server: None) -> Workspace:
    found = Workspace(tmp_path)
    save_task(TASK, found.task)
    write_items(found, [f"text {n}" for n in range(8)], "text")
    return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)
