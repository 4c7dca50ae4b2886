"""A receiver over a ledger with two known tasks, and its app in process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tailfirst.ledger import Ledger
from tailfirst.webhooks.app import make_app
from tailfirst.webhooks.outcomes import Outcome
from tailfirst.webhooks.receiver import Receiver
from tests.support.ledgers import submitted
from tests.support.webhooks import Clock, Pushing


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def books(tmp_path: Path, sqlite_template: Path) -> Iterator[Ledger]:
    """A ledger whose campaign `c` has the tasks v-tf-c-1-0 and v-tf-c-1-1 at the vendor."""
    path = tmp_path / "ledger.db"
    path.write_bytes(sqlite_template.read_bytes())
    with Ledger.open(f"sqlite:///{path}") as ledger:
        submitted(ledger, 2)
        yield ledger


@pytest.fixture
def told() -> list[Outcome]:
    return []


@pytest.fixture
def serve(books: Ledger, clock: Clock, told: list[Outcome]) -> Iterator[Callable[..., TestClient]]:
    """A client of an app; `vendor` and `secret_path` of the receiver, anything else of the app."""
    with ExitStack() as stack:

        def make(vendor: Any = None, secret_path: str | None = None, **options: Any) -> TestClient:
            receiver = Receiver("c", vendor or Pushing(), books, clock, secret_path)
            return stack.enter_context(TestClient(make_app(receiver, told.append, **options)))

        yield make
