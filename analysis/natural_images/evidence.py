"""A number of the code beside what was measured, and how evidence is put into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.natural_images.photographs import TONES
from analysis.natural_images.table import ImageKind, Numbers
from vlatent.intervals import interval

Support = Literal["supported", "not supported", "a convention", "not decided"]

RECORD = next(iter(TONES))  # the tone that the targets are held to
CENTRAL = (0.1, 0.9)  # of the crops: what lies in here an ordinary crop can have


@dataclass(frozen=True)
class Evidence:
    """A number in the code and what was found about it.

    Attributes:
        name: Of the number.
        place: File in `vlatent` where it stands.
        says: What the code takes for granted.
        found: The evidence.
        verdict: Whether the evidence supports it; a convention needs none.
    """

    name: str
    place: str
    says: str
    found: str
    verdict: Support


def field_of(cells: Sequence[ImageKind], alpha: float) -> ImageKind:
    """The clean field of this slope."""
    return next(cell for cell in cells if cell.kind == "field" and cell.alpha == alpha)


def photographs_of(cells: Sequence[ImageKind], tone: str = RECORD) -> list[ImageKind]:
    """The photographs in one tone, largest scale last."""
    return [cell for cell in cells if cell.origin is not None and cell.origin.tone == tone]


def over_photographs(cells: Sequence[ImageKind]) -> tuple[float, float, float]:
    """Mean slope over photographs with its interval, each first averaged over scales and tones."""
    slopes: dict[str, list[float]] = {}
    for cell in cells:
        assert cell.origin is not None
        for name, alpha in cell.origin.alpha.items():
            slopes.setdefault(name, []).append(alpha)
    return interval([float(np.mean(alphas)) for alphas in slopes.values()])


def medians(cells: Sequence[ImageKind], statistic: str) -> Numbers:
    """Median over the crops of every photograph at every scale."""
    values = []
    for cell in photographs_of(cells):
        assert cell.origin is not None
        sources = cell.origin.sources
        values += [
            np.median(cell.values[statistic][sources == name]) for name in np.unique(sources)
        ]
    return np.array(values)


def holds(condition: bool) -> Support:
    """The verdict on something that can be seen."""
    return "supported" if condition else "not supported"


def span(values: Numbers, digits: int) -> str:
    """The smallest and the largest of some numbers."""
    return f"{values.min():.{digits}f} to {values.max():.{digits}f}"


def percent(share: float, digits: int = 0) -> str:
    """A share in percent."""
    return f"{100 * share:.{digits}f} %"


def percents(shares: Sequence[float]) -> str:
    """The smallest and the largest of some shares."""
    return f"{percent(min(shares))} to {percent(max(shares))}"
