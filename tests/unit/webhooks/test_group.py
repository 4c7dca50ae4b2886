"""Calls at once share a commit; each gets its own answer, and all of them the error of their commit."""

import threading
from concurrent.futures import ThreadPoolExecutor

from tailfirst.errors import LedgerError
from tailfirst.ledger import NewHint
from tailfirst.webhooks.group import Group
from tests.support.webhooks import NOW

CALLS = 12


class Slow:
    """An inbox whose first commit waits until everybody else has come."""

    def __init__(self, error: Exception | None = None) -> None:
        self.batches: list[int] = []
        self.all_there = threading.Event()
        self.error = error

    def store_all(self, hints):
        if not self.batches:
            assert self.all_there.wait(30)
        self.batches.append(len(hints))
        if self.error:
            raise self.error
        return ["PARKED" if hint.delivery_id == "d-3" else "WAITING" for hint, _ in hints]


def hint(number: int) -> NewHint:
    return NewHint("c", "stub", f"d-{number}", "b", (), NOW, NOW)


def together(inbox: Slow) -> list:
    group = Group(inbox)
    with ThreadPoolExecutor(CALLS) as pool:
        waiting = [pool.submit(group.store, hint(n), again=False) for n in range(CALLS)]
        while len(group._queue) < CALLS - 1:  # one is writing, the rest queue behind it
            pass
        inbox.all_there.set()
        return [one.exception() or one.result() for one in waiting]


def test_whoever_waits_is_taken_along():
    inbox = Slow()
    stored = together(inbox)
    assert inbox.batches == [1, CALLS - 1]
    assert stored == ["PARKED" if n == 3 else "WAITING" for n in range(CALLS)]


def test_an_error_reaches_every_call_and_the_next_one_starts_anew():
    inbox = Slow(LedgerError("locked"))
    assert [type(one) for one in together(inbox)] == [LedgerError] * CALLS
    inbox.error = None
    assert Group(inbox).store(hint(1), again=False) == "WAITING"


def test_the_real_inbox_stores_each_once(books):
    group = Group(books.inbox)
    with ThreadPoolExecutor(CALLS) as pool:
        stored = list(pool.map(lambda n: group.store(hint(n % 6), again=False), range(CALLS)))
    assert sorted(stored) == ["REPEATED"] * 6 + ["WAITING"] * 6
    status = books.inbox.status("c")
    assert (status.waiting, status.repeats) == (6, 6)
