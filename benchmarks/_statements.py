"""Where a ledger's time goes: seconds per SQL statement, and in commits."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from tailfirst.ledger import Ledger

SHOWN = 14
WIDTH = 150


class Statements:
    """Seconds per statement while `counting()`, summed."""

    def __init__(self, ledger: Ledger) -> None:
        self._spent: dict[str, float] = defaultdict(float)
        self._on = False
        self._start = 0.0
        engine = ledger.database.engine
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", self._after)
        commit = engine.dialect.do_commit

        def timed(connection: Any) -> None:
            start = time.perf_counter()
            commit(connection)
            self._add("COMMIT", start)

        engine.dialect.do_commit = timed  # type: ignore[method-assign]  # no event tells when a commit is over

    @contextmanager
    def counting(self) -> Iterator[None]:
        self._on = True
        yield
        self._on = False

    def told(self, answers: int) -> str:
        """Micros per answer, the dearest first, and all of them together."""
        dearest = sorted(self._spent.items(), key=lambda item: -item[1])[:SHOWN]
        lines = [("all statements", sum(self._spent.values())), *dearest]
        return "".join(f"    {1e6 * seconds / answers:6.1f} us  {what}\n" for what, seconds in lines)

    def _before(self, *_: Any) -> None:
        self._start = time.perf_counter()

    def _after(self, _connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        self._add(" ".join(text.split())[:WIDTH], self._start)

    def _add(self, what: str, start: float) -> None:
        if self._on:
            self._spent[what] += time.perf_counter() - start
