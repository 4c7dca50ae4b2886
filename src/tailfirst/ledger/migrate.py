"""Bring a ledger to the newest schema by Alembic, from inside the program."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock
from sqlalchemy import Connection, text

from tailfirst.errors import LedgerError, UserError
from tailfirst.ledger.engine import Database, hidden

SCRIPTS = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x7461696C  # "tail": one migration at a time per PostgreSQL database


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration without a file."""
    made = Config()
    made.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made


@cache
def revisions() -> tuple[str, ...]:
    """All revisions of this program, newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(config()).walk_revisions())


def current(database: Database) -> str | None:
    """The ledger's revision; None = empty."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(database: Database, revision: str = "head") -> None:
    """Migrate up to `revision` in one transaction; several processes may ask for it at the same time.

    Raises:
        UserError: The ledger was written by a newer program.
    """
    known = revisions()
    target = known[0] if revision == "head" else revision
    if current(database) == target:
        return
    with _alone(database):
        found = current(database)
        if found is not None and found not in known:
            raise UserError(
                f"the ledger at {hidden(database.url)} is at revision {found}, which this tailfirst does not know "
                f"(it knows {', '.join(known)}); upgrade tailfirst"
            )
        if found != target:
            _migrate(database, lambda made: command.upgrade(made, target))


def downgrade(database: Database, revision: str) -> None:
    """Migrate down to `revision` ("base" = empty), in one transaction."""
    with _alone(database):
        _migrate(database, lambda made: command.downgrade(made, revision))


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    if database.path is not None:
        with FileLock(f"{database.path}.lock"):
            yield
    elif database.sqlite:
        yield
    else:
        with database.engine.connect() as connection:  # the lock ends with the connection, also when the process dies
            connection.execute(text("SELECT pg_advisory_lock(:name)"), {"name": ADVISORY_LOCK})
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:name)"), {"name": ADVISORY_LOCK})


def _migrate(database: Database, act: Callable[[Config], None]) -> None:
    with database.writer() as connection, _loose_foreign_keys(database, connection), connection.begin():
        act(config(connection))
        orphans = connection.execute(text("PRAGMA foreign_key_check")).all() if database.sqlite else []
        if orphans:
            raise LedgerError(f"the migration would leave rows without a parent: {orphans[:3]}; nothing was changed")


@contextmanager
def _loose_foreign_keys(database: Database, connection: Connection) -> Iterator[None]:
    """SQLite changes a table by rebuilding it, which its children's foreign keys would forbid for a moment.

    The pragma has no effect inside a transaction, so it goes to the driver before ours begins.
    """
    raw = connection.connection.driver_connection
    if not database.sqlite or raw is None:
        yield
        return
    raw.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        raw.execute("PRAGMA foreign_keys=ON")
