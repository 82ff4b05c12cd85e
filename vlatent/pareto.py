"""Which trials no other beats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def front(values: Sequence[Sequence[float]], maximize: Sequence[bool]) -> list[bool]:
    """Which rows no other is as good as in every objective and better than in one; equals stay.

    Args:
        values: One row a trial, one column an objective.
        maximize: Whether more is better, for every objective.
    """
    signs = np.where(maximize, 1.0, -1.0)
    signed = np.array(values, dtype=float).reshape(-1, len(signs)) * signs
    return [not ((signed >= row).all(1) & (signed > row).any(1)).any() for row in signed]
