"""The history of a study: scores by trial, and which criteria each trial violated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from matplotlib.axes import Axes

from studies.figures.search.marks import marks_legend, scatter, score_limits
from studies.figures.search.trials import TrialRow
from vlatent.figures.drawing import COLORS
from vlatent.figures.page import GRAY, NORMAL, SMALL, Page, fitted, measured
from vlatent.figures.sheet import WIDTH, say, sheet
from vlatent.figures.ticks import round_values

NOT_JUDGED, HELD, VIOLATED = 0, 1, 2  # levels of `Judgement`


@dataclass(frozen=True)
class Judgement:
    """Which criterion was violated in which trial, the one violated most often first.

    Attributes:
        criteria: Names, in rows.
        level: VIOLATED, HELD or, where the trial has no such margin, NOT_JUDGED.
        early: Whether the trial ended early, so that its margins are not final.
        violations: How many of the complete trials violate the criterion.
        complete: How many complete trials were judged at all.
    """

    criteria: list[str]
    level: Int[np.ndarray, "criterion trial"]
    early: Bool[np.ndarray, " trial"]
    violations: list[int]
    complete: int


def judgement(trials: Sequence[TrialRow]) -> Judgement:
    """The criteria by trials; a margin that is no number is violated."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.margins))
    early = np.array([trial.state != "complete" for trial in trials], dtype=bool)
    level = np.full((len(names), len(trials)), NOT_JUDGED)
    for column, trial in enumerate(trials):
        for row, name in enumerate(names):
            if name in trial.margins:
                level[row, column] = HELD if trial.margins[name] <= 0 else VIOLATED
    violated = level == VIOLATED
    count = (violated & ~early).sum(1)
    order = np.lexsort((-violated.sum(1), -count))
    return Judgement(
        criteria=[names[row] for row in order],
        level=level[order],
        early=early,
        violations=[int(count[row]) for row in order],
        complete=int((~early & (level != NOT_JUDGED).any(0)).sum()),
    )


def best_so_far(trials: Sequence[TrialRow]) -> list[tuple[int, float]]:
    """Highest score of the feasible complete trials up to each trial, from the first such on."""
    line: list[tuple[int, float]] = []
    for trial in trials:
        best = line[-1][1] if line else -math.inf
        if trial.kind == "feasible" and trial.score is not None:
            best = max(best, trial.score)
        if math.isfinite(best):
            line.append((trial.number, best))
    return line


def history_page(title: str, trials: Sequence[TrialRow], label: str = "score") -> Page:
    """Score by trial with the best so far; below it, which criteria each trial violated."""
    judged, line = judgement(trials), best_so_far(trials)
    entries = marks_legend(trials, label)
    if line:
        entries.append(("best feasible so far", [{"color": COLORS[0], "lw": 1.6}]))
    height, band = 300, max(len(judged.criteria), 2) * 20
    words = f"{label} of every trial, in the order in which they were tried"
    page, top = sheet(title, "History", words, entries, height + 58 + band + 50)

    names = [fitted(name, 200, 1, SMALL) for name in judged.criteria]
    left = max(70.0, *(measured(name, SMALL) + 22 for name in names), 0.0)
    width = WIDTH - left - 108
    numbers = [trial.number for trial in trials] or [0]
    first, last = numbers[0], numbers[-1]
    panel = page.axes(left, top, width, height)
    strip = page.axes(left, top + height + 58, width, band)
    for axes in (panel, strip):
        axes.set_xlim(first - 0.5, last + 0.5)
        axes.xaxis.set_major_locator(round_values(10, integer=True, min_n_ticks=1))
    panel.tick_params(labelbottom=False)
    panel.set_ylabel(label, size=NORMAL, parse_math=False)
    panel.yaxis.set_label_coords(-44 / width, 0.5)
    score_limits(panel, trials)
    if line:
        panel.plot(
            [*(number for number, _ in line), last + 0.5],
            [*(best for _, best in line), line[-1][1]],
            drawstyle="steps-post",
            color=COLORS[0],
            lw=1.6,
        )
    scatter(panel, trials, {trial.number: float(trial.number) for trial in trials})

    page.text(left, top + height + 14, "Violated criteria", weight="bold")
    if names:
        words = "dark: violated · light: held · between: pruned · white: not ended"
        page.text(left, top + height + 33, words, size=SMALL, color=GRAY)
        words = "violated by\ncomplete trials"
        page.text(WIDTH - 12, top + height + 14, words, ha="right", size=SMALL)
    strip.set_xlabel("trial", size=NORMAL)
    strip.grid(False)
    _judgement(strip, judged, numbers)
    strip.set_yticks(range(len(names)), names, parse_math=False)
    for row, count in enumerate(judged.violations):
        middle = top + height + 58 + band * (row + 0.5) / len(names)
        words = f"{count} of {judged.complete}"
        page.text(WIDTH - 12, middle, words, ha="right", va="center", size=SMALL)
    return page


def _judgement(strip: Axes, judged: Judgement, numbers: Sequence[int]) -> None:
    """The criteria as rows of cells, one a trial; a column without a trial stays white."""
    if not judged.criteria:
        strip.set_yticks([])
        say(strip, "no trial was judged")
        return
    rows, columns = len(judged.criteria), numbers[-1] - numbers[0] + 1
    cells = np.full((rows, columns, 3), 255, dtype=np.uint8)
    colors = {HELD: (224, 236, 244), VIOLATED: (157, 60, 20)}
    at = np.array(numbers) - numbers[0]
    for level, color in colors.items():
        row, column = np.nonzero(judged.level == level)
        cells[row, at[column]] = color
    row, column = np.nonzero((judged.level == VIOLATED) & judged.early)
    cells[row, at[column]] = (226, 170, 142)
    extent = (numbers[0] - 0.5, numbers[-1] + 0.5, rows - 0.5, -0.5)
    crisp = "nearest" if columns <= strip.bbox.width else "auto"
    strip.imshow(cells.repeat(20, axis=0), aspect="auto", extent=extent, interpolation=crisp)
    strip.tick_params(axis="y", length=0)
    for line in range(1, rows):
        strip.axhline(line - 0.5, color="white", lw=2)
    if columns <= 100:
        for number in range(numbers[0] + 1, numbers[-1] + 1):
            strip.axvline(number - 0.5, color="white", lw=0.8)
