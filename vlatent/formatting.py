"""How numbers are written wherever people read them."""

from __future__ import annotations

import math
import re


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
