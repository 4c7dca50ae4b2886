"""Run a suite on a table in an ephemeral context; the only module that talks to Great Expectations' engine."""

import copy
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from tailfirst.checks import BLOCK, NOTE, CheckResult, FailedRow, Severity

if TYPE_CHECKING:
    import pandas as pd


def run_suite(
    name: str, table: "pa.Table | pd.DataFrame", expectations: Sequence[Any], id_column: str, at: datetime
) -> CheckResult:
    """Evaluate expectations on a table and name the rows that fail by `id_column`.

    An empty suite, an empty table, or fewer answers than expectations is a failure: GX itself calls an empty suite a
    success (https://github.com/fivetran/great_expectations/issues/3494).

    Args:
        name: Name of the suite.
        table: Arrow table or data frame.
        expectations: GX expectations with run-time parameters filled in; they are copied, so they can be used again.
        id_column: The column whose value names a row.
        at: Aware time that goes into the result.
    """
    frame = table.to_pandas() if isinstance(table, pa.Table) else table
    guard = _guard(name, len(frame), len(expectations))
    results = _evaluate(name, frame, expectations, id_column) if guard is None else []
    failed = [row for result in results if not result["success"] for row in _failures(result, id_column)]
    answered = sum(not _raised(result) for result in results)
    if guard is None and answered < len(expectations):
        guard = FailedRow("", "count_guard", f"{answered} of {len(expectations)} expectations gave an answer", BLOCK)
    rows = (*([guard] if guard else []), *failed)
    return CheckResult(
        suite=name,
        success=all(row.severity == NOTE for row in rows),
        evaluated=answered,
        expected=len(expectations),
        rows=len(frame),
        failed=rows,
        failed_expectations=sum(not result["success"] for result in results) + (guard is not None),
        at=at,
    )


def _guard(name: str, rows: int, expectations: int) -> FailedRow | None:
    if not expectations:
        return FailedRow("", "count_guard", f"suite {name} has no expectations, so it checked nothing", BLOCK)
    if not rows:
        return FailedRow("", "count_guard", f"the table of suite {name} has no rows, so nothing was checked", BLOCK)
    return None


def _evaluate(name: str, frame: "pd.DataFrame", expectations: Sequence[Any], id_column: str) -> list[Mapping[str, Any]]:
    import great_expectations as gx

    for noisy in ("great_expectations", "great_expectations.data_context.types.base"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = cast("Any", {"globally": False})
    batch = (
        context.data_sources.add_pandas("memory").add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
    )
    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=[copy.copy(one) for one in expectations]))
    validation = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
    detail = {"result_format": "COMPLETE", "unexpected_index_column_names": [id_column]}
    checkpoint = gx.Checkpoint(name=name, validation_definitions=[validation], result_format=cast("Any", detail))
    outcome = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
    return [dict(one.to_json_dict()) for run in outcome.run_results.values() for one in run.results]


def _raised(result: Mapping[str, Any]) -> bool:
    return "raised_exception" not in result["exception_info"] or bool(result["exception_info"]["raised_exception"])


def _failures(result: Mapping[str, Any], id_column: str) -> list[FailedRow]:
    settings = result["expectation_config"]
    kind, column = settings["type"], settings["kwargs"].get("column", "")
    severity = cast("Severity", settings.get("severity", BLOCK))
    if _raised(result):
        return [FailedRow("", kind, f"{kind} on {column or 'the table'} could not run: {_exception(result)}", BLOCK)]
    why = settings.get("notes") or kind
    found = result["result"].get("unexpected_index_list")
    if not found:
        return [FailedRow("", kind, f"{why}; found {result['result'].get('observed_value')}", severity)]
    return [
        FailedRow(str(row[id_column]), kind, f"{why}; found {_plain(row.get(column))!r}", severity) for row in found
    ]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _exception(result: Mapping[str, Any]) -> str:
    info = result["exception_info"]
    inner = info if "exception_message" in info else next(iter(info.values()), {})
    return str(inner.get("exception_message") or "no reason given").splitlines()[0]
