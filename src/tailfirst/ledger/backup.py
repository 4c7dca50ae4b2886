"""A copy of a SQLite ledger while others write: whole, checked, and under its name only when it is both."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from tailfirst.errors import LedgerError, UserError
from tailfirst.ledger.engine import Database, hidden


def backup(database: Database, target: Path) -> int:
    """Copy the ledger to a file that does not exist yet; returns its bytes.

    The copy is one state of the ledger: what is committed while it is taken is either whole in it or not at all.

    Raises:
        UserError: The ledger is no SQLite file, or the target exists or cannot be written.
        LedgerError: The copy failed SQLite's own check; nothing is left under the target's name.
    """
    if database.path is None:
        raise UserError(
            f"the ledger is {hidden(database.url)}: copy it with PostgreSQL's own tool, for example "
            "`pg_dump --format=custom --file=ledger.dump DATABASE` (docs/runbook/restore.md)"
        )
    if target.exists():
        raise UserError(f"{target} exists; a backup never overwrites: name a file that is not there")
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(database.path)) as source, closing(sqlite3.connect(partial)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            raise LedgerError(
                f"the copy of {database.path} is damaged ({verdict}); check the disk and the ledger itself"
            )
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise UserError(f"{target} cannot be written: {error}") from error
    finally:
        with suppress(OSError):  # nothing there to remove, or no folder at all
            partial.unlink()
    return target.stat().st_size
