"""The state of a fake vendor: the simulated company, its callbacks, its clock, and the faults that are armed now."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tailfirst.errors import ConfigError
from tailfirst.fakevendor.callbacks import Callbacks
from tailfirst.fakevendor.config import Config
from tailfirst.vendors._simulated_book import Book
from tailfirst.vendors._simulated_company import Company, utc_now


class Shop:
    """One fake vendor; everything that must outlive a kill is in its book.

    Args:
        config: Its options.
        book: Its memory.
        truth: Known class per item id.
        key: What callers must show.
        secret: What callbacks are signed with.
        callback_url: Where callbacks go that name no address themselves; None = nowhere.
        now: The wall clock.
        truth_at: The truth in the classes of an ontology version; None = all versions have the same classes.
    """

    def __init__(
        self,
        config: Config,
        book: Book,
        truth: Callable[[], Mapping[str, str]],
        key: str,
        secret: str | None = None,
        callback_url: str | None = None,
        now: Callable[[], datetime] = utc_now,
        truth_at: Callable[[str], Mapping[str, str]] | None = None,
    ) -> None:
        self.config = config
        self.key = key
        self._over = threading.Event()
        self._ticker: threading.Thread | None = None
        self._wall = now
        self.callbacks = Callbacks(book, config, secret, callback_url, now)
        self.company = Company(config, book, truth, self.now, self.callbacks.note, truth_at)
        with book.session() as session:
            self.callbacks.prepare(session)
            armed = session.note("faults")
            self._ahead = timedelta(seconds=float(session.note("ahead_s") or 0))
        if armed is not None:
            self._arm(Config.model_validate_json(armed).faults)

    @property
    def book(self) -> Book:
        """Its memory."""
        return self.company.book

    def now(self) -> datetime:
        """The vendor's own clock: ours, plus every jump."""
        return self._wall() + self._ahead

    def arm(self, faults: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        """Arm these faults instead of those before, for good; their names.

        Raises:
            ConfigError: An unknown fault or option.
        """
        try:
            checked = Config.model_validate({"faults": list(faults)})
        except ValueError as error:
            raise ConfigError(f"faults: {error}") from error
        with self.book.session() as session:
            session.write_note("faults", checked.model_dump_json(include={"faults"}))
        self._arm(checked.faults)
        return tuple(fault.name for fault in checked.faults)

    def jump(self, hours: float) -> datetime:
        """Let simulated time pass on all orders at once; the vendor's clock afterwards."""
        span = timedelta(hours=hours)
        self._ahead += span
        with self.book.session() as session:
            session.write_note("ahead_s", str(self._ahead.total_seconds()))
        self.company.jump(span)
        return self.now()

    def pay_in(self, balance_micros: int) -> None:
        """Set what has been paid in, in all."""
        with self.book.session() as session:
            session.write_note("balance_micros", str(balance_micros))

    def reprice(self, percent: int) -> None:
        """Set what new quotes and orders cost, in hundredths of the price list."""
        with self.book.session() as session:
            session.write_note("percent", str(percent))

    def start(self) -> None:
        """Begin to send callbacks and, where asked, to let time pass by itself."""
        self.callbacks.start()
        if self.config.hours_per_s and self._ticker is None:
            self._ticker = threading.Thread(target=self._tick, name="clock", daemon=True)
            self._ticker.start()

    def stop(self) -> None:
        """End the threads."""
        self._over.set()
        if self._ticker is not None:
            self._ticker.join(timeout=5)
        self.callbacks.stop()

    def _tick(self) -> None:
        while not self._over.wait(1.0):
            self.jump(self.config.hours_per_s)

    def _arm(self, faults: tuple[Any, ...]) -> None:
        self.config = self.config.model_copy(update={"faults": faults})
        self.company.params = self.config
        self.callbacks.params = self.config
