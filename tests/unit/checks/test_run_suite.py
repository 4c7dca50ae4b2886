from datetime import UTC, datetime

import great_expectations.expectations as gxe
import pandas as pd
import pyarrow as pa

from tailfirst.checks import BLOCK, NOTE, QUARANTINE
from tailfirst.checks.run import run_suite

AT = datetime(2026, 3, 2, tzinfo=UTC)
TABLE = pa.table({"item_id": ["a", "b", "b", "d"], "x": [0.5, 2.0, None, 9.0]})


def unique(severity=BLOCK):
    return gxe.ExpectColumnValuesToBeUnique(column="item_id", severity=severity, notes="item_id is there once")


def small(severity=QUARANTINE):
    return gxe.ExpectColumnValuesToBeBetween(
        column="x", min_value=0, max_value=1, severity=severity, notes="x is small"
    )


def test_an_empty_suite_fails():
    result = run_suite("items", TABLE, [], "item_id", AT)
    assert not result.success
    assert "checked nothing" in result.explain(BLOCK)


def test_an_empty_table_fails():
    result = run_suite("items", TABLE.slice(0, 0), [unique()], "item_id", AT)
    assert not result.success
    assert "no rows" in result.explain(BLOCK)
    assert (result.rows, result.evaluated, result.expected) == (0, 0, 1)


def test_failing_rows_are_named_with_what_was_found():
    result = run_suite("items", TABLE, [unique(), small()], "item_id", AT)
    assert [(row.id, row.severity) for row in result.failed] == [
        ("b", BLOCK), ("b", BLOCK), ("b", QUARANTINE), ("d", QUARANTINE),
    ]  # fmt: skip
    assert result.quarantined == ("b", "d")
    assert "found 9.0" in result.failed[-1].why
    assert result.failed_expectations == 2
    assert result.at == AT


def test_nulls_are_no_failure_of_a_range():
    result = run_suite("items", TABLE.slice(2, 1), [small(BLOCK)], "item_id", AT)
    assert result.success


def test_a_note_is_no_failure():
    result = run_suite("items", TABLE, [unique(NOTE)], "item_id", AT)
    assert result.success
    assert [row.id for row in result.of(NOTE)] == ["b", "b"]


def test_a_check_that_cannot_run_blocks_whatever_its_severity():
    absent = gxe.ExpectColumnValuesToNotBeNull(column="nope", severity=NOTE)
    result = run_suite("items", TABLE, [unique(NOTE), absent], "item_id", AT)
    assert not result.success
    assert (result.evaluated, result.expected) == (1, 2)
    assert "1 of 2 expectations" in result.explain(BLOCK)
    assert "nope" in result.explain(BLOCK)


def test_the_same_expectations_can_be_used_again():
    expected = [gxe.ExpectTableRowCountToEqual(value=4, notes="four rows")]
    first, second = (run_suite("items", frame, expected, "item_id", AT) for frame in (TABLE, TABLE.slice(1)))
    assert first.success
    assert not second.success
    assert second.failed[0].id == ""
    assert "found 3" in second.failed[0].why


def test_a_data_frame_is_fine_too():
    assert run_suite("items", pd.DataFrame({"item_id": ["a"]}), [unique()], "item_id", AT).success
