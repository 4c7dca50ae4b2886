"""Traps L1, L2, L3, L5, L7 of specs/conventions.md, URLs, and drivers."""

import sqlite3
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from tailfirst.errors import LedgerError, UserError
from tailfirst.ledger import Ledger
from tailfirst.ledger.engine import Database
from tailfirst.ledger.tables import Event, Lease, Task
from tailfirst.ledger.types import NaiveTime
from tests.support.ledgers import AT, new_task, opened, submitted

LEASE = {"name": "n", "holder": "h", "token": 1, "ttl_s": 1.0}


def test_times_come_back_as_the_same_moment_in_utc(ledger: Ledger) -> None:
    noon = datetime(2025, 3, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    with ledger.database.write() as connection:
        connection.execute(insert(Lease).values(**LEASE, expires_at=noon))
    with ledger.database.read() as connection:
        found = connection.scalar(select(Lease.expires_at))
    assert found == noon
    assert found is not None
    assert found.tzinfo is UTC
    assert found.hour == 7


def test_naive_times_are_refused(ledger: Ledger) -> None:
    with pytest.raises(NaiveTime, match="no time zone; the ledger takes aware times"), ledger.database.write() as c:
        c.execute(insert(Lease).values(**LEASE, expires_at=datetime(2025, 3, 1, 12)))  # noqa: DTZ001
    with pytest.raises(LedgerError, match="no time zone"):
        ledger.rounds.open("c", 1, "batch", [new_task(0)], datetime(2025, 3, 1, 12))  # noqa: DTZ001
    assert ledger.rounds.current("c") is None


def test_moments_sort_in_the_database_as_in_time(ledger: Ledger) -> None:
    moments = [AT, AT + timedelta(microseconds=1), AT.astimezone(timezone(timedelta(hours=-9))) + timedelta(seconds=1)]
    with ledger.database.write() as connection:
        for number, moment in enumerate(moments):
            connection.execute(insert(Lease).values(**LEASE | {"name": f"{number}"}, expires_at=moment))
    with ledger.database.read() as connection:
        assert list(connection.scalars(select(Lease.name).order_by(Lease.expires_at.desc()))) == ["2", "1", "0"]


def test_orphans_are_refused(ledger: Ledger) -> None:
    opened(ledger, 1)
    with pytest.raises(IntegrityError), ledger.database.write() as connection:
        connection.execute(
            text("UPDATE labeling_tasks SET round_no = 9"),
        )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE labeling_tasks SET state = 'NOWHERE'",
        "UPDATE labeling_tasks SET purpose = 'FUN'",
        "UPDATE labeling_tasks SET price_micros = -1",
        "UPDATE rounds SET state = 'NOWHERE'",
        "UPDATE budgets SET reserved = cap + 1",
        "UPDATE budgets SET reserved = -1",
        "UPDATE rounds SET accrued = cap_micros + 1",
        "INSERT INTO cost_lines (campaign, line_id, round_no, kind, amount_micros, currency, at) "  # noqa: ISC004
        "SELECT campaign, 'l', round_no, 'FREE', 1, 'USD', created_at FROM rounds",
    ],
)
def test_the_database_itself_refuses(ledger: Ledger, statement: str) -> None:
    submitted(ledger, 1)
    with pytest.raises(IntegrityError), ledger.database.write() as connection:
        connection.execute(text(statement))


def test_a_failed_write_leaves_nothing(ledger: Ledger) -> None:
    opened(ledger, 1)

    class Stop(Exception):
        pass

    def fail() -> None:
        with ledger.database.write() as connection:
            connection.execute(text("UPDATE rounds SET n_tasks = 99"))
            raise Stop

    with pytest.raises(Stop):
        fail()
    assert ledger.rounds.get("c", 1).n_tasks == 1


def test_a_read_sees_one_state(ledger: Ledger) -> None:
    opened(ledger, 1)
    with ledger.database.read() as connection:
        before = connection.scalar(select(Task.state))
        ledger.rounds.move("c", 1, "SELECTED", "ABORTED", AT, "me")
        ledger.tasks.move("tf-c-1-0", "PLANNED", "DROPPED", AT, "me")
        assert connection.scalar(select(Task.state)) == before == "PLANNED"
    assert ledger.tasks.get("tf-c-1-0").state == "DROPPED"


def test_writers_stand_in_line(ledger: Ledger) -> None:
    """Trap L5: who reads and then writes must not decide on rows that another writer changes meanwhile."""
    opened(ledger, 1)
    start = threading.Barrier(4)

    def count_up() -> None:
        start.wait()
        for _ in range(5):
            with ledger.database.write() as connection:
                held = select(Event.note).where(Event.key.is_(None)).with_for_update()
                note = connection.scalar(held) or "0"
                number = int(note) if note.isdecimal() else 0
                connection.execute(text("UPDATE events SET note = :n WHERE key IS NULL"), {"n": str(number + 1)})

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert next(e.note for e in ledger.rounds.events("c") if e.key is None) == "20"


def test_sqlite_is_set_up(sqlite_url: str) -> None:
    with Ledger.open(sqlite_url) as ledger, ledger.database.read() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("foreign_keys", "journal_mode")
        }
    assert pragmas == {"foreign_keys": 1, "journal_mode": "wal"}


@pytest.mark.parametrize("eager", [False, True])
def test_a_busy_ledger_says_so(sqlite_url: str, tmp_path: Path, eager: bool) -> None:
    with Ledger.open(sqlite_url, busy_ms=20, eager=eager) as ledger:
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="stayed locked"):
            opened(ledger, 1)
        other.close()


def test_an_eager_writer_gets_the_lock_once_it_is_free(sqlite_url: str, tmp_path: Path) -> None:
    with Ledger.open(sqlite_url, eager=True) as ledger:
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.1, other.rollback)
        release.start()
        assert opened(ledger, 1) == ["tf-c-1-0"]
        release.join()
        other.close()


def test_a_ledger_in_memory(tmp_path: Path) -> None:
    with Ledger.open("sqlite://") as ledger:
        opened(ledger, 2)
        assert ledger.rounds.counts("c", 1) == {"PLANNED": 2}
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_in_a_new_folder(tmp_path: Path) -> None:
    Ledger.open(f"sqlite:///{tmp_path}/a/b/ledger.db").close()
    assert (tmp_path / "a" / "b" / "ledger.db").exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "'nonsense' is not readable; examples: sqlite:///state/ledger.db"),
        ("mysql://u:secret@h/d", r"runs on sqlite or postgresql; found 'mysql' in mysql://u:\*\*\*@h/d"),
        ("sqlite:////proc/nowhere/ledger.db", "cannot be (opened|made)"),
    ],
)
def test_bad_urls(url: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        Ledger.open(url)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("this is not a database, whatever its name says" * 100)
    with pytest.raises(UserError, match="cannot be opened: file is not a database"):
        Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")


def test_postgres_that_nobody_runs() -> None:
    with pytest.raises(UserError, match=r"the ledger at postgresql\+psycopg://u:\*\*\*@127.0.0.1:9/d cannot be opened"):
        Ledger.open("postgresql://u:secret@127.0.0.1:9/d")


def test_postgres_without_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UserError, match=r"needs psycopg; install it with: pip install 'tailfirst\[postgres\]'"):
        Database("postgresql://u:secret@h/d")
