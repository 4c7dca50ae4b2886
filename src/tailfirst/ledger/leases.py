"""Leases with fencing tokens: the lock that also stops a worker who does not know that it lost."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, or_, select, update

from tailfirst.errors import LeaseLost
from tailfirst.ledger.engine import Database
from tailfirst.ledger.journal import held, insert_ignore, record
from tailfirst.ledger.records import LeaseRow
from tailfirst.ledger.tables import Lease

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Leases:
    """`ledger.leases`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def acquire(self, name: str, holder: str, ttl_s: float, at: datetime) -> LeaseRow | None:
        """Take the lease for `ttl_s` seconds; None = another holder has it and it has not expired.

        The token grows with every taking, also by the same holder: an older copy of that worker is fenced off.
        """
        free = or_(Lease.expires_at <= at, Lease.holder == holder)
        taken = (
            update(Lease)
            .where(Lease.name == name, free)
            .values(holder=holder, token=Lease.token + 1, ttl_s=ttl_s, expires_at=at + timedelta(seconds=ttl_s))
            .returning(*Lease.__table__.c)
        )
        with self._database.write() as connection:
            insert_ignore(
                connection, Lease, {"name": name, "holder": "", "token": 0, "ttl_s": ttl_s, "expires_at": LONG_AGO}
            )
            row = connection.execute(taken).one_or_none()
        return None if row is None else record(LeaseRow, row)

    def get(self, name: str) -> LeaseRow | None:
        """Who has (or had last) the lease; None = nobody ever, or it was released."""
        chosen = select(*Lease.__table__.c).where(Lease.name == name, Lease.holder != "")
        with self._database.read() as connection:
            row = connection.execute(chosen).one_or_none()
        return None if row is None else record(LeaseRow, row)

    def renew(self, lease: LeaseRow, at: datetime) -> LeaseRow:
        """The same lease for its whole time again, counted from `at`; the token stays.

        Raises:
            LeaseLost: Somebody took it, or it was released.
        """
        with self._database.write() as connection:
            row = hold_lease(connection, lease.name, lease.token)
            until = at + timedelta(seconds=row.ttl_s)
            connection.execute(update(Lease).where(Lease.name == lease.name).values(expires_at=until))
        return LeaseRow(lease.name, lease.holder, lease.token, until.astimezone(UTC))

    def release(self, lease: LeaseRow) -> None:
        """Give it back; the token grows, so that a write after this is refused. Harmless when it is lost already."""
        mine = and_(Lease.name == lease.name, Lease.token == lease.token)
        with self._database.write() as connection:
            connection.execute(update(Lease).where(mine).values(holder="", token=Lease.token + 1, expires_at=LONG_AGO))

    def check(self, lease: LeaseRow, at: datetime) -> None:
        """Make sure that the lease is still ours.

        Raises:
            LeaseLost: It expired, was released, or somebody took it.
        """
        with self._database.write() as connection:
            check_lease(connection, lease, at)


def check_lease(connection: Connection, lease: LeaseRow, at: datetime) -> None:
    """Make sure, until the end of the transaction, that the lease is ours and has not expired.

    Raises:
        LeaseLost: It expired, was released, or somebody took it.
    """
    row = hold_lease(connection, lease.name, lease.token)
    if row.expires_at <= at:
        raise LeaseLost(
            f"lease {lease.name!r} of {lease.holder!r} ended {row.expires_at:%Y-%m-%d %H:%M:%S} UTC; acquire it again"
        )


def hold_lease(connection: Connection, name: str | None, token: int) -> Any:
    """The lease row, if `token` is its newest, held until the end of the transaction: nobody can take over meanwhile.

    Raises:
        LeaseLost: The token is not the newest.
    """
    mine = and_(Lease.name == name, Lease.token == token)
    row = connection.execute(held(select(*Lease.__table__.c).where(mine))).one_or_none()
    if row is None:
        raise LeaseLost(
            f"lease {name!r}: token {token} is not the newest, another worker took over or it was released; "
            "stop without writing, the other worker goes on"
        )
    return row
