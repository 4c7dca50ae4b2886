"""Calls that come at once share a commit: the disk is asked once for all of them, and each still waits for it."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from tailfirst.ledger.inbox import Inbox, Stored
from tailfirst.ledger.records import NewHint


@dataclass(frozen=True, slots=True)
class _Ticket:
    hint: NewHint
    again: bool
    stored: "Future[Stored]" = field(default_factory=Future)


class Group:
    """`Inbox.store` for many threads: whoever comes to write takes the waiting ones along."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._queue: list[_Ticket] = []
        self._queueing, self._writing = threading.Lock(), threading.Lock()

    def store(self, hint: NewHint, *, again: bool) -> Stored:
        """Store a hint; comes back once it is committed.

        Raises:
            LedgerError: The ledger cannot be written; so says every call of the same commit.
        """
        ticket = _Ticket(hint, again)
        with self._queueing:
            self._queue.append(ticket)
        with self._writing:
            if not ticket.stored.done():
                with self._queueing:
                    taken, self._queue = self._queue, []
                self._write(taken)
        return ticket.stored.result()

    def _write(self, tickets: Sequence[_Ticket]) -> None:
        try:
            done = self._inbox.store_all([(one.hint, one.again) for one in tickets])
        except BaseException as error:  # noqa: BLE001  (each caller gets it, whatever it is)
            for ticket in tickets:
                ticket.stored.set_exception(error)
            return
        for ticket, stored in zip(tickets, done, strict=True):
            ticket.stored.set_result(stored)
