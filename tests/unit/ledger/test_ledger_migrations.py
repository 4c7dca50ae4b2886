"""Up, down, and what a later migration will need: traps L6, L7, L8 of specs/conventions.md."""

import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from tailfirst.errors import UserError
from tailfirst.ledger import Ledger, MonthRow, migrate
from tailfirst.ledger.engine import Database
from tailfirst.ledger.tables import Budget
from tests.support.ledgers import AT, answer, line, parsed, raw, submitted

HEAD = migrate.revisions()[0]

ADDS_A_COLUMN = """
import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{head}"


def upgrade():
    with op.batch_alter_table("rounds") as batch:
        batch.add_column(sa.Column("extra", sa.Text(), nullable=False, server_default="x"))
        batch.create_check_constraint("extra", "extra <> ''")
    {then}


def downgrade():
    with op.batch_alter_table("rounds") as batch:
        batch.drop_constraint(op.f("ck_rounds_extra"), type_="check")
        batch.drop_column("extra")
"""


@pytest.fixture
def next_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for a revision 9001 that the program then knows."""
    folder = tmp_path / "versions"
    folder.mkdir()
    plain, known = migrate.config, migrate.revisions()

    def config(connection: Connection | None = None) -> Config:
        made = plain(connection)
        made.set_main_option("path_separator", "newline")
        made.set_main_option("version_locations", f"{migrate.SCRIPTS / 'versions'}\n{folder}")
        return made

    monkeypatch.setattr(migrate, "config", config)
    monkeypatch.setattr(migrate, "revisions", lambda: ("9001", *known))
    return folder


def checks(database: Database) -> dict[str, dict[str, str]]:
    with database.read() as connection:
        found = inspect(connection)
        return {
            table: {str(check["name"]): str(check["sqltext"]) for check in found.get_check_constraints(table)}
            for table in sorted(found.get_table_names())
            if table != "alembic_version"
        }


def test_up_from_nothing_equals_the_models(new_url: str) -> None:
    with Ledger.open(new_url) as ledger, ledger.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Budget.metadata) == []


def test_checks_are_those_of_the_models(new_url: str) -> None:
    """Alembic compares no CHECK, so a new state could be forgotten in a migration (trap L8)."""
    with Ledger.open(new_url) as ledger:
        migrated = checks(ledger.database)
        migrate.downgrade(ledger.database, "base")
        with ledger.database.write() as connection:
            Budget.metadata.create_all(connection)
        assert migrated == checks(ledger.database)
    assert "'CLOSED_UNLABELED'" in migrated["labeling_tasks"]["ck_labeling_tasks_state"]


def test_opening_again_changes_nothing(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        submitted(ledger, 2)
        before = ledger.fingerprint("c")
    with Ledger.open(ledger_url) as ledger:
        assert ledger.fingerprint("c") == before
        assert migrate.current(ledger.database) == migrate.revisions()[0]


def test_down_and_up_on_a_filled_ledger(new_url: str) -> None:
    with Ledger.open(new_url) as ledger:
        submitted(ledger, 2)
        migrate.downgrade(ledger.database, "base")
        with ledger.database.read() as connection:
            assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
        migrate.upgrade(ledger.database)
        assert ledger.rounds.current("c") is None
        submitted(ledger, 2)


def test_a_later_migration_keeps_the_rows(new_url: str, next_revision: Path) -> None:
    """Trap L6: SQLite rebuilds the table, whose children point at it all the while."""
    database = Database(new_url)
    migrate.upgrade(database, HEAD)
    ledger = Ledger(database)
    submitted(ledger, 3)
    before = ledger.fingerprint("c")
    (next_revision / "9001_extra.py").write_text(ADDS_A_COLUMN.format(head=HEAD, then="pass"))
    migrate.upgrade(database)
    with database.read() as connection:
        assert connection.execute(text("SELECT extra FROM rounds")).scalar() == "x"
        assert "ck_rounds_extra" in {str(c["name"]) for c in inspect(connection).get_check_constraints("rounds")}
    assert ledger.fingerprint("c") == before
    migrate.downgrade(database, HEAD)
    assert ledger.fingerprint("c") == before
    with database.read() as connection:
        assert "extra" not in {column["name"] for column in inspect(connection).get_columns("rounds")}
    with database.write() as connection, pytest.raises(Exception, match=r"(?i)foreign key"):
        connection.execute(text("DELETE FROM rounds"))
    ledger.close()


def test_a_failed_migration_leaves_nothing(new_url: str, next_revision: Path) -> None:
    """Trap L7: by default SQLite commits before DDL, and a failed migration is half done."""
    database = Database(new_url)
    migrate.upgrade(database, HEAD)
    ledger = Ledger(database)
    submitted(ledger, 1)
    before = ledger.fingerprint("c")
    (next_revision / "9001_extra.py").write_text(ADDS_A_COLUMN.format(head=HEAD, then='raise RuntimeError("half way")'))
    with pytest.raises(RuntimeError, match="half way"):
        migrate.upgrade(database)
    assert migrate.current(database) == HEAD
    with database.read() as connection:
        assert "extra" not in {column["name"] for column in inspect(connection).get_columns("rounds")}
    assert ledger.fingerprint("c") == before
    ledger.close()


def test_a_newer_ledger_is_refused(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        with ledger.database.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = 'newer'"))
        try:
            with pytest.raises(UserError, match="revision newer, which this tailfirst does not know"):
                Ledger.open(ledger_url)
        finally:
            with ledger.database.write() as connection:
                connection.execute(text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))


def test_money_that_was_there_before_counts_in_a_month(new_url: str) -> None:
    """0002: an approved round gets its approval as a row, and its money its month; down and up again is the same."""
    with Ledger.open(new_url) as ledger:
        a, *_ = submitted(ledger, 2, price=100)
        ledger.money.accrue("c", 1, [line("l", a, 100)], AT)
        approvals, months = ledger.rounds.approvals("c"), ledger.money.months("c")
        for _ in range(2):
            migrate.downgrade(ledger.database, "0001")
            migrate.upgrade(ledger.database)
            assert ledger.money.months("c") == months == [MonthRow("2025-03", None, 100, 100)]
            assert ledger.rounds.approvals("c") == approvals
        assert ledger.money.release("tf-c-1-1", AT) == 100
        assert ledger.money.months("c") == [MonthRow("2025-03", None, 0, 100)]


def test_many_open_a_new_ledger_at_once(new_url: str) -> None:
    errors: list[BaseException] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        try:
            Ledger.open(new_url).close()
        except BaseException as error:  # noqa: BLE001  (whatever it is, the test must see it)
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_importing_the_scripts_does_nothing() -> None:
    import importlib

    assert importlib.import_module("tailfirst.ledger.migrations.env").run is not None
    assert importlib.import_module("tailfirst.ledger.migrations.versions.0001_initial").revision == "0001"


def test_answers_keep_their_place_over_down_and_up(new_url: str) -> None:
    """0008 gives each annotation the round of its task; a round that never answered has none."""
    with Ledger.open(new_url) as ledger:
        (one, two) = submitted(ledger, 2)
        ledger.deliveries.store_many("c", 1, [raw(one), raw(one, "2"), raw(two)])
        ledger.deliveries.record_many([parsed(one, "1", answer("x"), answer("y")), parsed(two, "1", answer("x"))], AT)
        before, told = ledger.deliveries.annotations("c", 1), ledger.fingerprint("c")
        migrate.downgrade(ledger.database, "0007")
        with ledger.database.read() as connection:
            assert inspect(connection).get_pk_constraint("annotations")["constrained_columns"] == [
                "key",
                "revision",
                "ordinal",
            ]
        migrate.upgrade(ledger.database)
        assert [(a.key, a.annotator_id) for a in before] == [(one, "x"), (one, "y"), (two, "x")]
        assert (ledger.deliveries.annotations("c", 1), ledger.fingerprint("c")) == (before, told)
