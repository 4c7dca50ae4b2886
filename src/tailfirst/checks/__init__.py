"""Gates on tables: Great Expectations suites as code, with a guard against suites that check nothing.

Severities are GX's own words with one meaning each: `critical` blocks the step, `warning` quarantines the rows it
names, `info` is only written down. A check that cannot run (a missing column) always blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Severity = Literal["critical", "warning", "info"]
BLOCK: Severity = "critical"
QUARANTINE: Severity = "warning"
NOTE: Severity = "info"


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A row that did not pass; `id` is empty where the check is about the table as a whole."""

    id: str
    expectation: str
    why: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a suite said about a table; `success` means that nothing blocks and nothing was quarantined."""

    suite: str
    success: bool
    evaluated: int  # expectations that gave an answer
    expected: int
    rows: int
    failed: tuple[FailedRow, ...]
    failed_expectations: int
    at: datetime

    def of(self, severity: Severity) -> tuple[FailedRow, ...]:
        """The failures of one severity."""
        return tuple(row for row in self.failed if row.severity == severity)

    @property
    def quarantined(self) -> tuple[str, ...]:
        """Ids of the rows that must not be used, sorted."""
        return tuple(sorted({row.id for row in self.of(QUARANTINE) if row.id}))

    def explain(self, severity: Severity, most: int = 5) -> str:
        """The first failures of a severity in words."""
        found = self.of(severity)
        shown = "; ".join(f"{row.id + ': ' if row.id else ''}{row.why}" for row in found[:most])
        return shown + (f"; and {len(found) - most} more" if len(found) > most else "")


def merged_ids(rows: Sequence[FailedRow]) -> tuple[str, ...]:
    """The distinct ids among failures, sorted."""
    return tuple(sorted({row.id for row in rows if row.id}))
