"""Hints on disk while the ledger is locked: acknowledged ones survive, cut-off ones were never acknowledged."""

import sqlite3
import time

import pytest

from tailfirst.errors import ConfigError, LedgerError
from tailfirst.ledger import Ledger, NewHint
from tailfirst.webhooks import spool as module
from tailfirst.webhooks.outcomes import Outcome
from tailfirst.webhooks.receiver import Receiver, spool_of
from tailfirst.webhooks.spool import Spool
from tests.support.webhooks import NOW, Pushing, call

KNOWN = "v-tf-c-1-0"


def hint(number: int, body: str = "b", *ids: str) -> NewHint:
    return NewHint("c", "stub", f"d-{number}", body, ids or (KNOWN,), NOW, NOW)


@pytest.fixture
def quick(books):
    """The same ledger, opened as the receiver does, but soon out of patience."""
    with Ledger.open(str(books.database.url), busy_ms=30, eager=True) as ledger:
        yield ledger


@pytest.fixture
def locked(books):
    other = sqlite3.connect(books.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def wait_for(what):
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_locked_ledger_takes_them_later(quick, locked, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "AGAIN_S", 0.01)
    path = tmp_path / "spool"
    spool = Spool(path, quick.inbox)
    assert spool.store(hint(1), again=False) == "WAITING"
    assert spool.store(hint(1), again=False) == "REPEATED"
    assert spool.store(hint(1, "other"), again=False) == "REPLAYED"
    assert spool.store(hint(2, "b", "nobody's"), again=False) == "PARKED"
    assert quick.inbox.status("c").waiting == 0
    assert len(path.read_bytes().splitlines()) == 3
    locked.rollback()
    wait_for(lambda: path.stat().st_size == 0)
    status = quick.inbox.status("c")
    assert (status.waiting, status.parked, status.repeats) == (1, 1, 1)
    assert spool.store(hint(1), again=False) == "REPEATED"
    assert spool.store(hint(1, "other"), again=False) == "REPLAYED"
    spool.close()
    assert quick.inbox.status("c").repeats == 2


def test_what_a_killed_process_left_is_taken_over(quick, locked, tmp_path):
    path = tmp_path / "spool"
    killed = Spool(path, quick.inbox)
    for number in range(3):
        killed.store(hint(number), again=False)
    left = path.read_bytes()
    killed.close()
    path.write_bytes(left + b'[{"campaign": "c", "vend')  # and a call that was being written when the power went
    second = Spool(path, quick.inbox)
    second.store(hint(3), again=False)
    second.close()
    assert path.read_bytes().startswith(left)
    locked.rollback()
    Spool(path, quick.inbox).close()
    assert (quick.inbox.status("c").waiting, quick.inbox.status("c").repeats) == (4, 0)
    path.write_bytes(left)  # as if it had died between its commit and emptying the file
    Spool(path, quick.inbox).close()
    assert (quick.inbox.status("c").waiting, quick.inbox.status("c").repeats) == (4, 3)
    assert path.read_bytes() == b""


def test_a_ledger_that_stays_locked_asks_to_come_again(quick, locked, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST", 2)
    spool = Spool(tmp_path / "spool", quick.inbox)
    for number in range(2):
        spool.store(hint(number), again=False)
    with pytest.raises(LedgerError, match="2 webhooks wait"):
        spool.store(hint(3), again=False)
    spool.close()


def test_two_processes_do_not_share_a_spool(quick, tmp_path):
    spool = Spool(tmp_path / "spool", quick.inbox)
    with pytest.raises(ConfigError, match="another process takes webhooks"):
        Spool(tmp_path / "spool", quick.inbox)
    spool.close()
    Spool(tmp_path / "spool", quick.inbox).close()


def test_a_receiver_with_a_spool_answers_beside_a_long_transaction(quick, locked, clock):
    receiver = Receiver("c", Pushing(), quick, clock, spool=spool_of(quick))
    headers, body = call(KNOWN, delivery_id="d-1")
    assert receiver.receive(headers, body) is Outcome.STORED
    assert receiver.receive(headers, body) is Outcome.REPEATED
    assert receiver.receive(*call(KNOWN, "x", delivery_id="d-1")) is Outcome.REPLAYED
    locked.rollback()
    receiver.close()
    assert quick.inbox.status("c").waiting == 1
