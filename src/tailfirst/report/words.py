"""How numbers are written on pages and in tables."""

from tailfirst.contracts import Interval

NOTHING = "–"


def percent(value: float | None, digits: int = 1) -> str:
    """0.3141 -> "31.4%"."""
    return NOTHING if value is None else f"{value * 100:.{digits}f}%"


def spread(value: Interval | None) -> str:
    """The bounds of an interval: "57.1–65.0"."""
    if value is None or value.low == value.high == value.value:
        return ""
    return f"{value.low * 100:.1f}–{value.high * 100:.1f}"


def measured(value: Interval | None) -> str:
    """A level with its interval: "61.0% (57.1–65.0)"."""
    if value is None:
        return NOTHING
    bounds = spread(value)
    return percent(value.value) + (f" ({bounds})" if bounds else "")


def points(value: float | None) -> str:
    """A difference of levels in percentage points, with its sign: "+3.1"."""
    if value is None:
        return NOTHING
    text = f"{value * 100:+.1f}"
    return "±0.0" if text in {"+0.0", "-0.0"} else text.replace("-", "−")


def between(value: Interval) -> str:
    """The bounds of a difference: "+0.9 to +5.2"."""
    return "" if value.low == value.high else f"{points(value.low)} to {points(value.high)}"


def money(micros: int, currency: str, digits: int = 2) -> str:
    """Integer micros as "4.32 USD"; more digits where two would hide the amount."""
    amount = micros / 1_000_000
    if micros and abs(amount) < 0.1:
        digits = 4
    return f"{amount:,.{digits}f} {currency}"


def short(sha256: str | None) -> str:
    """The beginning of a hash, enough to tell it from others by eye."""
    return sha256[:12] if sha256 else NOTHING
