import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailfirst.contracts import Interval
from tailfirst.report import svg

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


def level(value: float) -> Interval:
    return Interval(value, value - 0.02, value + 0.02)


@given(NUMBERS, NUMBERS, st.integers(2, 8))
def test_ticks_cover_the_values_in_even_steps(first, second, count):
    low, high = sorted((first, second))
    marks = svg.ticks(low, high, count)
    steps = {b - a for a, b in pairwise(marks)}
    slack = 1e-8 * max(steps) + 1e-9  # far below a pixel
    assert marks[0] <= low + slack
    assert marks[-1] >= high - slack
    assert 2 <= len(marks) <= 4 * count + 4
    assert min(steps) > 0
    assert max(steps) - min(steps) <= 1e-8 * max(abs(low), abs(high), 1)


def test_ticks_are_round_numbers():
    assert svg.ticks(0.512, 0.823, 4) == [0.5, 0.6, 0.7, 0.8, 0.9]
    assert svg.ticks(0, 64, 4) == [0, 20, 40, 60, 80]


def test_chart_is_well_formed_and_escaped():
    evil = '<script>alert("1")</script>&'
    points = (svg.Point(0, level(0.5)), svg.Point(20, level(0.7)))
    series = [
        svg.Series(evil, points),
        svg.Series("random", points, "random"),
        svg.Series("zero", points[:1], "zero"),
    ]
    for chart in (
        svg.line_chart(evil, series, evil),
        svg.bar_chart(evil, [svg.Bar(evil, 3, 1, marked=True)], 4),
        svg.share_bar(evil, [svg.Part(evil, 0.4), svg.Part("b", 0.6)]),
        svg.change_bar(evil, 0.2, 0.4),
    ):
        assert ET.fromstring(str(chart)).tag == "svg"
        assert "<script" not in chart


def test_line_chart_draws_the_points_where_they_belong():
    # x: 0..10.4 over 308 units from 40; y: 0..1 over 168 units, upside down
    chart = svg.line_chart(
        "t", [svg.Series("s", (svg.Point(0, Interval(0, 0, 0)), svg.Point(10, Interval(1, 1, 1))))], "x"
    )
    line = ET.fromstring(str(chart)).find(".//polyline")
    assert line is not None
    assert line.get("points") == "40,178 336.2,10"


def test_line_chart_without_points_is_nothing():
    assert svg.line_chart("t", [svg.Series("s", ())], "x") == ""


def test_one_point_gets_a_whisker_instead_of_a_band():
    chart = svg.line_chart("t", [svg.Series("s", (svg.Point(5, level(0.5)),))], "x")
    assert "polygon" not in chart
    assert "whisker" in chart


@pytest.mark.parametrize(("before", "after"), [(None, None), (0.5, None), (None, 0.5), (0.0, 1.0)])
def test_change_bar_says_only_what_is_known(before, after):
    chart = svg.change_bar("t", before, after)
    assert ('class="mark"' in chart) == (before is not None)
    assert ('class="added"' in chart) == (after is not None)


def test_coordinates_have_at_most_one_decimal():
    chart = svg.line_chart(
        "t", [svg.Series("s", (svg.Point(1 / 3, level(1 / 3)), svg.Point(2 / 3, level(2 / 3))))], "x"
    )
    numbers = [p for line in ET.fromstring(str(chart)).iter("circle") for p in (line.get("cx"), line.get("cy"))]
    assert all(len(n.partition(".")[2]) <= 1 for n in numbers if n)


def test_line_chart_of_a_holdout_that_is_fully_right():
    """All values and both ends of every interval are 1: the scale has no height."""
    sure = Interval(1.0, 1.0, 1.0)
    chart = svg.line_chart("t", [svg.Series("s", (svg.Point(0, sure), svg.Point(20, sure)))], "x")
    ET.fromstring(chart)


@pytest.mark.parametrize(("before", "added"), [(32, 13), (99_000, 1_000)])
def test_numbers_of_bars_stay_in_the_picture(before, added):
    chart = svg.bar_chart("t", [svg.Bar("long", before, added), svg.Bar("short", 1, 0)], before + added)
    where, text = re.findall(r'<text x="([0-9.]+)" y="[0-9.]+">([^<]*)</text>', chart)[0]
    assert "(+" in text
    assert float(where) + 6.8 * len(text) <= svg.WIDTH
