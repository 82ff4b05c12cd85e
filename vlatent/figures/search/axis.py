"""Scales: where a value stands between the lowest and the highest, and what is written there."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator


@dataclass(frozen=True)
class Axis:
    """A scale from low to high, or of a few choices.

    Attributes:
        low: Its lowest value.
        high: Its highest value.
        log: Whether it is even in the logarithm; low is then above 0.
        values: The choices, rising, one as far from the next as every other; none of a range.
    """

    low: float
    high: float
    log: bool = False
    values: tuple[float, ...] = ()

    @classmethod
    def choices(cls, values: Sequence[float]) -> Axis:
        """The scale of these choices, of at least one."""
        return cls(min(values), max(values), values=tuple(sorted(set(values))))

    def extended(self, values: Sequence[float]) -> Axis:
        """The scale with room for the values outside it that it can show."""
        shown = [value for value in values if math.isfinite(value) and (value > 0 or not self.log)]
        if self.values:
            return Axis.choices([*self.values, *shown])
        return replace(self, low=min([self.low, *shown]), high=max([self.high, *shown]))

    def position(self, value: float) -> float:
        """Place of the value, 0 at `low` and 1 at `high`; 0.5 where the scale is one value."""
        if self.low == self.high:
            return 0.5
        if self.values:
            return float(np.interp(value, self.values, np.linspace(0, 1, len(self.values))))
        if not self.log:
            place = (value - self.low) / (self.high - self.low)
        elif value <= 0:
            return 0.0
        else:
            place = math.log(value / self.low) / math.log(self.high / self.low)
        return min(max(place, 0.0), 1.0)

    def ticks(self, gap: float) -> list[tuple[float, str]]:
        """Places and labels, `gap` apart: both ends, and between them choices or round values."""
        if self.low == self.high:
            return [(0.5, digits(self.low))]
        ticks = {self.low: 0.0, self.high: 1.0}
        for value in self.values or self._round_values():
            place = self.position(value)
            inside = self.low < value < self.high
            if inside and all(abs(place - other) >= gap for other in ticks.values()):
                ticks[value] = place
        return [(place, digits(value)) for value, place in sorted(ticks.items())]

    def _round_values(self) -> list[float]:
        if not self.log:
            return [float(value) for value in round_values(5).tick_values(self.low, self.high)]
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        return [10.0**decade for decade in decades]


def digits(value: float) -> str:
    """A number in three digits, as short as it goes: 0.05, 20, 1000, 1e-5."""
    if 1e3 <= abs(value) < 1e5:
        return f"{value:.0f}"
    return re.sub(r"e([+-])0*", lambda m: "e" + m[1].replace("+", ""), f"{value:.3g}")


def round_values(count: int, **options: Any) -> MaxNLocator:
    """Marks at about this many round values."""
    return MaxNLocator(count, steps=[1, 2, 5, 10], **options)
