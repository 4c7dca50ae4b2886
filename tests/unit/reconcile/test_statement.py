"""Statement files: what is read, and how bad ones are refused."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tailfirst.errors import UserError
from tailfirst.reconcile.match import Invoiced
from tailfirst.reconcile.statement import read

HEAD = "line_id,key,amount,currency,date\n"
FIRST_OF_APRIL = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "march.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "i1,tf-a,0.04,USD,2026-04-01\ni2,,-1.5,usd,2026-04-01T02:00:00+02:00\n",
        (
            "\ufeffInvoice Line ID;Submission-Key;Total;Currency Code;Invoice Date\r\n"
            "i1;tf-a;0.040000;USD;2026-04-01\r\n\r\ni2;;-1.50;USD;2026-04-01T00:00:00Z\r\n"
        ),
        (
            '{"id": "i1", "reference": "tf-a", "amount": 0.04, "currency": "USD", "date": "2026-04-01"}\n\n'
            '{"id": "i2", "reference": null, "amount": "-1.5", "currency": "USD", "date": "2026-04-01"}\n'
        ),
    ],
)
def test_the_same_lines_in_three_ways(file, text):
    assert read(file(text), "USD") == [
        Invoiced("i1", "tf-a", None, 40_000, FIRST_OF_APRIL),
        Invoiced("i2", None, None, -1_500_000, FIRST_OF_APRIL),
    ]


def test_an_order_may_be_named(file):
    text = "line_id,key,batch_id,amount,currency,date\ni1,,b-7,3,USD,2026-04-01\n"
    assert read(file(text), "USD")[0].order == "b-7"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("line_id,key,cost,currency\ni1,a,1,USD\n", r"no column amount \(or charge.*date.*columns are: cost, currency"),
        (HEAD + 'i1,a,"1,50",USD,2026-04-01\n', r"row 2: amount '1,50' is no number; write it like 12.50"),
        (HEAD + "i1,a,0.0000001,USD,2026-04-01\n", "more than six decimals"),
        (HEAD + "i1,a,NaN,USD,2026-04-01\n", "row 2: amount 'NaN'"),
        (HEAD + "i1,a,1,EUR,2026-04-01\n", "row 2: EUR, but the campaign counts in USD"),
        (HEAD + "i1,a,1,,2026-04-01\n", "row 2: no currency"),
        (HEAD + "i1,a,1,USD,1.4.2026\n", "row 2: date '1.4.2026' is not like 2026-03-31"),
        (HEAD + ",a,1,USD,2026-04-01\n", "row 2: it has no line id"),
        (HEAD + "i1,a,1,USD,2026-04-01\ni1,b,1,USD,2026-04-01\n", "row 3: line id 'i1' stands in row 2 too"),
        (HEAD + "i1,a,1,USD,2026-04-01\ninvoice-i1,b,1,USD,2026-04-01\n", "row 3: line id 'invoice-i1' stands in row"),
        (HEAD + "i1,a,1,USD,2026-04-01,x\n", "row 2 has 6 cells, the header 5"),
        (HEAD + "".join(f"i{n},a,x,USD,2026-04-01\n" for n in range(7)), "7 rows cannot be used.*and 2 more"),
        (HEAD, "holds no lines"),
        ('{"line_id": "i1"\n', "neither CSV nor JSON lines: row 1"),
        ('{"line_id": "i1"}\n[1]\n', "row 2 is no JSON object"),
        (b"\xff\xfe", "cannot be read as UTF-8"),
    ],
)
def test_what_cannot_be_used_is_named(file, text, said):
    with pytest.raises(UserError, match=said):
        read(file(text), "USD")


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"nowhere.csv cannot be read"):
        read(tmp_path / "nowhere.csv", "USD")
