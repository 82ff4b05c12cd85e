"""Where an axis has marks, and what is written there."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.ticker import MaxNLocator

from vlatent.formatting import digits
from vlatent.search_space import Axis

LONGEST = 14  # characters of a choice's name


def axis_ticks(axis: Axis, gap: float) -> list[tuple[float, str]]:
    """Places and labels, `gap` apart: both ends, and between them choices or round values."""
    if axis.low == axis.high:
        return [(0.5, shown(axis, axis.low))]
    places = {axis.low: 0.0, axis.high: 1.0}
    for value in axis.values or _round_values(axis):
        place = axis.position(value)
        inside = axis.low < value < axis.high
        if inside and all(abs(place - other) >= gap for other in places.values()):
            places[value] = place
    return [(place, shown(axis, value)) for value, place in sorted(places.items())]


def shown(axis: Axis, value: float) -> str:
    """A value of the scale as it is written, a long name of a choice shortened."""
    if not axis.labels:
        return digits(value)
    name = " ".join(axis.labels[round(value)].split())
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 2]} …"


def round_values(count: int, **options: Any) -> MaxNLocator:
    """Locator of about this many marks at round values."""
    return MaxNLocator(count, steps=[1, 2, 5, 10], **options)


def _round_values(axis: Axis) -> list[float]:
    if not axis.log:
        return [float(value) for value in round_values(5).tick_values(axis.low, axis.high)]
    decades = range(math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high)) + 1)
    return [10.0**decade for decade in decades]
