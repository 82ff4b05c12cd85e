"""The figure of a front, drawn: a panel for every pair of objectives, and the legend."""

from __future__ import annotations

from collections.abc import Sequence

from studies.figures.pareto.panel import DOMINATED, MEAN, ON_FRONT, STAIRS, draw_panel
from studies.figures.pareto.points import Point
from studies.figures.pareto.ruler import EVEN, Ruler
from studies.figures.search.marks import STAR, START
from studies.result import Objective
from vlatent.figures.drawing import BAND_COLOR
from vlatent.figures.page import SMALL, Page, fitted
from vlatent.figures.sheet import HANDLE, LINE, WIDTH, Entry, instead, sample, sheet
from vlatent.formatting import digits

LEFT, ABOVE, BELOW = 112, 8, 80  # pixels for what is written around the panels
ASIDE, APART = 22, 46  # pixels from one panel to the next, across and down


def pareto_page(title: str, objectives: Sequence[Objective], points: Sequence[Point]) -> Page:
    """Every pair of two or more objectives in a panel."""
    if not points:
        return instead(title, "Front", "No trial was trained to the end.")
    last = len(objectives) - 1
    width = 400 if last == 1 else (WIDTH - LEFT - 16 + ASIDE) // last - ASIDE
    height = 360 if last == 1 else 270
    words = (
        "all trials that were trained to the end. On the front: no other is as good in every "
        f"objective and better in one.{_symlog(objectives)}"
    )
    page, top = sheet(title, "Front", words, [], ABOVE + last * (height + APART) - APART + BELOW)
    rulers = [
        Ruler.around(objective, [value for point in points for value in _shown(point, index)])
        for index, objective in enumerate(objectives)
    ]
    for row in range(last):
        for column in range(row + 1):
            left, down = LEFT + column * (width + ASIDE), top + ABOVE + row * (height + APART)
            pair, named = (column, row + 1), (row + 1 == last, column == 0)
            axes = rulers[column], rulers[row + 1]
            draw_panel(page, (left, down, width, height), axes, pair, points, named)
    _legend(page, LEFT + width + ASIDE, top + ABOVE, _entries(objectives, points))
    return page


def _shown(point: Point, index: int) -> list[float]:
    """The values of an objective for which its axis must have room; an interval may leave it."""
    return [point.values[index], *([point.confirmed[index][0]] if point.confirmed else [])]


def _symlog(objectives: Sequence[Objective]) -> str:
    names = [objective.label for objective in objectives if objective.scale == "symlog"]
    return f" Logarithmic beyond ±{EVEN:g}: {', '.join(names)}." if names else ""


def _entries(objectives: Sequence[Objective], points: Sequence[Point]) -> list[Entry]:
    """What the marks mean, and how many there are of each."""
    count = sum(point.on_front for point in points)
    entries: list[Entry] = [(f"{count} on the front, numbered where there is room", [ON_FRONT])]
    if count < len(points):
        entries.append((f"{len(points) - count} dominated", [DOMINATED]))
    for point in points:
        if point.chosen:
            reached = ", ".join(
                f"{objective.name} {digits(value)}"
                for objective, value in zip(objectives, point.values, strict=True)
            )
            entries.append((f"best compromise: trial {point.number}, {reached}", [STAR]))
    if any(point.number == 0 for point in points):
        entries.append(("trial 0: the starting values", [START]))
    if any(point.confirmed for point in points):
        words = "on new seeds: mean and 95 % interval; dashed: from what was found"
        entries.append((words, [MEAN | {"ms": 18}]))
    alone = " of the two objectives alone" if len(objectives) > 2 else ""
    entries.append((f"front{alone}", [STAIRS]))
    limits = [
        f"{objective.name} {'≥' if objective.maximize else '≤'} {digits(objective.limit)}"
        for objective in objectives
        if objective.limit is not None
    ]
    if limits:
        shade = {"marker": "s", "mfc": BAND_COLOR, "mec": "none", "ms": 10}
        entries.append((f"criteria hold: {', '.join(limits)}", [shade]))
    return entries


def _legend(page: Page, left: float, top: float, entries: Sequence[Entry]) -> None:
    """The entries one below the other."""
    for words, samples in entries:
        label = fitted(words, WIDTH - 12 - left - HANDLE - 4, 6, SMALL)
        sample(page, left, top + LINE / 2, samples)
        page.text(left + HANDLE + 4, top + 1, label, size=SMALL)
        top += LINE * (label.count("\n") + 1) + 6
