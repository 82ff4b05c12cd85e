"""Intervals at 95 %: of means over seeds and of counts, and what n equal values still leave open.

None has the width 0: that n runs came out the same does not say that every run will.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import fmean

import numpy as np
import scipy

from vlatent.formatting import bounds, digits

ALPHA = 0.05  # error rate of a family of tests; intervals cover the rest
ROUNDING = 1e-12  # relative difference below which values are equal
SMALLEST = 1e-150  # of which the square is still a number
ANYTHING = (-math.inf, math.inf)


def interval(
    values: Sequence[float],
    possible: tuple[float, float] = ANYTHING,
    beside: Sequence[Sequence[float]] = (),
) -> tuple[float, float, float]:
    """Mean and 95 % interval: mean -+ t(0.975, n - 1) * s / sqrt(n) (Student 1908).

    With other groups of values `beside`, s is the spread within groups, pooled over all of them,
    and t has their degrees of freedom: sum of (n_g - 1). The groups should spread alike. Of few and
    skewed values it covers more often than t alone, as s is not that of the values that made the
    mean: `benchmarks/racing.py`.

    What no statistic of this kind can be is cut off, which leaves the coverage as it is: of a
    share, all beyond 0 and 1. Infinitely wide for one value, which says nothing about the spread,
    and the mean NaN for none.

    Where all n values are equal, t has nothing to go by. An outcome of probability q is missed by
    all of them with probability (1 - q)^n, so at most q = `unseen(n, 0.025)` of the runs lie below
    and at most as many above, each with 97.5 % confidence (Clopper and Pearson 1934, for 0 of n).
    As far below as is `possible`, they would move the mean to value - q * (value - lowest): that is
    the lower end, the upper one is made alike, and infinite where nothing limits the statistic.

    Args:
        values: Of independent runs. One that is not finite is a ValueError.
        possible: Lowest and highest value that the statistic can have.
        beside: Values of other trials on several seeds each, whose spread is taken to be the same.

    Calibration: (1, 2, 3) gives 2 -+ 2.484, beside (4, 6) and (5, 5) 2 -+ 1.603; 6 on each of 8
    seeds, of at most 6, gives [3.78, 6], and without limits an infinite interval. Where a
    statistic is 6, its highest, in 9 of 10 runs and another value in the others, 99.9 % of the
    intervals from 8 runs cover its mean (t alone: 57 %); at least 90 % do where it is so in any
    share of the runs from a half on.
    """
    refuse_not_finite(values, "values")
    groups = [values, *(others for others in beside if others)]
    freedom = sum(len(group) - 1 for group in groups)
    if not values or not freedom:
        return (values[0] if values else math.nan), -math.inf, math.inf
    mean, n = fmean(values), len(values)
    if all(alike(group) for group in groups):
        q = unseen(n, ALPHA / 2)
        low, high = (mean + q * (end - mean) for end in possible)
    else:
        spread = math.sqrt(sum(np.var(group) * len(group) for group in groups) / freedom)
        half = float(scipy.stats.t.ppf(1 - ALPHA / 2, freedom) * spread) / n**0.5
        low, high = mean - half, mean + half
    return (mean, *within(possible, mean, low, high))


def alike(values: Sequence[float]) -> bool:
    """Whether values are equal, up to the rounding of a computation with them."""
    low, high = min(values), max(values)
    return bool(high - low <= ROUNDING * max(-low, high) + SMALLEST)


def within(
    possible: tuple[float, float], value: float, low: float, high: float
) -> tuple[float, float]:
    """The ends of an interval around a value, as far as they are possible."""
    return min(max(low, possible[0]), value), max(min(high, possible[1]), value)


@lru_cache(maxsize=256)
def proportion(count: int, total: int) -> tuple[float, float]:
    """Exact 95 % interval of a share that was found in `count` of `total` (Clopper, Pearson 1934).

    It covers at least 95 % whatever the share is. Calibration: 8 of 8 gives [0.63, 1], 7 of 8
    [0.47, 1.00], 0 of 0 [0, 1].
    """
    if not total:
        return 0.0, 1.0
    ends = scipy.stats.binomtest(count, total).proportion_ci(1 - ALPHA, "exact")
    return float(ends.low), float(ends.high)


def unseen(n: int, alpha: float = ALPHA) -> float:
    """Largest probability of an outcome that n runs miss with at least the probability alpha.

    1 - alpha^(1/n), for many runs 3 / n (Hanley and Lippman-Hand 1983). With 8 runs it is 0.31: a
    collapse on every fourth seed may not have shown.
    """
    return float(1 - alpha ** (1 / n)) if n else 1.0


def bracket(mean: float, low: float, high: float, form: str = ".3f") -> str:
    """A mean with its interval in brackets, or with the word that there is none."""
    text = f"{mean + 0.0:{form}}".replace("%", " %") if form else digits(mean)
    if low == high or not (math.isfinite(low) or math.isfinite(high)):
        return f"{text} (no interval: a single one, or all the same)"
    return f"{text} [{', '.join(bounds(low, high, form))}]"


def counted(count: int, total: int, of: str = "") -> str:
    """How many of how many, with the exact interval of the share.

    >>> counted(8, 8), counted(0, 0), counted(4, 5, "seeds")
    ('8 of 8 [63 %, 100 %]', '0 of 0', '4 of 5 seeds [28 %, 100 %]')
    """
    said = f"{count} of {total} {of}".rstrip()
    return f"{said} [{', '.join(bounds(*proportion(count, total), '.0%'))}]" if total else said


def refuse_not_finite(values: Sequence[float], name: str) -> None:
    """Raise a ValueError that names the first value that is NaN or infinite."""
    for index, value in enumerate(values):
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite, but {name}[{index}] is {value}.")
