import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailfirst.errors import LeaseLost
from tailfirst.ledger import LeaseRow, Ledger
from tests.support import ledger_workers
from tests.support.ledgers import AT, later, on_a_database


def test_one_holder_at_a_time(ledger: Ledger) -> None:
    lease = ledger.leases.acquire("batch", "w1", 60, AT)
    assert lease == LeaseRow("batch", "w1", 1, later(60))
    assert ledger.leases.acquire("batch", "w2", 60, later(59)) is None
    assert ledger.leases.get("batch") == lease
    other = ledger.leases.acquire("batch", "w2", 60, later(60))
    assert other == LeaseRow("batch", "w2", 2, later(120))


def test_the_same_holder_gets_a_new_token(ledger: Ledger) -> None:
    first = ledger.leases.acquire("batch", "w1", 60, AT)
    second = ledger.leases.acquire("batch", "w1", 60, later(1))
    assert first is not None
    assert second is not None
    assert second.token > first.token
    with pytest.raises(LeaseLost):
        ledger.leases.check(first, later(2))


def test_tokens_grow_over_release(ledger: Ledger) -> None:
    first = ledger.leases.acquire("batch", "w1", 60, AT)
    assert first is not None
    ledger.leases.release(first)
    ledger.leases.release(first)
    assert ledger.leases.get("batch") is None
    with pytest.raises(LeaseLost, match="took over or it was released"):
        ledger.leases.check(first, later(1))
    second = ledger.leases.acquire("batch", "w2", 60, later(1))
    assert second is not None
    assert second.token > first.token
    ledger.leases.release(first)
    ledger.leases.check(second, later(2))


def test_renew_keeps_the_token(ledger: Ledger) -> None:
    lease = ledger.leases.acquire("batch", "w1", 60, AT)
    assert lease is not None
    renewed = ledger.leases.renew(lease, later(50))
    assert renewed == LeaseRow("batch", "w1", lease.token, later(110))
    assert ledger.leases.acquire("batch", "w2", 60, later(100)) is None
    ledger.leases.check(lease, later(109))
    with pytest.raises(LeaseLost, match="ended"):
        ledger.leases.check(lease, later(110))
    ledger.leases.acquire("batch", "w2", 60, later(111))
    with pytest.raises(LeaseLost):
        ledger.leases.renew(lease, later(112))


def test_nobody_had_it(ledger: Ledger) -> None:
    assert ledger.leases.get("batch") is None
    with pytest.raises(LeaseLost):
        ledger.leases.check(LeaseRow("batch", "w1", 1, later(60)), AT)


def test_two_takers_one_lease(ledger: Ledger) -> None:
    got: list[LeaseRow | None] = []
    start = threading.Barrier(4)

    def work(holder: str) -> None:
        start.wait()
        got.append(ledger.leases.acquire("batch", holder, 60, AT))

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert len([lease for lease in got if lease is not None]) == 1


def test_two_processes_one_lease(ledger: Ledger, ledger_url: str) -> None:
    assert sorted(ledger_workers.race("take", ledger_url, 2)) == ["none", "won"]
    assert ledger.leases.get("batch") is not None


@on_a_database(15)
@given(st.lists(st.tuples(st.sampled_from(["take", "release"]), st.sampled_from(["w1", "w2"]), st.integers(0, 90))))
def test_tokens_only_grow(ledger: Ledger, acts: list[tuple[str, str, int]]) -> None:
    clock, newest = 0, 0
    held: dict[str, LeaseRow] = {}
    for act, holder, seconds in acts:
        clock += seconds
        lease = ledger.leases.acquire("batch", holder, 60, later(clock)) if act == "take" else held.pop(holder, None)
        if act == "take" and lease is not None:
            assert lease.token > newest
            newest, held[holder] = lease.token, lease
        elif lease is not None:
            ledger.leases.release(lease)
