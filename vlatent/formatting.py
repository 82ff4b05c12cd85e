"""How numbers are written wherever people read them."""

from __future__ import annotations

import re


def digits(value: float) -> str:
    """Write a number with three significant digits, as short as possible.

    >>> [digits(value) for value in (0.05, 20, 1234.5, 1e-5)]
    ['0.05', '20', '1234', '1e-5']
    """
    if 1e3 <= abs(value) < 1e5:
        return f"{value:.0f}"
    return re.sub(r"e([+-])0*", lambda m: "e" + m[1].replace("+", ""), f"{value:.3g}")
