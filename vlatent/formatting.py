"""How numbers are written wherever people read them."""

from __future__ import annotations

import math
import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal


def digits(value: float) -> str:
    """Write a number with three significant digits, as short as possible.

    >>> [digits(value) for value in (0.05, 20, 1234.5, 1e-5)]
    ['0.05', '20', '1234', '1e-5']
    """
    if 1e3 <= abs(value) < 1e5:
        return f"{value:.0f}"
    return re.sub(r"e([+-])0*", lambda m: "e" + m[1].replace("+", ""), f"{value:.3g}")


def percent(share: float) -> str:
    """Write a share in percent with one or two significant digits, never with an exponent.

    >>> percent(7e-07), percent(0.692), percent(0.0)
    ('0.00007 %', '69 %', '0 %')
    """
    value = 100 * share
    if value <= 0:
        return "0 %"
    magnitude = math.floor(math.log10(value))
    decimals = max(0, -magnitude + (1 if value >= 0.001 else 0))
    return f"{value:.{decimals}f} %"


def duration(seconds: float) -> str:
    """Write a duration with two significant digits, in seconds, minutes or hours.

    >>> [duration(seconds) for seconds in (6.14, 59.6, 840, 5990, 11_520, 360_000)]
    ['6.1 s', '60 s', '14 min', '1.7 h', '3.2 h', '100 h']
    """
    units = ((1, "s"), (60, "min"), (3600, "h"))
    size, unit = next((u for u in units if seconds / u[0] < 99.5), units[-1])
    value = seconds / size
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def bounds(low: float, high: float, form: str = "") -> tuple[str, str]:
    """Write the ends of an interval rounded outwards: the lower end down, the upper end up.

    So what is printed covers what was computed, up to the twelfth significant digit, where the
    computation itself is rounded. Every interval is printed with it.

    Args:
        low: Lower end; minus infinity where there is none.
        high: Upper end.
        form: Format of both, `.3f`, `+.3g` or `.0%` for instance; empty for that of `digits`.

    >>> bounds(-6.001, 5.999), bounds(0.6306, 1, ".0%"), bounds(1.25, 1.25, "+.1f")
    (('-6.01', '6'), ('63 %', '100 %'), ('+1.2', '+1.3'))
    """
    return _outwards(low, form, ROUND_FLOOR), _outwards(high, form, ROUND_CEILING)


def _outwards(value: float, form: str, rounding: str) -> str:
    if math.isfinite(value) and value != 0:
        exact = Decimal(f"{value:.12g}")
        value = float(exact.quantize(Decimal((0, (1,), _last(exact, form))), rounding=rounding))
    return f"{value + 0.0:{form}}".replace("%", " %") if form else digits(value + 0.0)


def _last(exact: Decimal, form: str) -> int:
    """Power of ten of the last digit that the format writes."""
    if not form:
        return min(exact.adjusted() - 2, 0) if 3 <= exact.adjusted() < 5 else exact.adjusted() - 2
    count, kind = int(form.lstrip("+").strip(".fg%")), form[-1]
    return {"f": -count, "%": -count - 2, "g": exact.adjusted() - max(count, 1) + 1}[kind]
