"""A long history, quickly: one answered round, made through the ledger, copied in SQL under new names.

The copies are what the ledger itself would have written, every key, item and vendor id of its own, spread like the
hashes that they are in a real campaign: neighbours in a round are no neighbours in an index.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, Text, insert, literal, select, text, update

from tailfirst.ledger.engine import Database
from tailfirst.ledger.tables import AnnotationRecord, Budget, Cost, Delivery, Event, Month, Round, Task

NAMES = Table(
    "names",
    MetaData(),
    Column("old", Text, primary_key=True),
    Column("new", Text, nullable=False),
    prefixes=["TEMPORARY"],
)
BY_KEY = (Task, Event, Delivery, AnnotationRecord, Cost)
CACHE_KB = 2_000_000


def hashed(campaign: str, round_no: int, rank: int) -> str:
    """A submission key as long, and as random, as `labeling.keys.submission_key` makes them."""
    return f"tf-{campaign}-" + hashlib.sha256(f"{round_no}/{rank}".encode()).hexdigest()


def repeat(database: Database, campaign: str, rounds: range, size: int) -> None:
    """Copy round 1 (of `size` tasks, over) as each of `rounds`; indexes are built at the end, statistics are fresh."""
    with _quick(database) as connection:
        found = [index for table in BY_KEY for index in table.__table__.indexes if not index.unique]
        indexes = sorted(found, key=lambda index: str(index.name))
        with connection.begin():
            for index in indexes:
                index.drop(connection)
            NAMES.create(connection)
            _keep_first(connection, campaign)
            for round_no in rounds:
                _copy(connection, campaign, round_no, size)
            _count(connection, campaign, len(rounds))
            for index in indexes:
                index.create(connection)


def _keep_first(connection: Connection, campaign: str) -> None:
    """Round 1 on its own, so that no copy looks for it among those before."""
    ours = f"campaign = '{campaign}' AND round_no = 1"
    keys = f"SELECT key FROM {Task.__tablename__} WHERE {ours}"
    for table in BY_KEY:
        name = table.__tablename__
        where = ours if "round_no" in table.__table__.c else f"key IN ({keys})"
        connection.execute(text(f"CREATE TEMPORARY TABLE {_first(table).name} AS SELECT * FROM {name} WHERE {where}"))


def _first(table: Any) -> Table:
    columns = [Column(column.name, column.type) for column in table.__table__.c]
    return Table(f"first_{table.__tablename__}", MetaData(), *columns)


def _copy(connection: Connection, campaign: str, round_no: int, size: int) -> None:
    renamed = [{"old": hashed(campaign, 1, rank), "new": hashed(campaign, round_no, rank)} for rank in range(size)]
    connection.execute(NAMES.delete())
    connection.execute(insert(NAMES), renamed)
    ours, new = {"round_no": literal(round_no), "sealed_in": literal(round_no)}, NAMES.c.new
    _insert(connection, Round, Round.__table__, ours, Round.campaign == campaign, Round.round_no == 1)
    changes: dict[type, dict[str, Any]] = {
        Task: {"item_id": "item-" + new, "item_digest": "digest-" + new, "vendor_task_id": "v-" + new},
        Delivery: {"vendor_id": "v-" + new},
        Cost: {"line_id": "l-" + new},
    }
    for table in BY_KEY:
        first = _first(table)
        _insert(connection, table, first, ours | {"key": new} | changes.get(table, {}), NAMES.c.old == first.c.key)
        if table is Event:
            _insert(connection, table, first, ours, first.c.key.is_(None))


def _insert(connection: Connection, table: Any, source: Any, changes: dict[str, Any], *where: Any) -> None:
    names = [column.name for column in table.__table__.c if column.name != "id"]
    chosen = select(*(changes.get(name, source.c[name]) for name in names)).where(*where)
    chosen = chosen.order_by(source.c.id) if "id" in source.c else chosen
    connection.execute(insert(table).from_select(names, chosen))


def _count(connection: Connection, campaign: str, more: int) -> None:
    """The campaign's and the month's money, as if each copy had been bought: all of it is charged by now."""
    each = select(Round.accrued).where(Round.campaign == campaign, Round.round_no == 1).scalar_subquery()
    for table in (Budget, Month):
        connection.execute(update(table).where(table.campaign == campaign).values(accrued=table.accrued + more * each))


@contextmanager
def _quick(database: Database) -> Iterator[Connection]:
    """A connection for loading in bulk, in a database that nobody else uses and whose loss is no loss."""
    with database.writer() as connection:
        raw: Any = connection.connection.driver_connection
        if database.sqlite:
            for pragma in ("foreign_keys=OFF", "journal_mode=OFF", "synchronous=OFF", f"cache_size=-{CACHE_KB}"):
                raw.execute(f"PRAGMA {pragma}")
        else:
            raw.execute("SET session_replication_role = replica")  # foreign keys hold by construction
            raw.execute("SET maintenance_work_mem = '512MB'")
            raw.commit()
        yield connection
        if database.sqlite:
            raw.execute("PRAGMA journal_mode=WAL")
        connection.invalidate()
    if not database.sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
