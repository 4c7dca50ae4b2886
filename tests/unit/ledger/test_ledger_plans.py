"""How SQLite reaches the rows, with no statistics at all: by key or by round, never over a whole campaign or table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from tailfirst.ledger import Ledger
from tests.support.ledgers import AT, answer, created, finish, line, parsed, raw, submitted, take

SMALL = ("rounds", "budgets", "months", "inbox", "inbox_ids", "leases", "outages", "approvals")  # a few rows each


ACTS: dict[str, Callable[[Ledger, list[str]], Any]] = {
    "store": lambda ledger, keys: ledger.deliveries.store_many("c", 2, [raw(key) for key in keys]),
    "store by vendor id": lambda ledger, keys: ledger.deliveries.store_many(
        "c", 2, [raw(None, vendor_id=f"v-{key}") for key in keys]
    ),
    "record": lambda ledger, keys: ledger.deliveries.record_many([parsed(key, "1", answer()) for key in keys], AT),
    "charge": lambda ledger, keys: ledger.money.accrue("c", 2, [line(f"l-{key}", key, 1) for key in keys], AT),
    "validate": lambda ledger, keys: ledger.tasks.move_many(keys, "PARSED", "VALIDATED", AT, "w1"),
    "outcomes": lambda ledger, keys: ledger.tasks.record_outcomes(
        [created(key) for key in keys], take(ledger, round_no=2).token, AT, "w1"
    ),
    "quarantine": lambda ledger, keys: ledger.deliveries.quarantine("c", 2, f"v-{keys[0]}", "1", "?", AT),
    "awaited": lambda ledger, _: ledger.deliveries.awaited("c", ("SUBMITTED", "EXPIRED")),
    "unparsed": lambda ledger, _: ledger.deliveries.unparsed("c", 2),
    "annotations": lambda ledger, _: ledger.deliveries.annotations("c", 2),
    "in flight": lambda ledger, _: ledger.tasks.in_flight("c"),
    "ignored": lambda ledger, _: ledger.tasks.ignored("c"),
    "view": lambda ledger, _: ledger.rounds.view("c", AT),
    "late": lambda ledger, _: ledger.exports.late("c", 2),
}


@pytest.fixture
def plans(tmp_path: Path) -> Any:
    """A ledger whose second round has its answers stored and read, and the steps of every statement it then runs."""
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        submitted(ledger, 3)
        finish(ledger)
        keys = submitted(ledger, 3, round_no=2)
        ledger.deliveries.store_many("c", 2, [raw(key) for key in keys])
        ledger.deliveries.record_many([parsed(key, "1", answer()) for key in keys], AT)
        steps: list[str] = []

        def explain(_c: Any, cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
            if statement.lstrip().split()[0] in {"SELECT", "UPDATE", "DELETE", "INSERT"}:
                plain = cursor.connection.cursor()
                found = plain.execute(f"EXPLAIN QUERY PLAN {statement}", values[0] if many else values).fetchall()
                steps.extend(f"{step[3]} in: {' '.join(statement.split())}" for step in found)

        event.listen(ledger.database.engine, "before_cursor_execute", explain)
        yield ledger, keys, steps


@pytest.mark.parametrize("act", ACTS)
def test_nothing_walks_over_a_campaign(plans: Any, act: str) -> None:
    ledger, keys, steps = plans
    ACTS[act](ledger, keys)
    wide = [step for step in steps if _wide(step)]
    assert steps
    assert not wide


def _wide(step: str) -> bool:
    """SCAN reads a whole table, SEARCH by the campaign alone all of a campaign; the rows of an INSERT are no table."""
    verb, _, rest = step.partition(" ")
    if rest.split()[0] in SMALL:
        return False
    by_campaign = "(campaign=?)" in step.partition(" in: ")[0]
    return (verb == "SCAN" and " CONSTANT ROW" not in rest) or (verb == "SEARCH" and by_campaign)
