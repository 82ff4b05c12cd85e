"""The trials as lines across the scales of their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from studies.figures.search.marks import called
from studies.figures.search.trials import TrialRow, chosen, complete, score_axis
from vlatent.figures.drawing import COLORS
from vlatent.figures.page import INK, NORMAL, SMALL, Page, measured
from vlatent.figures.parameter_names import broken, pattern, short_names, split
from vlatent.figures.sheet import FAINT, LINE, WIDTH, Entry, instead, sheet
from vlatent.figures.ticks import axis_ticks
from vlatent.formatting import digits
from vlatent.search_space import Axis

HEIGHT = 360  # pixels
SHADES = (0.35, 1.0)  # of the color map: the lightest can be told from white and from gray
WINNING_LINE: dict[str, Any] = {"color": COLORS[1], "lw": 3.0}
START_LINE: dict[str, Any] = {"color": INK, "lw": 1.4, "ls": (0, (4, 2))}


def parallel_positions(
    trials: Sequence[TrialRow], axes: Mapping[str, Axis], score: Axis
) -> Float[np.ndarray, "trial axis"]:
    """Place of every trial on the axes of its parameters and, last, on that of its score."""
    rows = [
        [axis.position(trial.params[name]) for name, axis in axes.items()]
        + [score.position(trial.score or 0.0)]
        for trial in trials
    ]
    return np.array(rows, dtype=float).reshape(len(trials), len(axes) + 1)


def parallel_coordinates_page(
    title: str, trials: Sequence[TrialRow], axes: Mapping[str, Axis], outcome: str = "score"
) -> Page:
    """One line a complete trial across the axes of its parameters to its score."""
    drawn = [trial for trial in complete(trials) if axes.keys() <= trial.params.keys()]
    if not drawn:
        return instead(title, "Parallel coordinates", "No trial was trained to the end.")
    score = score_axis(drawn)
    short = short_names(list(axes))
    ticks = [axis_ticks(axis, 20 / HEIGHT) for axis in (*axes.values(), score)]
    right = max(64.0, 20 + max(measured(label, SMALL) for _, label in ticks[-1]))
    pitch = (WIDTH - 72 - right) / max(len(axes), 1)
    parts = [part for name in short.values() for part in split(name)]
    levels = 2 if any(measured(part, NORMAL, "bold") > pitch - 10 for part in parts) else 1
    labels = [broken(short[name], pitch * levels - 10, NORMAL) for name in axes] + [outcome]
    tall = [
        LINE * max((label.count("\n") + 1 for label in labels[level::levels]), default=0) + 6
        for level in range(levels)
    ]
    head = sum(tall) + 8
    words = (
        "one line a complete trial, from the values of its parameters to its "
        f"{outcome} at the right; pruned and failed trials are left out.{pattern(short)}"
    )
    body = head + HEIGHT + 28
    page, top = sheet(title, "Parallel coordinates", words, _lines_legend(drawn, outcome), body)
    first = max(measured(line, NORMAL, "bold") for line in labels[0].split("\n"))
    left = max(24.0, 12 + first / 2)
    width = WIDTH - left - right
    panel = page.axes(left, top + head, width, HEIGHT)
    panel.set(xlim=(0, len(axes)), ylim=(0, 1))
    panel.grid(False)
    panel.set_axis_off()
    _lines(panel, drawn, parallel_positions(drawn, axes, score))

    panel.vlines(range(len(ticks)), 0, 1, color=INK, lw=1.2, clip_on=False, zorder=6)
    crossings = [(index, place) for index, marks in enumerate(ticks) for place, _ in marks]
    panel.plot(*zip(*crossings, strict=True), "_", ms=7, color=INK, clip_on=False, zorder=6)
    backdrop = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1}
    beside: dict[str, Any] = {"va": "center", "size": SMALL, "color": INK, "bbox": backdrop}
    for index, (marks, label) in enumerate(zip(ticks, labels, strict=True)):
        lift = tall[0] if index % levels else 0
        if lift:
            panel.plot([index] * 2, [1, 1 + lift / HEIGHT], color=FAINT, lw=0.8, clip_on=False)
        at, below = left + width * index / max(len(axes), 1), top + head - 10 - lift
        page.text(at, below, label, ha="center", va="bottom", weight="bold")
        for place, value in marks:
            panel.text(index + 5 / pitch, place, value, zorder=7, **beside)
    return page


def _lines(panel: Axes, drawn: Sequence[TrialRow], places: Float[np.ndarray, "trial axis"]) -> None:
    """Infeasible trials gray, feasible ones by score, over them trial 0 and the chosen one."""
    across = np.arange(places.shape[1])

    def draw(rows: Float[np.ndarray, "row axis"], order: int, **style: Any) -> None:
        segments = [np.column_stack([across, row]) for row in rows]
        panel.add_collection(LineCollection(segments, zorder=order, clip_on=False, **style))

    few = len(drawn) < 100
    good = np.array([trial.kind == "feasible" for trial in drawn], dtype=bool)
    later = np.array([trial.number == 0 for trial in drawn], dtype=bool)
    scores = np.array([trial.score for trial in drawn], dtype=float)
    draw(places[~good & ~later], 1, colors=FAINT, linewidths=0.8 if few else 0.5)
    shades = np.zeros((len(drawn), 4))
    shades[good] = _shades(scores[good])
    rising = [index for index in np.argsort(scores) if good[index] and not later[index]]
    draw(places[rising], 2, colors=shades[rising], linewidths=1.3 if few else 0.9)
    winner = chosen(drawn)
    for trial, row in zip(drawn, places, strict=True):
        if trial is winner:
            panel.plot(across, row, marker="o", ms=6, clip_on=False, zorder=4, **WINNING_LINE)
        if trial.number == 0:
            panel.plot(across, row, clip_on=False, zorder=5, **START_LINE)


def _lines_legend(drawn: Sequence[TrialRow], outcome: str) -> list[Entry]:
    """What the lines of the parallel coordinates mean, and how many there are of each."""
    scores = [trial.score or 0.0 for trial in drawn if trial.kind == "feasible"]
    entries: list[Entry] = []
    if scores:
        low, high = min(scores), max(scores)
        words = f"{digits(low)} (light) to {digits(high)} (dark)" if low < high else digits(low)
        ramp = _shades(np.linspace(low, high, 5))
        samples = [{"marker": "s", "ms": 5, "color": color} for color in ramp]
        entries.append((f"{len(scores)} feasible, {outcome} {words}", samples))
    if len(drawn) > len(scores):
        gray = {"color": FAINT, "lw": 1.0}
        entries.append((f"{len(drawn) - len(scores)} infeasible", [gray]))
    winner = chosen(drawn)
    if winner is not None:
        entries.append((called(winner, outcome), [WINNING_LINE]))
    if any(trial.number == 0 for trial in drawn):
        entries.append(("trial 0: the starting values", [START_LINE]))
    return entries


def _shades(scores: Float[np.ndarray, " trial"]) -> Float[np.ndarray, "trial 4"]:
    """A color for every score, darker for higher; all dark if they are all the same."""
    span = np.ptp(scores) if scores.size else 0.0
    level = (scores - scores.min()) / span if span > 0 else np.ones_like(scores)
    return np.asarray(colormaps["Blues"](SHADES[0] + level * (SHADES[1] - SHADES[0])))
