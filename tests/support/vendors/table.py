"""The conformance table as pytest tells it: `-p tests.support.vendors.table`, printed at the end and, with
`--conformance FILE`, written as Markdown. Rows of specs/vendor.md section 5 down, adapters and their variants across.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from tests.support.vendors.row import ROWS

CELL = re.compile(r"::test_row_(\d\d)_\w+\[(.+)\]$")
PASS, NOT, FAIL, NONE = "pass", "n/a", "FAIL", "-"
Cells = Mapping[tuple[int, str], str]


@dataclass
class Found:
    """What the tests of the table came to."""

    cells: dict[tuple[int, str], str] = field(default_factory=dict)
    reasons: dict[tuple[int, str], str] = field(default_factory=dict)
    failures: dict[tuple[int, str], str] = field(default_factory=dict)

    def take(self, report: Any) -> None:
        cell = CELL.search(report.nodeid)
        if cell is None or (report.when != "call" and report.passed):
            return
        place = int(cell[1]), cell[2]
        why = dict(report.user_properties).get("n/a")
        if report.failed or report.skipped:
            self.cells[place] = FAIL
            self.failures[place] = str(getattr(report.longrepr, "reprcrash", report.longrepr)).splitlines()[-1][:200]
        elif self.cells.get(place) != FAIL:
            self.cells[place] = NOT if why else PASS
            if why:
                self.reasons[place] = why

    @property
    def columns(self) -> list[str]:
        return sorted({column for _, column in self.cells})


FOUND = Found()


def pytest_addoption(parser: Any) -> None:
    parser.addoption("--conformance", help="write the conformance table to this Markdown file")


def pytest_runtest_logreport(report: Any) -> None:
    FOUND.take(report)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    """The table for a terminal, the reasons below it, and the file."""
    if not FOUND.cells:
        return
    terminalreporter.write_line("")
    console = Console(width=max(100, 34 + 13 * len(FOUND.columns)))
    console.print(shown(FOUND))
    for line in below(FOUND):
        console.print(line, soft_wrap=True, markup=False)
    out = config.getoption("--conformance")
    if out:
        Path(out).write_text(markdown(FOUND), encoding="utf-8")


def pytest_sessionfinish(session: Any, exitstatus: int) -> None:
    """A cell that is missing is a failure: every adapter answers for every row."""
    if FOUND.cells and session.config.getoption("--conformance") and _missing(FOUND) and exitstatus == 0:
        session.exitstatus = 1


def shown(found: Found) -> Table:
    """Rows x adapters for a terminal."""
    colors = {PASS: "green", NOT: "dim", FAIL: "bold red", NONE: "yellow"}
    table = Table("#", "row", *(column.replace("/", "\n", 1) for column in found.columns))
    for number, name in ROWS.items():
        cells = [found.cells.get((number, column), NONE) for column in found.columns]
        table.add_row(str(number), name, *(f"[{colors[cell]}]{cell}[/]" for cell in cells))
    return table


def below(found: Found) -> list[str]:
    """The reasons, those that several adapters share said once, and the failures."""
    shared: dict[tuple[int, str], list[str]] = {}
    for (number, column), why in sorted(found.reasons.items()):
        shared.setdefault((number, why), []).append(column)
    lines = [f"{n} {ROWS[n]}: n/a for {', '.join(columns)}: {why}" for (n, why), columns in shared.items()]
    lines += [f"{n} {ROWS[n]}: FAIL for {column}: {why}" for (n, column), why in sorted(found.failures.items())]
    lines += [f"{n} {ROWS[n]}: not run for {column}" for n, column in _missing(found)]
    counts = {kind: sum(cell == kind for cell in found.cells.values()) for kind in (PASS, NOT, FAIL)}
    return [
        *lines,
        f"{len(ROWS)} rows x {len(found.columns)}: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()),
    ]


def markdown(found: Found) -> str:
    """The same as a page of the documentation."""
    head = ["#", "row", *found.columns]
    lines = [
        "# Conformance of the vendor adapters",
        "",
        "Written by `make conformance`. The rows are those of the failure table of the labeling-vendor port, each one",
        "test in `tests/contract/vendors/`. *pass*: the fault is armed, adapter and core do what the row asks. *n/a*:",
        "this vendor cannot have the fault, for the reason below; the test then shows that the core copes without it.",
        "*-*: left to the adapter's other variants, from which this one differs only in bytes or in keys.",
        "",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
    ]
    for number, name in ROWS.items():
        cells = [found.cells.get((number, column), NONE) for column in found.columns]
        lines.append(f"| {number} | `{name}` | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "## Why not applicable, and what failed", "", *(f"- {b}" for b in below(found)), ""])


def _missing(found: Found) -> list[tuple[int, str]]:
    """Rows for which an adapter has no cell at all; a variant may leave rows to the adapter's other variants."""
    there = {(number, column.partition("/")[0]) for number, column in found.cells}
    adapters = sorted({column.partition("/")[0] for column in found.columns})
    return [(number, name) for number in ROWS for name in adapters if (number, name) not in there]
