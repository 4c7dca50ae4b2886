"""The face that vendors on a file store share: our books are the same, only what people get and give back differs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from tailfirst.port import BatchRef, BatchSpec, ProjectRef, ProjectSpec, Quote, SubmissionKey, TaskRef
from tailfirst.vendors import _files_acts as acts
from tailfirst.vendors._files_book import Book
from tailfirst.vendors._files_items import Shelf
from tailfirst.vendors._files_store import Entry, Store
from tailfirst.vendors._not_offered import NoReviews, NoWebhooks
from tailfirst.vendors._simulated_params import Prices


class FilesParams(Protocol):
    """What the params of both have."""

    @property
    def part_size(self) -> int:
        """Tasks in one part of an order."""

    @property
    def price_micros(self) -> Prices:
        """Our price list."""

    @property
    def currency(self) -> str:
        """ISO 4217."""


P = TypeVar("P", bound=FilesParams)


class FilesVendor(NoReviews, NoWebhooks, Generic[P]):
    """Projects, prices, orders and look-ups, from our own book in the store.

    Args:
        params: Its options.
        store: Where everything lies.
        shelf: The items of the workspace.
        ours: The folder of our book in the store.
        now: The clock.
    """

    name: str

    def __init__(self, params: P, store: Store, shelf: Shelf, ours: str, now: Callable[[], datetime]) -> None:
        self.params = params
        self.store = store
        self._shelf = shelf
        self._now = now
        self._book = Book(store, ours, params.part_size)

    def ensure_project(self, spec: ProjectSpec) -> ProjectRef:
        """Find or create, by ontology digest.

        Raises:
            Unavailable: The items are bare vectors.
            OntologyError: No such version here.
        """
        return acts.ensure_project(self.name, self._book, spec, self._shelf.task_at(spec.ontology_version))

    def quote(self, batch: BatchSpec) -> Quote:
        """Price list times items times answers per item."""
        return acts.quote(batch, self.params.price_micros, self.params.currency)

    def open_batch(self, spec: BatchSpec) -> BatchRef:
        """Find or create, by batch key.

        Raises:
            VendorConflict: Another order lies under that name.
        """
        return BatchRef(spec.key, self._book.open(spec).order_id)

    def find(self, batch: BatchRef, keys: Sequence[SubmissionKey]) -> Mapping[SubmissionKey, TaskRef]:
        """What exists under these keys: committed tasks only."""
        return acts.find(self._book, batch, keys)

    def _age_s(self, entry: Entry) -> float | None:
        """Seconds since an object was written; None where the store does not say."""
        return None if entry.modified is None else (self._now() - entry.modified).total_seconds()
