"""What the figure of a front shows: objectives, and trials as points."""

from __future__ import annotations

from dataclasses import dataclass

Interval = tuple[float, float, float]  # mean, low and high end


@dataclass(frozen=True)
class Point:
    """One trial that was trained to the end.

    Attributes:
        number: Its number in the study; trial 0 has the starting values.
        values: What was found, by objective.
        on_front: Whether it is on the front.
        chosen: Whether it is the knee of the front, the best compromise.
        confirmed: Mean and 95 % interval on new seeds, by objective; None if it was not confirmed.
    """

    number: int
    values: tuple[float, ...]
    on_front: bool
    chosen: bool
    confirmed: tuple[Interval, ...] | None
