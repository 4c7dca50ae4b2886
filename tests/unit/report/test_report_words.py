import pytest

from tailfirst.contracts import Interval
from tailfirst.report import words
from tailfirst.report.measures import interval, parse


@pytest.mark.parametrize(
    ("micros", "text"),
    [(4_320_000, "4.32 USD"), (0, "0.00 USD"), (4_500, "0.0045 USD"), (1_234_567_890, "1,234.57 USD")],
)
def test_money(micros, text):
    assert words.money(micros, "USD") == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.031, "+3.1"), (-0.0312, "−3.1"), (0.0, "±0.0"), (-0.0001, "±0.0"), (None, "–")]
)
def test_points(value, text):
    assert words.points(value) == text


def test_intervals():
    assert words.measured(Interval(0.61, 0.571, 0.65)) == "61.0% (57.1–65.0)"
    assert words.measured(Interval(0.61, 0.61, 0.61)) == "61.0%"
    assert words.measured(None) == "–"
    assert words.between(Interval(0.031, -0.009, 0.052)) == "−0.9 to +5.2"
    assert words.short("a" * 64) == "a" * 12


def test_interval_takes_what_metrics_json_holds():
    assert interval({"value": 0.5, "low": 0.4, "high": 0.6}) == Interval(0.5, 0.4, 0.6)
    assert interval({"value": 0.5, "low": None, "high": None}) == Interval(0.5, 0.5, 0.5)
    assert interval(0.5) == Interval(0.5, 0.5, 0.5)
    assert interval({"value": None, "low": None, "high": None}) is None
    assert interval(None) is None


def test_parse_of_a_subset_leaves_the_rest_empty():
    found = parse("probe", {"available": True, "accuracy": 0.5})
    assert found.values == {"accuracy": Interval(0.5, 0.5, 0.5)}
    assert found.per_class == ()
    assert found.confusions == ()
    assert parse("probe", {"available": False, "why": "no prototypes"}).why == "no prototypes"
