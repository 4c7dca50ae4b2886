"""Points at which a process can be killed: around every commit of the ledger that writes, after every vendor answer."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event

from tailfirst.labeling import seal
from tailfirst.ledger.engine import WRITES


@dataclass
class Points:
    """Counts the points and kills this process at one of them."""

    kill_at: int = 0
    seen: int = 0

    def __call__(self) -> None:
        self.seen += 1
        if self.seen == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class Watched:
    """The vendor, with a point after each answer."""

    def __init__(self, vendor: Any, points: Points) -> None:
        self._vendor = vendor
        self._points = points
        self.name = vendor.name
        self.parser_version = vendor.parser_version
        self.simulated_clock = True

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._vendor, name)
        if name in {"capabilities", "parse"}:
            return method

        def call(*args: Any) -> Any:
            answer = method(*args)
            answer = list(answer) if name == "fetch" else answer
            self._points()
            return answer

        return call


def watch(ctx: Any, points: Points) -> None:
    """Points around every commit that writes, and around the rebuilding of the labels after the rename."""
    engine = ctx.ledger.database.engine
    fold = seal.fold

    def watched_fold(ws: Any) -> Any:
        points()
        answer = fold(ws)
        points()
        return answer

    seal.fold = watched_fold  # the child's own copy of the module
    commit = engine.dialect.do_commit
    writing = []

    def before(connection: Any) -> None:
        if connection.get_execution_options().get(WRITES):
            points()
            writing.append(True)

    def do_commit(connection: Any) -> None:
        commit(connection)
        if writing:
            writing.clear()
            points()

    event.listen(engine, "commit", before)
    engine.dialect.do_commit = do_commit


def in_child(work: Callable[[], None]) -> int:
    """Run in a fork; the wait status."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    try:
        return os.waitpid(pid, 0)[1]
    except BaseException:  # we are to end ourselves
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
