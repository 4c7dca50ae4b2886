"""A bar for work that takes more than a moment; it leaves nothing behind and writes to stderr only."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

PATIENCE_S = 2.0


class Advance(Protocol):
    """Tells the bar that `count` more are done, and maybe how it goes."""

    def __call__(self, count: int, note: str = "", /) -> None:
        """Go on."""


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Advance]:
    """Yield a function that is told how many are done; a bar with the time left appears after two seconds."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(what, total=total)
    began = time.monotonic()

    def advance(count: int, note: str = "", /) -> None:
        bar.update(task, advance=count, description=f"{what} {note}" if note else what)
        if not bar.live.is_started and bar.console.is_terminal and time.monotonic() - began > PATIENCE_S:
            bar.start()

    try:
        yield advance
    finally:
        if bar.live.is_started:  # stopping a bar that never showed would print an empty line
            bar.stop()
