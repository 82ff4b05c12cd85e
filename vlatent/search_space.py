"""Range or choices of a searched parameter, and where a value stands among them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Axis:
    """A scale from low to high, or of a few choices.

    Attributes:
        low: Its lowest value.
        high: Its highest value.
        log: Whether it is even in the logarithm; low is then above 0.
        values: The choices, rising, one as far from the next as every other; none of a range.
        labels: What choices without an order are called; their values count them from 0.
    """

    low: float
    high: float
    log: bool = False
    values: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()

    @classmethod
    def named(cls, labels: Sequence[str]) -> Axis:
        """The scale of these choices without an order, of at least one."""
        distinct = tuple(dict.fromkeys(labels))
        values = tuple(map(float, range(len(distinct))))
        return cls(0.0, values[-1], values=values, labels=distinct)

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

    def number(self, value: object) -> float:
        """A value as a number of the scale: of a choice without an order, its place in the list.

        >>> Axis.named(["adam", "sgd"]).number("sgd"), Axis(0.1, 1.0).number(0.5)
        (1.0, 0.5)
        """
        if self.labels:
            return float(self.labels.index(str(value)))
        assert isinstance(value, int | float)
        return float(value)

    def position(self, value: float) -> float:
        """Place of the value, 0 at `low` and 1 at `high`; 0.5 where the scale is one value.

        >>> Axis(0.01, 1.0, log=True).position(0.1)
        0.5
        """
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
