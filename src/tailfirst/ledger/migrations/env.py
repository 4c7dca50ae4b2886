"""Alembic's entry: runs the migrations on the connection that `ledger.migrate` hands over."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from tailfirst.ledger import tables
from tailfirst.ledger.types import TextTuple, UtcDateTime


def render_item(kind: str, thing: Any, _autogen: AutogenContext) -> str | Literal[False]:
    """Migrations name plain SQL types: they must mean the same when our own types have changed."""
    if kind == "type" and isinstance(thing, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(thing, TextTuple):
        return "sa.Text()"
    return False


def run() -> None:
    """Run inside the caller's transaction; tables are rebuilt on SQLite, which cannot alter them (trap L6)."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=tables.Budget.metadata,
        render_as_batch=True,
        render_item=render_item,
        compare_type=True,
    )
    context.run_migrations()


if getattr(context, "_proxy", None) is not None:  # Alembic is running this file; a plain import does nothing
    run()
