import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailfirst.commands.acts import as_micros, who
from tailfirst.errors import UserError


@pytest.mark.parametrize(
    ("typed", "micros"),
    [("12.50", 12_500_000), ("0.000001", 1), ("3", 3_000_000), ("1e2", 100_000_000), (" 4 ", 4_000_000)],
)
def test_amounts(typed, micros):
    assert as_micros(typed) == micros


@given(st.integers(1, 10**15))
def test_amounts_are_exact(micros):
    assert as_micros(f"{micros // 10**6}.{micros % 10**6:06d}") == micros


@pytest.mark.parametrize("typed", ["", "x", "-1", "0", "nan", "inf", "1e20", "0.0000001", "1,5", "12 USD"])
def test_other_words_are_no_amounts(typed):
    with pytest.raises(UserError, match="--cap"):
        as_micros(typed)


def test_somebody_must_decide(monkeypatch):
    assert who(" maria ") == "maria"
    monkeypatch.setattr("tailfirst.commands.acts._login", lambda: "jan")
    assert who(None) == "jan"
    assert who("") == "jan"
    with pytest.raises(UserError, match="--by"):
        who("  ")
