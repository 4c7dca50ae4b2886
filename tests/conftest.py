"""Ledgers for tests: SQLite files, and databases of one throwaway PostgreSQL server per session."""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailfirst.ledger import Ledger
from tests.support import label_studio, postgres

MISSING = "no PostgreSQL server binaries (apt-get install postgresql): the PostgreSQL half of the ledger tests"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "label_studio: needs the Label Studio command")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without the server binaries the tests on them are left out, visibly; in CI they stay and fail."""
    if os.environ.get("CI") == "true":
        return
    missing = {
        MISSING: [i for i in items if i.get_closest_marker("postgres")] if postgres.binaries() is None else [],
        label_studio.MISSING: [i for i in items if _on_label_studio(i)] if label_studio.command() is None else [],
    }
    left_out = {item for found in missing.values() for item in found}
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]
        config.stash[LEFT_OUT] = {why: len(found) for why, found in missing.items() if found}


def _on_label_studio(item: pytest.Item) -> bool:
    """Marked, or a test of the conformance kit on its harness."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    return item.get_closest_marker("label_studio") is not None or str(params.get("kit", "")).startswith("label_studio/")


LEFT_OUT = pytest.StashKey[dict[str, int]]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for why, number in config.stash.get(LEFT_OUT, {}).items():
        terminalreporter.write_line(f"WARNING: {why} did not run ({number} tests)", yellow=True)


def pytest_sessionfinish() -> None:
    """End the Label Studio server of this process, if a test started one."""
    label_studio.stop()


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[postgres.Cluster]:
    """The session's PostgreSQL server."""
    folder = postgres.binaries()
    if folder is None:
        pytest.fail(f"{MISSING} cannot run")
    with postgres.running(folder) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgres_ledger(postgres_cluster: postgres.Cluster) -> str:
    """A migrated PostgreSQL ledger for one test after the other."""
    url = postgres_cluster.create("ledger")
    Ledger.open(url).close()
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite ledger without rows."""
    path = tmp_path_factory.mktemp("ledger") / "template.db"
    Ledger.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def postgres_url(postgres_cluster: postgres.Cluster, postgres_ledger: str) -> Iterator[str]:
    """An empty, migrated PostgreSQL ledger; a database per test would take a second each."""
    yield postgres_ledger
    postgres_cluster.empty("ledger")


@pytest.fixture
def new_postgres_url(postgres_cluster: postgres.Cluster) -> Iterator[str]:
    """An empty PostgreSQL database of one's own, without tables."""
    name = f"new_{uuid.uuid4().hex}"
    yield postgres_cluster.create(name)
    postgres_cluster.drop(name)


@pytest.fixture
def new_sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'new.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def new_url(request: pytest.FixtureRequest) -> str:
    """A database without tables, on each kind."""
    url: str = request.getfixturevalue(f"new_{request.param}_url")
    return url


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """An empty, migrated SQLite ledger of one's own."""
    path = tmp_path / "ledger.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty ledger, on each database."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An empty ledger, on each database."""
    with Ledger.open(ledger_url) as opened:
        yield opened
