"""Everything an act needs, opened once: workspace, params, task, ledger, vendor, clock."""

import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, get_args

from tailfirst import config, plugins
from tailfirst.config import Params, Settings
from tailfirst.ledger import Ledger
from tailfirst.observed import Observed
from tailfirst.paths import Workspace
from tailfirst.port import LabelVendor, Purpose
from tailfirst.task import Task, load_task

if TYPE_CHECKING:
    import pandas as pd

PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


class Gates(Protocol):
    """Checks on tables at the points where they cross into or out of the ledger.

    A gate raises `CheckFailed` when the table as a whole is refused. `deliveries` answers with the submission keys that
    must be quarantined, so that one bad answer never stops a round.
    """

    def items(self) -> None:
        """data/items.parquet."""

    def batch(self, df: "pd.DataFrame") -> None:
        """The batch to be bought (schemas.BATCH)."""

    def deliveries(self, df: "pd.DataFrame") -> Sequence[str]:
        """Parsed deliveries, one row per annotation; the submission keys to quarantine."""

    def labels(self, df: "pd.DataFrame") -> None:
        """The labels of a round before they are sealed (schemas.LABELS)."""

    def retrieved(self) -> None:
        """work/retrieved.parquet."""

    def embeddings(self) -> None:
        """work/embeddings/."""


class NoGates:
    """Gates that let everything through: for tests and backtests."""

    def items(self) -> None:
        """Nothing to say."""

    def batch(self, df: "pd.DataFrame") -> None:
        """Nothing to say."""

    def deliveries(self, df: "pd.DataFrame") -> Sequence[str]:  # noqa: ARG002 - the protocol's shape
        """Nobody is quarantined."""
        return ()

    def labels(self, df: "pd.DataFrame") -> None:
        """Nothing to say."""

    def retrieved(self) -> None:
        """Nothing to say."""

    def embeddings(self) -> None:
        """Nothing to say."""


@dataclass(frozen=True, slots=True)
class Context:
    """What every act takes; a context manager that closes the ledger.

    `given_gates` None means the Great Expectations gates, built when first used: their import takes seconds.
    """

    ws: Workspace
    params: Params
    settings: Settings
    task: Task
    ledger: Ledger
    vendor: LabelVendor
    now: Callable[[], datetime]
    worker: str
    given_gates: Gates | None = None
    sleep: Callable[[float], None] = time.sleep  # short waits for the vendor, in seconds

    @property
    def campaign(self) -> str:
        """The campaign's name: the ledger's first key, and the project at the vendor."""
        return self.params.campaign.name

    @property
    def gates(self) -> Gates:
        """The checks at the ledger's doors."""
        if self.given_gates is not None:
            return self.given_gates
        from tailfirst.checks.gates import LedgerGates

        return LedgerGates(self)

    def close(self) -> None:
        """Write down how the vendor's calls went, and close the ledger."""
        if isinstance(self.vendor, Observed):
            self.vendor.flush(partial(self.ledger.outages.count, self.campaign), self.now())
        self.ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def utc_now() -> datetime:
    """The wall clock, aware UTC."""
    return datetime.now(UTC)


def worker_name() -> str:
    """Who holds a lease: this process on this machine."""
    return f"{socket.gethostname()}:{os.getpid()}"


def micros(amount: Decimal) -> int:
    """Money of params.yaml as integer micros."""
    return int(amount * 1_000_000)


def set_caps(ledger: Ledger, params: Params) -> None:
    """Make the ledger's caps those of params.yaml; below what is committed already a cap becomes exactly that."""
    name, wanted = params.campaign.name, micros(params.money.cap_campaign)
    month = None if params.money.cap_month is None else micros(params.money.cap_month)
    there = ledger.money.status(name)
    if (there.cap, there.cap_month) != (wanted, month):
        ledger.money.caps(name, wanted, params.money.currency, cap_month=month)


def open_context(
    root: Path,
    settings: Settings | None = None,
    now: Callable[[], datetime] = utc_now,
    worker: str | None = None,
    gates: Gates | None = None,
) -> Context:
    """Open a workspace: read params and task, migrate the ledger, set its caps, load the vendor.

    Args:
        root: The folder with params.yaml.
        settings: Where it runs; default: from the environment.
        now: The clock.
        worker: Who holds leases; default: host and process id.
        gates: Checks; default: the Great Expectations suites.

    Raises:
        ConfigError: No workspace there, or params.yaml is wrong.
        TaskFolderError: data/task.yaml is missing or wrong.
    """
    ws = Workspace(root.absolute())
    params = config.load(ws.params)
    task = load_task(ws.task)
    found = settings or Settings()
    vendor = plugins.load("vendors", params.vendor.plugin).load(params.vendor.params("vendors"), ws, found)
    ledger = Ledger.open(found.ledger_url or f"sqlite:///{ws.ledger}")
    try:
        set_caps(ledger, params)
    except BaseException:
        ledger.close()
        raise
    watched: Any = Observed(vendor, partial(_round_of, ledger, params.campaign.name))
    return Context(ws, params, found, task, ledger, watched, now, worker or worker_name(), gates)


def _round_of(ledger: Ledger, campaign: str, key: str) -> int | None:
    """The round of an order, by its batch key."""
    from tailfirst.labeling.keys import batch_key

    rows = reversed(ledger.rounds.all(campaign))
    return next((r.round_no for r in rows if any(batch_key(campaign, r.round_no, p) == key for p in PURPOSES)), None)
