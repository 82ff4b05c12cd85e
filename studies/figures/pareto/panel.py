"""Two objectives against each other: all trials, the front, its knee and what was confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from studies.figures.pareto.labels import FAR, HEIGHT, label_places
from studies.figures.pareto.points import Point
from studies.figures.pareto.ruler import Ruler
from studies.figures.search.marks import STAR, START
from vlatent.figures.drawing import BAND_COLOR, COLORS, GOOD, Box
from vlatent.figures.page import GRAY, SMALL, Page, fitted, measured
from vlatent.figures.sheet import FAINT, LINE
from vlatent.pareto import front

Places = Float[np.ndarray, "_ 2"]  # across and upward

DOMINATED: dict[str, Any] = {"marker": "o", "mfc": FAINT, "mec": "white", "ms": 5.5, "mew": 0.5}
ON_FRONT: dict[str, Any] = {"marker": "o", "mfc": COLORS[0], "mec": "white", "ms": 7, "mew": 0.5}
STAIRS: dict[str, Any] = {"color": COLORS[0], "lw": 1.2, "alpha": 0.5}
CROSS: dict[str, Any] = {"colors": COLORS[1], "linewidths": 1.3}
MEAN: dict[str, Any] = {"marker": "+", "mec": COLORS[1], "ms": 8, "mew": 1.3}
LINK: dict[str, Any] = {"color": COLORS[1], "lw": 1.0, "ls": (0, (2, 1.5))}


def stairs(places: Places, maximize: tuple[bool, bool]) -> Places:
    """Corners of the line around all that the places dominate, for places from 0 to 1.

    Calibration: one place (x, y), more being better in both, has (0, y), (x, y) and (x, 0).
    """
    worst = np.where(maximize, 0.0, 1.0)
    best = places[front(places.tolist(), maximize)]
    best = best[np.argsort(np.abs(best[:, 0] - worst[0]), kind="stable")]
    across, upward = best.repeat(2, axis=0).T
    return np.column_stack([[worst[0], *across], [*upward, worst[1]]])


def draw_panel(
    page: Page,
    box: Box,
    rulers: tuple[Ruler, Ruler],
    pair: tuple[int, int],
    points: Sequence[Point],
    named: tuple[bool, bool],
) -> None:
    """One pair of objectives in a frame.

    Args:
        page: What is drawn on.
        box: Place of the panel.
        rulers: The axes, across and upward.
        pair: Which values of a point these are.
        points: The trials that were trained to the end, at least one.
        named: Whether the axes have their values and names written beside them.
    """
    axes = page.axes(*box)
    axes.set(xlim=(0, 1), ylim=(0, 1), autoscale_on=False)
    _grid(page, axes, box, rulers, named)
    _holding(axes, rulers)
    places = _placed(rulers, [[point.values[index] for index in pair] for point in points])
    maximize = (rulers[0].objective.maximize, rulers[1].objective.maximize)
    edge = stairs(places, maximize)
    axes.plot(*edge.T, zorder=2, **STAIRS)
    good = np.array([point.on_front for point in points], dtype=bool)
    axes.plot(*places[~good].T, ls="", zorder=3, **DOMINATED)
    axes.plot(*places[good].T, ls="", zorder=5, **ON_FRONT)
    lines = list(pairwise(edge))
    for point, place in zip(points, places, strict=True):
        if point.chosen:
            axes.plot(*place, ls="", zorder=6, **STAR)
        if point.number == 0:
            axes.plot(*place, ls="", zorder=7, **START)
        if point.confirmed:
            ends = list(zip(*(point.confirmed[index] for index in pair), strict=True))
            mean, (left, bottom), (right, top) = _placed(rulers, ends)
            axes.plot(*np.array([place, mean]).T, zorder=4, **LINK)
            arms = np.array(
                [[(left, mean[1]), (right, mean[1])], [(mean[0], bottom), (mean[0], top)]]
            )
            axes.add_collection(LineCollection(list(arms), zorder=8, **CROSS))
            axes.plot(*mean, ls="", zorder=8, **MEAN)
            lines += list(arms)
    _numbers(page, axes, box, points, places, np.array(lines))


def _placed(rulers: tuple[Ruler, Ruler], values: Sequence[Sequence[float]]) -> Places:
    across, upward = np.array(values, dtype=float).T
    return np.column_stack([rulers[0].place(across), rulers[1].place(upward)])


def _grid(
    page: Page, axes: Axes, box: Box, rulers: tuple[Ruler, Ruler], named: tuple[bool, bool]
) -> None:
    """The grid and, where an axis is named, its values, what it is and which end is better."""
    (left, top, width, height), (x, y) = box, rulers
    across = x.ticks(lambda words: (measured(words, SMALL) + 6) / width)
    upward = y.ticks(lambda words: 30 / height)
    axes.set_xticks(list(across), list(across.values()) if named[0] else [""] * len(across))
    axes.set_yticks(list(upward), list(upward.values()) if named[1] else [""] * len(upward))
    if named[0]:
        label = fitted(x.objective.label, width, 2, SMALL)
        below = top + height + 24
        page.text(left + width / 2, below, label, size=SMALL, ha="center")
        below += LINE * (label.count("\n") + 1)
        if x.objective.maximize:
            page.text(left + width, below, "better →", size=SMALL, color=GOOD, ha="right")
        else:
            page.text(left, below, "← better", size=SMALL, color=GOOD)
    if named[1]:
        label = fitted(y.objective.label, height, 2, SMALL)
        beside = left - 14 - max(measured(words, SMALL) for words in upward.values())
        page.text(beside, top + height / 2, label, size=SMALL, rotation=90, ha="right", va="center")
        style: dict[str, Any] = {"size": SMALL, "color": GOOD, "ha": "right"}
        if y.objective.maximize:
            page.text(left - 22, top - 2, "↑ better", va="bottom", **style)
        else:
            page.text(left - 22, top + height + 2, "↓ better", **style)


def _holding(axes: Axes, rulers: tuple[Ruler, Ruler]) -> None:
    """Shading where the criteria behind both objectives hold, as far as there are any."""
    if all(ruler.objective.limit is None for ruler in rulers):
        return
    (left, right), (bottom, top) = (_held(ruler) for ruler in rulers)
    axes.fill_between([left, right], bottom, top, color=BAND_COLOR, linewidth=0, zorder=0)


def _held(ruler: Ruler) -> tuple[float, float]:
    """From which place to which the criteria behind an objective hold."""
    limit, better = ruler.objective.limit, float(ruler.objective.maximize)
    begin = 1 - better if limit is None else float(ruler.place(np.array([limit], dtype=float))[0])
    return begin, better


def _numbers(
    page: Page,
    axes: Axes,
    box: Box,
    points: Sequence[Point],
    places: Places,
    lines: Float[np.ndarray, "line end side"],
) -> None:
    """The numbers of the trials on the front beside them, the more important ones first."""
    left, top, width, height = box
    size = np.array([width, height])
    radius = [11 if point.chosen else 9 if point.number == 0 else 4 for point in points]
    marks = np.column_stack([places * size, radius, radius])
    thin = np.column_stack([lines.mean(1) * size, np.ptp(lines, axis=1) * size / 2])
    good = np.array([point.on_front for point in points], dtype=bool)
    order = sorted(
        np.flatnonzero(good).tolist(),
        key=lambda row: (not points[row].chosen, not points[row].confirmed, points[row].number),
    )
    names = [str(points[row].number) for row in order]
    widths = [measured(name, SMALL, "bold") for name in names]
    soft = np.vstack([marks[~good], thin])
    middles = label_places(marks[order], widths, marks[good], soft, (width, height))
    for row, name, middle in zip(order, names, middles, strict=True):
        if middle is None:
            continue
        half = np.array([measured(name, SMALL), HEIGHT]) / 2
        edge = np.clip(marks[row, :2], middle - half, middle + half)
        if np.hypot(*(edge - marks[row, :2])) > radius[row] + FAR:
            line = np.array([marks[row, :2], edge]) / size
            axes.plot(*line.T, color=GRAY, lw=0.7, zorder=4)
        weight = "bold" if points[row].chosen else "normal"
        at = left + middle[0], top + height - middle[1]
        page.text(*at, name, size=SMALL, weight=weight, ha="center", va="center")
