"""Where labels go, so that they cover neither each other nor what they name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from jaxtyping import Float

Boxes = Float[np.ndarray, "_ 4"]  # middles, across and upward, and halves of both sides

HEIGHT = 14  # pixels of a label
CLEAR = 5  # pixels by which other marks should be farther from a label than its own
FAR = 8  # pixels to go rather than to cover or come near to one more mark
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
TRIED = np.array([(far, *side) for far, side in product((3, 10, 20, 32), SIDES)], dtype=float)


def label_places(
    named: Boxes, widths: Sequence[float], hard: Boxes, soft: Boxes, size: tuple[float, float]
) -> list[tuple[float, float] | None]:
    """Middles of labels, in pixels from the panel's lower left corner; None where no room is left.

    Args:
        named: The marks that have a label; the earlier, the better its place.
        widths: Widths of the labels.
        hard: What must not be covered.
        soft: What is better not covered.
        size: Width and height of the panel.
    """
    places: list[tuple[float, float] | None] = []
    taken = np.empty((0, 4))  # by labels
    away, sides = TRIED[:, :1], TRIED[:, 1:]
    for mark, width in zip(named, widths, strict=True):
        half = np.array([width, HEIGHT]) / 2
        middles = mark[:2] + (mark[2:] + away + half) * sides
        outside = (np.abs(middles - np.array(size) / 2) + half > np.array(size) / 2 - 2).any(1)
        apart = _gaps(middles, half, hard)
        covers = (apart < 0).any(1) | (_gaps(middles, half, taken) < 0).any(1)
        cost = (apart < away + CLEAR).sum(1) + (_gaps(middles, half, soft) < 0).sum(1)
        cost = np.where(outside | covers, np.inf, cost + away[:, 0] / FAR)
        best = int(cost.argmin())
        if np.isinf(cost[best]):
            places.append(None)
        else:
            places.append((float(middles[best, 0]), float(middles[best, 1])))
            taken = np.vstack([taken, [*middles[best], *half]])
    return places


def _gaps(
    middles: Float[np.ndarray, "tried 2"], half: Float[np.ndarray, " side"], boxes: Boxes
) -> Float[np.ndarray, "tried _"]:
    """Pixels between a label in each place and each box, below 0 where they overlap."""
    distance = np.abs(middles[:, None] - boxes[:, :2])
    return (distance - boxes[:, 2:] - half).max(2)
