"""Small charts as inline SVG: text in, markup out, nothing fetched and nothing random.

Every chart has its own coordinate system about as wide as a phone, so that its text stays readable there; wide screens
put several beside each other. All words are escaped on their way in.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from tailfirst.contracts import Interval

WIDTH = 360.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 12.0, 10.0, 38.0
DIGIT = 6.8  # width of a digit of the font, rounded up
Style = Literal["main", "other", "random", "zero"]


@dataclass(frozen=True, slots=True)
class Point:
    """One measured value at one place of the x axis."""

    x: float
    y: Interval


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart; `style` is its CSS class: main (band), other, random (whiskers), zero (a level)."""

    name: str
    points: tuple[Point, ...]
    style: Style = "main"


@dataclass(frozen=True, slots=True)
class Bar:
    """One class in a bar chart: what was there and what came."""

    name: str
    before: float
    added: float
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A named share of a whole."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low  # 0 where all values are one: perfect accuracy from the first round on
        return self.start + ((value - self.low) / span if span else 0.5) * (self.end - self.start)


def line_chart(title: str, series: Sequence[Series], x_title: str, *, percent: bool = True) -> Markup:
    """Lines over a common x axis; intervals as a band (main) or whiskers (random); zero-shot as a level."""
    height = 216.0
    points = [p for s in series for p in s.points]
    if not points:
        return Markup("")
    xs = ticks(min(0.0, *(p.x for p in points)), max(p.x for p in points), 4)
    ys = ticks(min(p.y.low for p in points), max(p.y.high for p in points), 4)
    ys = [y for y in ys if y <= 1.0 or not percent]
    last = max(p.x for p in points)
    across = _Scale(xs[0], last + 0.04 * (last - xs[0]) if last > xs[0] else xs[-1], LEFT, WIDTH - RIGHT)
    up = _Scale(ys[0], max(ys[-1], *(p.y.high for p in points)), height - BOTTOM, TOP)
    parts = [_grid(xs, ys, across, up, height, percent=percent), _x_title(x_title, height)]
    parts += [
        _drawn(s, across, up) for s in sorted(series, key=lambda s: ("zero", "random", "other", "main").index(s.style))
    ]
    return _svg(title, WIDTH, height, parts)


def bar_chart(title: str, bars: Sequence[Bar], top: float) -> Markup:
    """Horizontal stacked bars (before, then added) on a scale that ends at `top`."""
    row, label = 19.0, 118.0
    room = 6.0 + DIGIT * max((len(_counted(bar)) for bar in bars), default=0)  # right of the longest bar
    across = _Scale(0.0, max(top, 1.0), label, WIDTH - room)
    parts = []
    for number, bar in enumerate(bars):
        y = 2.0 + number * row
        first, last = across(bar.before), across(bar.before + bar.added)
        mark = Markup('<circle class="tail" cx="4" cy="{}" r="3"/>').format(_n(y + 8)) if bar.marked else Markup("")
        parts.append(
            Markup(
                '{}<text class="name" x="{}" y="{}">{}</text>'
                '<rect class="before" x="{}" y="{}" width="{}" height="12"/>'
                '<rect class="added" x="{}" y="{}" width="{}" height="12"/>'
                '<text x="{}" y="{}">{}</text>'
            ).format(
                mark, 12, _n(y + 12), _short(bar.name, 17),
                _n(label), _n(y + 2), _n(first - label),
                _n(first), _n(y + 2), _n(last - first),
                _n(last + 4), _n(y + 12), _counted(bar),
            )
        )  # fmt: skip
    return _svg(title, WIDTH, 4.0 + row * len(bars), parts)


def share_bar(title: str, shares: Sequence[Part]) -> Markup:
    """One horizontal bar cut into named shares of 1; the first is drawn as right, the others as wrong."""
    across = _Scale(0.0, 1.0, 0.0, 200.0)
    parts, start = [], 0.0
    for number, part in enumerate(shares):
        style = "right" if number == 0 else f"wrong wrong-{min(number, 3)}"
        parts.append(
            Markup('<rect class="{}" x="{}" y="0" width="{}" height="12"><title>{} {}</title></rect>').format(
                style, _n(across(start)), _n(across(part.share)), part.name, percentage(part.share)
            )
        )
        start += part.share
    return _svg(title, 200.0, 12.0, parts, style="share")


def change_bar(title: str, before: float | None, after: float | None) -> Markup:
    """A level between 0 and 1, with a mark where it was before."""
    across = _Scale(0.0, 1.0, 1.0, 119.0)
    parts = [Markup('<rect class="track" x="0" y="2" width="120" height="8"/>')]
    if after is not None:
        parts.append(Markup('<rect class="added" x="0" y="2" width="{}" height="8"/>').format(_n(across(after))))
    if before is not None:
        x = _n(across(before))
        parts.append(Markup('<line class="mark" x1="{}" x2="{}" y1="0" y2="12"/>').format(x, x))
    return _svg(title, 120.0, 12.0, parts, style="share")


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`, about `count` steps apart."""
    size = max(abs(low), abs(high), 1.0)
    span = high - low if high - low > 1e-6 * size else 0.2 * size
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if power * factor >= raw * 0.999999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]


def percentage(value: float, digits: int = 0) -> str:
    """0.314 -> "31%"."""
    return f"{value * 100:.{digits}f}%"


def _drawn(series: Series, across: _Scale, up: _Scale) -> Markup:
    points = sorted(series.points, key=lambda p: p.x)
    if not points:
        return Markup("")
    path = " ".join(f"{_n(across(p.x))},{_n(up(p.y.value))}" for p in points)
    if series.style == "zero":
        y = _n(up(points[-1].y.value))
        return Markup('<line class="zero" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            _n(across.start), _n(across.end), y, y
        )
    spread = _spread(series.style, points, across, up)
    dots = _join(
        Markup('<circle cx="{}" cy="{}" r="3"><title>{}: {} at {}</title></circle>').format(
            _n(across(p.x)), _n(up(p.y.value)), series.name, percentage(p.y.value, 1), _number(p.x)
        )
        for p in points
    )
    return Markup('<g class="{}">{}<polyline points="{}"/>{}</g>').format(series.style, spread, path, dots)


def _spread(style: Style, points: Sequence[Point], across: _Scale, up: _Scale) -> Markup:
    if style == "other":
        return Markup("")
    return _band(points, across, up) if style == "main" and len(points) > 1 else _whiskers(points, across, up)


def _band(points: Sequence[Point], across: _Scale, up: _Scale) -> Markup:
    there = [f"{_n(across(p.x))},{_n(up(p.y.high))}" for p in points]
    back = [f"{_n(across(p.x))},{_n(up(p.y.low))}" for p in reversed(points)]
    return Markup('<polygon points="{}"/>').format(" ".join(there + back))


def _whiskers(points: Sequence[Point], across: _Scale, up: _Scale) -> Markup:
    return _join(
        Markup('<line class="whisker" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(
            _n(across(p.x)), _n(up(p.y.low)), _n(up(p.y.high))
        )
        for p in points
    )


def _grid(
    xs: Sequence[float], ys: Sequence[float], across: _Scale, up: _Scale, height: float, *, percent: bool
) -> Markup:
    rows = _join(
        Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="y" x="{}" y="{}">{}</text>').format(
            _n(LEFT), _n(WIDTH - RIGHT), _n(up(y)), _n(up(y)), _n(LEFT - 5), _n(up(y) + 4),
            percentage(y, 0 if all(float(v * 100).is_integer() for v in ys) else 1) if percent else _number(y),
        )
        for y in ys
    )  # fmt: skip
    columns = _join(
        Markup('<text class="x" x="{}" y="{}">{}</text>').format(_n(across(x)), _n(height - BOTTOM + 16), _number(x))
        for x in xs
        if across(x) <= WIDTH - RIGHT + 0.5
    )
    return rows + columns


def _x_title(text: str, height: float) -> Markup:
    return Markup('<text class="x axis" x="{}" y="{}">{}</text>').format(
        _n((LEFT + WIDTH - RIGHT) / 2), _n(height - 5), text
    )


def _svg(title: str, width: float, height: float, parts: Iterable[Markup], style: str = "chart") -> Markup:
    return Markup(
        '<svg class="{}" viewBox="0 0 {} {}" role="img" preserveAspectRatio="xMidYMid meet"><title>{}</title>{}</svg>'
    ).format(style, _n(width), _n(height), title, _join(parts))


def _counted(bar: Bar) -> str:
    total = _number(bar.before + bar.added)
    return f"{total} (+{_number(bar.added)})" if bar.added else total


def _join(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _n(value: float) -> str:
    """A coordinate with at most one decimal: the same on every machine."""
    return f"{value:.1f}".removesuffix(".0")


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
