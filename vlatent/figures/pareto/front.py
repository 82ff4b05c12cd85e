"""Which trials no other beats, and the best compromise among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def front(values: Sequence[Sequence[float]], maximize: Sequence[bool]) -> list[bool]:
    """Which rows no other is as good as in every objective and better than in one; equals stay.

    Args:
        values: One row a trial, one column an objective.
        maximize: Of which objectives more is better.
    """
    signed = _upward(values, maximize)
    return [not ((signed >= row).all(1) & (signed > row).any(1)).any() for row in signed]


def knee(values: Sequence[Sequence[float]], maximize: Sequence[bool]) -> int:
    """Index of the front's row that is nearest to the best of every objective at once; all finite.

    d^2 = sum over objectives of ((best - value) / range)^2, with best and range of the front; an
    objective in which the whole front is equal counts for nothing. The first of those as near.
    """
    signed = _upward(values, maximize)
    rows = np.flatnonzero(np.array(front(values, maximize)))
    best, span = signed[rows].max(0), np.ptp(signed[rows], axis=0)
    distance = (best - signed[rows]) / np.where(span > 0, span, 1)
    return int(rows[(distance**2).sum(1).argmin()])


def _upward(
    values: Sequence[Sequence[float]], maximize: Sequence[bool]
) -> Float[np.ndarray, "trial objective"]:
    """The values with signs such that more is better."""
    signs = np.where(maximize, 1.0, -1.0)
    return np.array(values, dtype=float).reshape(-1, len(signs)) * signs
