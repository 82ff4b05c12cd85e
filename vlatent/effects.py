"""How much a part does: differences between runs paired by seed, and factorial contrasts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import fmean
from typing import TypeVar

import numpy as np
import scipy
from jaxtyping import Float

ALPHA = 0.05  # error rate of a family of tests; intervals cover the rest
RESAMPLES = 9_999  # sign flips at most: all of them up to 13 pairs, a seeded sample beyond
DRAWS = 10_000  # simulated ablations behind a promised power: its standard error is 0.4 %
BATCH = 1_000_000  # subset means in memory at once while they are simulated

Key = TypeVar("Key")


@dataclass(frozen=True)
class Effect:
    """What a change does to one statistic, from differences paired by seed.

    Attributes:
        mean: Mean difference, changed minus base; NaN without a pair.
        low: Lower end of its 95 % t interval; minus infinity below two pairs.
        high: Upper end.
        standardized: Mean over standard deviation of the differences (Cohen's d_z, 1988), without
            a correction for few pairs; infinite when all are equal and not 0, NaN below two pairs.
        p: Two-sided p of the sign-flip permutation test.
        adjusted: The same after Holm's correction over its family; alone, p itself.
        improvement: Share of the pairs whose difference is above 0, ties counting half: 0.5 when
            nothing changes, 1 when every seed rises; NaN without a pair.
        n: Number of pairs.
    """

    mean: float
    low: float
    high: float
    standardized: float
    p: float
    adjusted: float
    improvement: float
    n: int

    @property
    def established(self) -> bool:
        """Whether it may be called an effect: Holm-adjusted p < 0.05."""
        return self.adjusted < ALPHA

    @property
    def suggestive(self) -> bool:
        """Whether the interval excludes 0, but the test does not establish an effect."""
        return not self.established and (self.low > 0 or self.high < 0)


def interval(
    values: Sequence[float], possible: tuple[float, float] = (-math.inf, math.inf)
) -> tuple[float, float, float]:
    """Mean and 95 % t interval: mean -+ t(0.975, n - 1) * s / sqrt(n) (Student 1908).

    Infinitely wide for one value, and the mean NaN for none: n < 2 says nothing about the spread.
    Not finite is a ValueError. Calibration: (1, 2, 3) gives 2 -+ 2.484. What no statistic of this
    kind can be is cut off, which leaves the coverage as it is: of a share, all beyond 0 and 1.
    """
    _refuse_not_finite(values, "values")
    if len(values) < 2:
        return (values[0] if values else math.nan), -math.inf, math.inf
    mean, n = fmean(values), len(values)
    half = float(scipy.stats.t.ppf(1 - ALPHA / 2, n - 1)) * _deviation(values) / math.sqrt(n)
    return (mean, *within(possible, mean, mean - half, mean + half))


def within(
    possible: tuple[float, float], value: float, low: float, high: float
) -> tuple[float, float]:
    """The ends of an interval around a value, as far as they are possible."""
    return min(max(low, possible[0]), value), max(min(high, possible[1]), value)


def bracket(mean: float, low: float, high: float, form: str = ".3f") -> str:
    """A mean over seeds with its interval in brackets, or with the word that there is none."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{mean:{form}} (one seed, no interval)"
    return f"{mean:{form}} [{low:{form}}, {high:{form}}]"


def paired(differences: Sequence[float]) -> Effect:
    """The effect behind differences, one a seed, changed minus base.

    p is exact up to 13 pairs: the share of the 2^n ways to flip signs whose mean is at least as
    far from 0 (Fisher 1935), beyond from 9,999 seeded ones (Phipson and Smyth 2010). It assumes
    that a difference is as likely as its negative when the change does nothing, which pairing
    ensures. Calibration: differences of one sign have p = 2 / 2^n; all 0, p = 1 and an interval
    of exactly [0, 0]; below two pairs p = 1. A difference that is not finite is a ValueError: a
    failed run is left out, together with its partner, before.
    """
    _refuse_not_finite(differences, "differences")
    mean, low, high = interval(differences)
    n, standardized, p = len(differences), math.nan, 1.0
    if n >= 2:
        deviation = _deviation(differences)
        standardized = mean / deviation if deviation else math.copysign(math.inf, mean)
        if mean == deviation == 0:
            standardized = 0.0
        test = scipy.stats.permutation_test(
            (np.array(differences, dtype=float),),
            np.mean,
            permutation_type="samples",
            n_resamples=RESAMPLES,
            vectorized=True,
            rng=np.random.default_rng(0),
        )
        p = float(test.pvalue)
    above = [(difference > 0) + (difference == 0) / 2 for difference in differences]
    improvement = fmean(above) if above else math.nan
    return Effect(mean, low, high, standardized, p, p, improvement, n)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p (1979), in the given order: below 0.05 with a family-wise rate of 5 %.

    The k-th smallest of m is multiplied by m - k + 1, no less than the one before, at most 1.
    Calibration: (0.01, 0.04, 0.03) gives (0.03, 0.06, 0.06).
    """
    _refuse_not_finite(ps, "ps")
    adjusted, largest = [1.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda index: ps[index])):
        largest = max(largest, min((len(ps) - rank) * ps[index], 1.0))
        adjusted[index] = largest
    return adjusted


def family(effects: Mapping[Key, Effect]) -> dict[Key, Effect]:
    """The same effects with p adjusted over all of them.

    One without pairs counts as a test that finds nothing: the family is what was planned.
    """
    adjusted = holm([effect.p for effect in effects.values()])
    return {
        key: replace(effect, adjusted=p)
        for (key, effect), p in zip(effects.items(), adjusted, strict=True)
    }


def smallest_p(n: int) -> float:
    """Smallest p that n pairs can have: 2 / 2^n, but no less than 2 / 10,000."""
    return 2 / min(2**n, RESAMPLES + 1)


def power(n: int, effect: float, tests: int = 1, alpha: float = ALPHA) -> float:
    """Chance that n pairs establish a standardized effect in a family of this many tests.

    At the level alpha / tests of Holm's first step: the least that his procedure has, reached when
    nothing else in the family is established. By simulation of the sign-flip test that `paired`
    makes, for normal differences; the t test would promise too much, since with few pairs only
    few p are possible. Calibration: where all signs must agree (n = 8 and 6 tests) it is
    Phi(effect)^n; 0 where not even that is enough (n = 8 and 7 tests; n = 5 and 1 test).
    """
    return float((_needed(n, tests, alpha) < abs(effect)).mean())


def detectable(n: int, tests: int = 1, power: float = 0.8, alpha: float = ALPHA) -> float:
    """Smallest standardized effect that n pairs establish with this power, as `power` has it.

    Infinite where no effect is large enough. Calibration, within 0.02: 1.20 at n = 8, 0.75 at
    n = 16 and infinite at n = 5 for one test; 1.92 at n = 8 and 1.00 at n = 16 for six.
    """
    return float(np.quantile(_needed(n, tests, alpha), power, method="higher"))


def detectable_by_interval(n: int, power: float = 0.8, alpha: float = ALPHA) -> float:
    """Smallest standardized effect whose own t interval lies on its side of 0 with this power.

    Exact for normal differences, by the noncentral t; what `detectable` comes near to for one test
    and many pairs. It suggests an effect and establishes none. Infinite below two pairs.
    Calibration: 1.68 at n = 5, 1.16 at n = 8, 0.75 at n = 16.
    """
    if n < 2:
        return math.inf
    limit = scipy.stats.t.ppf(1 - alpha / 2, n - 1)

    def lacking(effect: float) -> float:
        return power - float(scipy.stats.nct.sf(limit, n - 1, effect * math.sqrt(n)))

    enough = 1.0
    while lacking(enough) > 0:
        enough *= 2
    return float(scipy.optimize.brentq(lacking, 0, enough))


def in_words(change: str, statistic: str, effect: Effect) -> str:
    """One sentence that says what the numbers support, and nothing else.

    Args:
        change: What was done, at the beginning of a sentence: "Without total_variation".
        statistic: What was measured, inside a sentence: "kurtosis".
        effect: What came of it, adjusted over its family.
    """
    if effect.n < 2:
        found = f"only one pair is left (difference {_digits(effect.mean)})" if effect.n else ""
        return f"{change}, nothing can be said about {statistic}: {found or 'no pair is left'}."
    if effect.low == effect.high == 0:
        return f"{change}, {statistic} is exactly the same in all {effect.n} pairs."
    small = f"n = {effect.n}, Holm-adjusted p {effect.adjusted:.2g}"
    if not (effect.established or effect.suggestive):
        bound = _rounded_up(max(-effect.low, effect.high))
        return (
            f"{change}, no detectable effect on {statistic}: the interval excludes differences "
            f"larger than {bound} (mean {_digits(effect.mean)}, 95 % interval "
            f"{_digits(effect.low)} to {_digits(effect.high)}, {small})."
        )
    ends = sorted(math.copysign(1, effect.mean) * end for end in (effect.low, effect.high))
    interval = f"95 % interval {_digits(ends[0])} to {_digits(ends[1])}"
    verb = "rises" if effect.mean > 0 else "falls"
    said = f"{change}, {statistic} {verb} by {_digits(abs(effect.mean))} ({interval}, {small})"
    if effect.suggestive:
        never = smallest_p(effect.n) >= ALPHA
        why = f": {effect.n} pairs cannot establish anything" if never else ""
        return f"{said}: suggestive, not established{why}."
    if ends[0] <= 0:
        return f"{said}: the direction is established, the size is not."
    return f"{said}."


@lru_cache(maxsize=64)
def _needed(n: int, tests: int, alpha: float) -> Float[np.ndarray, " draw"]:
    """The standardized effect from which each of many simulated ablations is established.

    A flip of the signs of the pairs A brings the mean of normal noise z plus effect at least as
    far from 0 as it was when the sum over A is not above 0: when the effect is at most
    -mean_A(z), which is distributed as mean_A(z). So p is small enough as soon as the effect
    exceeds all but the few largest of these means.
    """
    few = math.ceil(alpha / (tests * smallest_p(n)) - 1e-9) - 1  # flips, the identity included
    if few < 1:
        return np.full(DRAWS, np.inf)
    draw = np.random.default_rng(0)
    if 2**n <= RESAMPLES:
        subsets = (np.arange(1, 2**n)[:, None] >> np.arange(n)) & 1
    else:
        subsets = draw.integers(0, 2, (RESAMPLES, n))
    size = subsets.sum(1)
    average = (subsets / np.maximum(size, 1)[:, None]).T
    needed = []
    for noise in np.array_split(draw.normal(size=(DRAWS, n)), math.ceil(DRAWS * len(size) / BATCH)):
        means = noise @ average
        means[:, size == 0] = np.inf  # the identity is as far from 0 whatever the effect
        means.partition(-few, axis=1)
        needed.append(means[:, -few].copy())
    return np.concatenate(needed)


def _refuse_not_finite(values: Sequence[float], name: str) -> None:
    for index, value in enumerate(values):
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite, but {name}[{index}] is {value}.")


def _deviation(values: Sequence[float]) -> float:
    """Standard deviation with n - 1; exactly 0 when all are equal."""
    return float(np.std(values, ddof=1)) if min(values) < max(values) else 0.0


def _digits(value: float) -> str:
    """Three digits at least, without an exponent for what people read as whole numbers."""
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value + 0.0:.3g}"


def _rounded_up(value: float) -> str:
    """Two digits, never less than the value."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return _digits(math.ceil(value / step * (1 - 1e-12)) * step)
