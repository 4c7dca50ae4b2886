"""Statements against a ledger, on each database: what is kept, and that money never moves."""

import csv
from pathlib import Path

from tailfirst.ledger import Ledger
from tailfirst.reconcile.match import Invoiced
from tailfirst.reconcile.run import gather, reconcile, units, write_disputes
from tests.support.ledgers import AT, later, line, submitted


def invoiced(line_id: str, key: str | None, micros: int, order: str | None = None) -> Invoiced:
    return Invoiced(line_id, key, order, micros, AT)


def charged(ledger: Ledger) -> list[str]:
    keys = submitted(ledger, 3)
    ledger.money.accrue("c", 1, [line(f"l{n}", key, 100) for n, key in enumerate(keys)], AT)
    return keys


def test_the_same_statement_twice_changes_nothing(ledger: Ledger) -> None:
    a, b, c = charged(ledger)
    before = ledger.money.status("c")
    statement = [
        invoiced("l0", a, 100),  # the vendor repeats the ids of its charges
        invoiced("l1", b, 150),
        invoiced("l1-again", b, 100),
        invoiced("l9", "tf-nobody", 7),
    ]
    found, new = reconcile(ledger, "c", statement, "USD", AT)
    assert [(f.what, f.key) for f in found.findings] == [
        ("matched", a), ("missing there", c), ("twice", b), ("missing here", "tf-nobody"),
    ]  # fmt: skip
    assert new == 3
    assert ledger.money.status("c") == before
    kept = [row for row in ledger.money.lines("c", 1) if row.kind == "INVOICED"]
    assert {(row.line_id, row.key, row.amount_micros) for row in kept} == {
        ("invoice-l0", a, 100), ("invoice-l1", b, 150), ("invoice-l1-again", b, 100),
    }  # fmt: skip
    state = ledger.fingerprint("c")
    assert reconcile(ledger, "c", statement, "USD", later(99)) == (found, 0)
    assert ledger.fingerprint("c") == state


def test_next_months_statement_is_matched_against_this_ones(ledger: Ledger) -> None:
    a, b, c = charged(ledger)
    reconcile(ledger, "c", [invoiced("m1", a, 100), invoiced("m2", b, 130)], "USD", AT)
    statement = [invoiced("n1", a, 100), invoiced("credit", b, -30), invoiced("n3", c, 100)]
    found, new = reconcile(ledger, "c", statement, "USD", AT)
    assert [(f.what, f.key) for f in found.findings] == [("matched", b), ("matched", c), ("twice", a)]
    assert new == 3


def test_a_line_per_order(ledger: Ledger) -> None:
    charged(ledger)
    ledger.rounds.annotate("c", 1, vendor_batch_id="b-7")
    assert "b-7" in gather(ledger, "c").orders
    found, new = reconcile(ledger, "c", [invoiced("whole", None, 300, "b-7")], "USD", AT)
    assert ([f.what for f in found.findings], new) == (["matched"], 1)
    found, new = reconcile(ledger, "c", [invoiced("again", None, 300, "b-7")], "USD", AT)
    assert ([f.what for f in found.findings], new) == (["twice"], 1)


def test_the_dispute_list(ledger: Ledger, tmp_path: Path) -> None:
    a, *_ = charged(ledger)
    path = tmp_path / "disputes.csv"
    found, _ = reconcile(ledger, "c", [invoiced("x", a, 40), invoiced("=cmd()", "-1+1", 5)], "USD", AT)
    write_disputes(path, found)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["what"], row["ours"], row["theirs"], row["difference"]) for row in rows] == [
        ("different", "0.0001", "0.00004", "-0.00006"),
        ("missing here", "0", "0.000005", "0.000005"),
    ]
    assert (rows[1]["key"], rows[1]["lines"]) == ("'-1+1", "'=cmd()")
    clean, _ = reconcile(ledger, "c", [invoiced("credit", a, 60)], "USD", AT)
    write_disputes(path, clean)
    assert path.read_text() == "what,round,key,ours,theirs,difference,lines,why\n"


def test_units_are_exact() -> None:
    assert [units(n) for n in (40_000, -1, 12_000_000, 10**15 + 1, 0)] == [
        "0.04", "-0.000001", "12", "1000000000.000001", "0",
    ]  # fmt: skip
