"""What a change does to one statistic, from differences between runs that are paired by seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TypeVar

import numpy as np
import scipy
from jaxtyping import Float

from vlatent.formatting import bounds, digits
from vlatent.intervals import ALPHA, ANYTHING, alike, interval, refuse_not_finite, unseen

RESAMPLES = 9_999  # sign flips at most: all of them up to 13 pairs, a seeded sample beyond
SKEWED = 1.0  # skewness beyond which differences count as skewed ("highly", Bulmer 1979)
UNBOUNDED = "unbounded"  # a worst case that nothing limits
NULL = "the differences are symmetric about 0"  # what p tests

Key = TypeVar("Key")
Limits = tuple[float, float]


@dataclass(frozen=True)
class Effect:
    """What a change does to one statistic, from differences paired by seed.

    Attributes:
        mean: Mean difference, changed minus base; NaN without a pair.
        low: Lower end of its 95 % interval, as `vlatent.intervals.interval` makes it.
        high: Upper end.
        standardized: Mean over standard deviation of the differences (Cohen's d_z, 1988), without
            a correction for few pairs; infinite when all are equal and not 0, NaN when all are 0
            and below two pairs.
        p: Two-sided p of the sign-flip permutation test; its null hypothesis is `NULL`.
        adjusted: The same after Holm's correction over its family; alone, p itself.
        improvement: Share of the pairs whose difference is above 0, ties counting half: 0.5 when
            nothing changes, 1 when every seed rises; NaN without a pair.
        n: Number of pairs.
        skewness: Third standardized moment of the differences; NaN below three and of equal ones.
        worst: Ends of the interval if every pair that is missing were as low, or as high, as it
            can be; None if none is missing.
    """

    mean: float
    low: float
    high: float
    standardized: float
    p: float
    adjusted: float
    improvement: float
    n: int
    skewness: float = math.nan
    worst: Limits | None = None

    @property
    def established(self) -> bool:
        """Whether it may be called an effect: Holm-adjusted p < 0.05."""
        return self.adjusted < ALPHA

    @property
    def suggestive(self) -> bool:
        """Whether the interval excludes 0, but the test does not establish an effect."""
        return not self.established and (self.low > 0 or self.high < 0)

    @property
    def constant(self) -> bool:
        """Whether all differences are equal; records of version 1 gave such a width of 0."""
        return self.n > 1 and (self.low == self.high or not math.isfinite(self.standardized))

    @property
    def skewed(self) -> bool:
        """Whether the differences are so skewed that they contradict what p assumes.

        Skewness beyond -1 or 1 (Bulmer 1979). Calibration: 8 pairs, of which one collapses, have
        2.27 in size, the most that 8 can have; 10 % of normal samples of 8 exceed 1, 5 % of 16,
        and 53 % of lognormal ones of 8. A tail that no pair has shown is not seen: with a collapse
        on 1 of 8 seeds and a mean of 0, a third of all samples of 8 have none, all their
        differences have one sign, and p is .008 without a warning.
        """
        return abs(self.skewness) > SKEWED


def paired(
    differences: Sequence[float], possible: Limits = ANYTHING, missing: Sequence[Limits] = ()
) -> Effect:
    """The effect behind differences, one a seed, changed minus base.

    Calibration: differences of one sign have p = 2 / 2^n; all 0, p = 1; below two pairs p = 1.

    Args:
        differences: One that is not finite is a ValueError: a failed run is left out, together
            with its partner, before.
        possible: Lowest and highest difference that there can be.
        missing: Lowest and highest difference that each pair which is missing could have had.
            That runs failed may be due to what they would have measured, so the mean is only known
            to lie between those with all of them at one end (Manski 1990); its interval reaches
            from the lower end of the one to the upper end of the other (Horowitz and Manski 2000),
            and is never narrower than that of the pairs that are left.
    """
    refuse_not_finite(differences, "differences")
    mean, low, high = interval(differences, possible)
    n, standardized, skewness, p = len(differences), math.nan, math.nan, 1.0
    if n >= 2:
        p = float(sign_flips(np.array(differences, dtype=float)))
        if not alike(differences):
            standardized = mean / float(np.std(differences, ddof=1))
            skewness = float(scipy.stats.skew(differences)) if n > 2 else math.nan
        elif mean:
            standardized = math.copysign(math.inf, mean)
    above = [(difference > 0) + (difference == 0) / 2 for difference in differences]
    improvement = fmean(above) if above else math.nan
    worst = _worst(differences, possible, missing) if missing else None
    return Effect(mean, low, high, standardized, p, p, improvement, n, skewness, worst)


def sign_flips(differences: Float[np.ndarray, "*families pair"]) -> Float[np.ndarray, "*families"]:
    """Two-sided p of the sign-flip permutation test, of many samples of at least two pairs at once.

    Exact up to 13 pairs: the share of the 2^n ways to flip signs whose mean is at least as far from
    0 (Fisher 1935), beyond from 9,999 seeded ones (Phipson and Smyth 2010). The null hypothesis is
    that a difference is as likely as its negative: symmetry about 0. Pairing ensures it where the
    change does nothing at all; a change that leaves the mean as it is and the distribution
    lopsided can be found significant.
    """
    test = scipy.stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        batch=256,
        vectorized=True,
        axis=-1,
        rng=np.random.default_rng(0),
    )
    return np.asarray(test.pvalue)


def _worst(differences: Sequence[float], possible: Limits, missing: Sequence[Limits]) -> Limits:
    """Ends of the intervals with all missing pairs at their lowest, and at their highest."""
    lowest, highest = zip(*missing, strict=True)
    low, high = ANYTHING
    if all(map(math.isfinite, lowest)):
        low = interval([*differences, *lowest], possible)[1]
    if all(map(math.isfinite, highest)):
        high = interval([*differences, *highest], possible)[2]
    if len(differences) > 1:
        _, least, most = interval(differences, possible)
        low, high = min(low, least), max(high, most)
    return low, high


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p (1979), in the given order: below 0.05 with a family-wise rate of 5 %.

    The k-th smallest of m is multiplied by m - k + 1, no less than the one before, at most 1.
    Calibration: (0.01, 0.04, 0.03) gives (0.03, 0.06, 0.06).
    """
    refuse_not_finite(ps, "ps")
    adjusted, largest = [1.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda index: ps[index])):
        largest = max(largest, min((len(ps) - rank) * ps[index], 1.0))
        adjusted[index] = largest
    return adjusted


def family(effects: Mapping[Key, Effect]) -> dict[Key, Effect]:
    """Effects with p adjusted over all of them.

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


def in_words(change: str, statistic: str, effect: Effect) -> str:
    """What the numbers support in a sentence, and their cautions in others.

    Args:
        change: Name of what was done: "without total_variation".
        statistic: What was measured, inside a sentence: "kurtosis".
        effect: What came of it, adjusted over its family.
    """
    said = [_finding(change, statistic, effect)]
    if effect.constant and not effect.mean:
        said.append(
            f"At most {bounds(0, unseen(effect.n), '.0%')[1]} of all seeds differ (95 % confidence)"
            f"{_at_most(effect)}."
        )
    if effect.skewed:
        said.append(
            f"Its differences are skewed ({effect.skewness:+.1f}): p tests their symmetry about 0, "
            "not whether their mean is 0."
        )
    if effect.worst is not None:
        said.append(f"Wherever the missing pairs lie, the difference is {worst_case(effect)}.")
    return " ".join(said)


def worst_case(effect: Effect) -> str:
    """The interval with missing pairs as low and as high as they can be, in words."""
    low, high = effect.worst or (effect.low, effect.high)
    if not (math.isfinite(low) or math.isfinite(high)):
        return UNBOUNDED
    return f"within [{', '.join(bounds(low, high))}]"


def _finding(change: str, statistic: str, effect: Effect) -> str:
    if effect.n < 2:
        single = f"only one pair is left (difference {digits(effect.mean)})" if effect.n else ""
        return f"{change}, nothing can be said about {statistic}: {single or 'no pair is left'}."
    small = f"n = {effect.n}, Holm-adjusted p {effect.adjusted:.2g} for symmetry about 0"
    if effect.constant and not effect.mean:
        return f"{change}, {statistic} is exactly the same in all {effect.n} pairs."
    sign = math.copysign(1, effect.mean)
    least, most = sorted((sign * effect.low, sign * effect.high))
    span = small
    if least < most and (math.isfinite(least) or math.isfinite(most)):
        span = f"95 % interval {' to '.join(bounds(least, most))}, {small}"
    shown = effect.established or effect.suggestive
    if effect.constant and not shown:
        by = digits(effect.mean)
        return (
            f"{change}, {statistic} differs by {by} in all pairs, which establish nothing ({span})."
        )
    if effect.constant:
        span = f"the same in all pairs, {span}"
    elif not shown:
        return (
            f"{change}, no detectable effect on {statistic}: the interval excludes differences "
            f"larger than {largest(effect)} (mean {digits(effect.mean)}, 95 % interval "
            f"{' to '.join(bounds(effect.low, effect.high))}, {small})."
        )
    verb = "rises" if effect.mean > 0 else "falls"
    said = f"{change}, {statistic} {verb} by {digits(abs(effect.mean))} ({span})"
    if not effect.established:
        never = smallest_p(effect.n) >= ALPHA
        why = f": {effect.n} pairs cannot establish anything" if never else ""
        return f"{said}: suggestive, not established{why}."
    if least <= 0:
        return f"{said}: the direction is established, the size is not."
    return f"{said}."


def largest(effect: Effect) -> str:
    """Two digits of the farthest end of the interval, never less than it."""
    return digits(float(bounds(0, max(-effect.low, effect.high), ".2g")[1]))


def _at_most(effect: Effect) -> str:
    """How far the mean difference can be from 0, where it was 0 in every pair."""
    farthest = max(-effect.low, effect.high)
    return f", their mean by {largest(effect)} at most" if 0 < farthest < math.inf else ""
