"""The numbers that the figures of an ablation show, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from vlatent.effects import Effect
from vlatent.formatting import bounds, digits
from vlatent.shapes import Latents

Interval = tuple[float, float, float]  # mean, low, high

WIDEST = 3.0  # median half widths: intervals that reach farther beyond all means are cut off


@dataclass(frozen=True)
class ForestRow:
    """One statistic of every arm against the base.

    Attributes:
        statistic: Label of the statistic, with a unit where it has one.
        base: Mean of the statistic over the base's seeds.
        effects: What came of every arm, adjusted over its family; the same arms in the same order
            for every statistic.
        against: What they are compared with: "base", or "none" for Shapley values.
    """

    statistic: str
    base: float
    effects: Mapping[str, Effect]
    against: str = "base"


@dataclass(frozen=True)
class Dose:
    """One statistic against the factor of a weight.

    Attributes:
        statistic: Label of the statistic, with a unit where it has one.
        values: The statistic on every seed by factor, at least one factor; no value where every
            run failed; none that is not finite. Factor 1 is the base.
        wanted: Lowest and highest value for which the criterion holds, infinite where it has no
            such end; None where there is no criterion.
        possible: Lowest and highest value that it can have: no interval reaches beyond.
    """

    statistic: str
    values: Mapping[float, Sequence[float]]
    wanted: tuple[float, float] | None
    possible: tuple[float, float] = (-math.inf, math.inf)


@dataclass(frozen=True)
class ArmLatents:
    """Latents of the sentences under one arm, all on the same seed; None where that run failed.

    Attributes:
        read: What a decoder reads from them; nothing where none does.
    """

    arm: str
    latent: Latents | None
    read: Sequence[str] = ()


def extent(intervals: Sequence[Interval], beside: Sequence[float]) -> tuple[float, float]:
    """Ends of a scale: all means and other values, and all intervals but the widest, and room."""
    values = [mean for mean, _, _ in intervals if math.isfinite(mean)] + list(beside)
    if not values:
        return -1.0, 1.0
    finite = [ends for ends in intervals if all(map(math.isfinite, ends))]
    reach = WIDEST * median((high - low) / 2 for _, low, high in finite) if finite else 0.0
    lowest, highest = min(values), max(values)
    low = min([lowest, *(max(low, lowest - reach) for _, low, _ in finite)])
    high = max([highest, *(min(high, highest + reach) for _, _, high in finite)])
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return low - room, high + room


def places(factors: Sequence[float]) -> dict[float, float]:
    """Where factors stand: a doubling is 1 apart, and 0 stands 1.5 before the smallest."""
    doublings = {factor: math.log2(factor) for factor in factors if factor > 0}
    first = min(doublings.values(), default=0.0) - 1.5
    return {factor: doublings.get(factor, first) for factor in sorted(factors)}


def called(factor: float) -> str:
    """A factor as people write it."""
    return {0.25: "¼", 0.5: "½", 0.75: "¾"}.get(factor, digits(factor))


def criterion(wanted: tuple[float, float] | None) -> str:
    """Where a criterion holds, in words."""
    if wanted is None:
        return ""
    low, high = wanted
    if math.isfinite(low) and math.isfinite(high):
        return f"wanted: {digits(low)} to {digits(high)}"
    return f"wanted: ≥ {digits(low)}" if math.isfinite(low) else f"wanted: ≤ {digits(high)}"


def in_figures(effect: Effect, seeds: int) -> tuple[str, str, str]:
    """Mean difference with its interval, number of pairs, and p, as far as there are any.

    Two digits of the interval's half width are written: what lies below is noise. The ends are
    rounded outwards. Where all pairs are equal and nothing limits the statistic, there is none.
    """
    n = f"{effect.n}" if effect.n >= seeds else f"{effect.n} of {seeds}"
    if effect.n == 0:
        return "no pair is left", n, ""
    if effect.n == 1:
        return f"{digits(effect.mean)} (one pair)", n, ""
    p = f"{effect.adjusted:.2g}{', skewed' if effect.skewed else ''}"
    half = (effect.high - effect.low) / 2
    if not (math.isfinite(effect.low) or math.isfinite(effect.high)) or half == 0:
        return f"{digits(effect.mean)} (the same in all pairs)", n, p
    decimals = max(0, 1 - math.floor(math.log10(half))) if half < math.inf else 7
    form = f"+.{decimals}f" if decimals <= 6 else ""
    mean = f"{round(effect.mean, decimals) + 0.0:{form}}" if form else digits(effect.mean)
    return f"{mean} [{', '.join(bounds(effect.low, effect.high, form))}]", n, p
