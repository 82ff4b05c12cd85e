"""The axis of an objective: where its values stand, and what is written there."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from studies.result import Objective
from vlatent.figures.page import Scale
from vlatent.formatting import digits

FLOOR = 1e-9  # on a log scale, what is less stands here
EVEN = 0.1  # a symlog scale is even up to this far from 0, and logarithmic beyond


@dataclass(frozen=True)
class Ruler:
    """The axis of an objective; its ends are in even units, as `evenly` has them."""

    objective: Objective
    low: float
    high: float

    @classmethod
    def around(cls, objective: Objective, values: Sequence[float]) -> Ruler:
        """The axis that shows all finite values and the limit, with room on both sides."""
        limit = [] if objective.limit is None else [objective.limit]
        even = evenly(np.array([*values, *limit], dtype=float), objective.scale)
        even = even[np.isfinite(even)]
        low, high = (float(even.min()), float(even.max())) if even.size else (0.0, 0.0)
        span, size = high - low, max(abs(low), abs(high))
        if objective.scale == "linear":
            room = 0.08 * span if span > 1e-3 * size else 0.1 * size or 0.5
        else:
            room = 0.08 * span if span > 1 else 0.5  # a decade at least: it has round values
        return cls(objective, low - room, high + room)

    def place(self, values: Float[np.ndarray, " value"]) -> Float[np.ndarray, " value"]:
        """Places from 0 at the low end to 1 at the high one, where also stands what is beyond."""
        even = evenly(values, self.objective.scale)
        return np.clip((even - self.low) / (self.high - self.low), 0.0, 1.0)

    def ticks(self, size: Callable[[str], float]) -> dict[float, str]:
        """Places and the round values written there, of which each takes this share of the axis."""
        log, ticks = self.objective.scale == "log", dict[float, str]()
        values = np.array(self._round_values(), dtype=float)
        even = evenly(values, self.objective.scale)
        places = (even - self.low) / (self.high - self.low)
        for value, place in zip(values.tolist(), places.tolist(), strict=True):
            words = digits(value) if log else f"{value + 0.0:g}"  # + 0.0: never -0
            words = f"≤ {words}" if log and value == FLOOR else words
            free = all(
                abs(place - other) >= (size(words) + size(label)) / 2
                for other, label in ticks.items()
            )
            if 0 <= place <= 1 and free:
                ticks[place] = words
        return ticks

    def _round_values(self) -> list[float]:
        """Values that may be written, the more important first; some lie beyond the ends."""
        if self.objective.scale == "linear":
            return Scale(self.low, self.high).values()
        if self.objective.scale == "log":
            values = Scale(10**self.low, 10**self.high, log=True).values()
            return [value for value in values if value >= FLOOR]
        decades = math.ceil(max(abs(self.low), abs(self.high)))
        first, steps = (-1, (1, 2, 5)) if decades < 3 else (0, (1,))
        values = [EVEN * 10.0**decade * step for decade in range(first, decades) for step in steps]
        return [0.0, *(sign * value for value in reversed(values) for sign in (1, -1))]


def evenly(values: Float[np.ndarray, " value"], scale: str) -> Float[np.ndarray, " value"]:
    """Values in units that are evenly apart on the scale.

    linear: v; log: log10(v), not below that of `FLOOR`; symlog: v / `EVEN` up to 1, beyond
    1 + log10(v / `EVEN`), and the same with a minus below 0.
    """
    if scale == "log":
        return np.log10(np.maximum(values, FLOOR))
    if scale == "symlog":
        size = np.abs(values) / EVEN
        return np.sign(values) * np.where(size <= 1, size, 1 + np.log10(np.maximum(size, 1)))
    return values
