"""Figures of importance: what can be predicted, from which parameters, how, and which pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from analysis.importance.result import Estimate, Finding, Importance
from analysis.importance.text import METHODS, called, mattering
from vlatent.figures.drawing import BAND_COLOR, COLORS
from vlatent.figures.page import GRAY, INK, NORMAL, SMALL, Page, fitted, measured
from vlatent.figures.parameter_names import broken, pattern, short_names
from vlatent.figures.sheet import LINE, WIDTH, instead, sheet
from vlatent.figures.ticks import axis_ticks, round_values
from vlatent.search_space import Axis

DOTS: dict[str, dict[str, Any]] = {
    "forest": {"marker": "o", "color": COLORS[0], "ms": 6},
    "fanova": {"marker": "s", "color": COLORS[1], "ms": 4.5},
    "ped_anova": {"marker": "D", "color": COLORS[2], "ms": 4.5},
}
HEARD: dict[str, Any] = {"marker": "o", "color": COLORS[0], "mfc": COLORS[0], "ms": 6}
SILENT: dict[str, Any] = {"marker": "o", "color": GRAY, "mfc": "white", "ms": 6}
BETWEEN = 26  # pixels between blocks


def figures(result: Importance) -> dict[str, bytes]:
    """PNG files: `importances`, and where there is signal `dependence` and `interactions`."""
    pages = {"importances": importances_page(result)}
    if result.heard:
        pages["dependence"] = dependence_page(result)
    if result.heard and len(result.space) > 1:
        pages["interactions"] = interactions_page(result)
    return {name: page.png() for name, page in pages.items()}


def importances_page(result: Importance) -> Page:
    """R2 of every target, and below it the parameters of those that have enough signal."""
    tested = [finding for finding in result.findings if finding.r2 is not None]
    title, subject = _asked(result), "Importances"
    if not tested:
        complete = result.states["complete"]
        return instead(title, subject, f"{complete} complete trials say nothing about parameters.")
    short = short_names(list(result.space))
    labels = [broken(name, 120, SMALL) for name in short.values()]
    pitch = max(30, max(label.count("\n") + 1 for label in labels) * 15 + 6)
    block = LINE + 8 + pitch * len(labels) + 40
    rows = math.ceil(len(result.heard) / 2)
    above = 22 * len(tested) + 62
    words = (
        "above: share of the variance of each target's ranks that a forest predicts in trials it "
        "has not seen (R2); below: what the targets with enough signal owe to each parameter, by "
        "three methods. Lines: 95 % intervals over trials." + pattern(short)
    )
    legend = [(METHODS[name], [{"ls": "", **style}]) for name, style in DOTS.items()]
    entries = [
        ("R2, enough signal", [{"ls": "", **HEARD}]),
        ("R2, too little signal", [{"ls": "", **SILENT}]),
        *legend,
    ]
    page, top = sheet(title, subject, words, entries, above + rows * (block + BETWEEN))
    _skills(page, top + 6, tested)
    left = max(measured(line, SMALL) for label in labels for line in label.split("\n")) + 22
    width = (WIDTH - 2 * left - 40) / 2
    for index, finding in enumerate(result.heard):
        row, column = divmod(index, 2)
        at = left + column * (left + width + 22)
        down = top + above + row * (block + BETWEEN)
        heading = fitted(called(finding), width + left - 20, 1, NORMAL)
        page.text(at - left + 12, down, heading, weight="bold")
        axes = page.axes(at, down + LINE + 8, width, pitch * len(labels))
        _shares(axes, finding, labels)
    return page


def dependence_page(result: Importance) -> Page:
    """Partial dependence of every target with enough signal on every parameter."""
    short = short_names(list(result.space))
    columns = min(len(short), 5)
    across = math.ceil(len(short) / columns)
    left, between, height = 66, 12, 110
    width = (WIDTH - left - 14 - between * (columns - 1)) / columns
    labels = [broken(name, width, SMALL) for name in short.values()]
    head = max(label.count("\n") + 1 for label in labels) * 15 + 6
    line = head + height + 34
    block = LINE + 10 + across * line
    words = (
        "what the forest predicts for each value of one parameter, on average over the others; "
        "shaded: 95 % interval over trials; ticks: the values that were tried. Blue parameters "
        "matter: their importance is surely above 0." + pattern(short)
    )
    body = len(result.heard) * (block + BETWEEN)
    page, top = sheet(_asked(result), "Partial dependence", words, [], body)
    for index, finding in enumerate(result.heard):
        assert finding.curves is not None
        down = top + index * (block + BETWEEN)
        better = f"{called(finding)}, {finding.target.better} is better"
        page.text(12, down, fitted(better, WIDTH - 24, 1, NORMAL), weight="bold")
        matter = mattering(finding)
        low = min(float(curve.min()) for curve in finding.curves.low)
        high = max(float(curve.max()) for curve in finding.curves.high)
        room = (high - low) * 0.06 or 1.0
        for row, (name, axis) in enumerate(result.space.items()):
            line_number, column = divmod(row, columns)
            at = left + column * (width + between)
            below = down + LINE + 10 + line_number * line + head
            color = COLORS[0] if row in matter else GRAY
            page.text(at, below - 5, labels[row], size=SMALL, va="bottom", color=color)
            axes = page.axes(at, below, width, height)
            axes.set_ylim(low - room, high + room)
            _curve(axes, finding, row, color, bool(axis.labels))
            tried = [axis.position(trial.params[name]) for trial in finding.target.trials]
            axes.plot(tried, np.full(len(tried), low - room), "|", color=INK, ms=7, mew=0.7)
            _ticks(axes, axis, width)
            axes.yaxis.set_major_locator(round_values(4))
            axes.tick_params(labelleft=column == 0)
    return page


def interactions_page(result: Importance) -> Page:
    """Maps of interactions, one a target."""
    short = short_names(list(result.space))
    count = len(short)
    longest = max(measured(name, SMALL) for name in short.values())
    side = min(max(40 * count, 160), (WIDTH - 24 - 2 * longest - 50) / 2)
    per_row = 2
    block = LINE * 2 + 14 + side + longest + 12
    rows = math.ceil(len(result.heard) / per_row)
    words = (
        "share of the variance of what the forest predicts that is due to two parameters "
        "together, beyond what each does alone, in percent (the numerator of Friedman's H², over "
        "the whole variance). Framed: more than the strongest pair of data without any "
        "interaction in 19 of 20 cases, and than the 2 % that ranks make of a sum." + pattern(short)
    )
    page, top = sheet(_asked(result), "Interactions", words, [], rows * (block + BETWEEN))
    shares = [f.interactions.shares for f in result.heard if f.interactions is not None]
    darkest = max(float(np.max(shares)), 0.05)
    for index, finding in enumerate(result.heard):
        row, column = divmod(index, per_row)
        at = 12 + longest + 8 + column * (side + longest + 50)
        down = top + row * (block + BETWEEN)
        assert finding.interactions is not None
        heading = fitted(called(finding), side + longest + 40, 1, NORMAL)
        page.text(at - longest - 8, down, heading, weight="bold")
        chance = f"without any, up to {finding.interactions.chance:.1%}"
        page.text(at - longest - 8, down + LINE, chance, size=SMALL, color=GRAY)
        _map(page, (at, down + LINE * 2 + 10, side), finding, list(short.values()), darkest)
    return page


def _asked(result: Importance) -> str:
    return f"Study {result.study}" + (
        "" if result.question == result.study else f": {result.question}"
    )


def _skills(page: Page, top: float, tested: Sequence[Finding]) -> None:
    """R2 of every target with its interval, and whether it is enough."""
    labels = [called(finding) for finding in tested]
    left = max(measured(label, SMALL) for label in labels) + 26
    numbers = 168
    axes = page.axes(left, top, WIDTH - left - numbers, 22 * len(tested))
    estimates = [finding.r2 for finding in tested if finding.r2 is not None]
    axes.set_xlim(min(-0.3, *(estimate.low for estimate in estimates)) - 0.03, 1.03)
    axes.axvline(0, color=INK, linewidth=0.9)
    for place, (finding, estimate) in enumerate(zip(tested, estimates, strict=True)):
        style = SILENT if finding.silent else HEARD
        _interval(axes, place, estimate, style, (-math.inf, 1.0))
        said = f"{estimate.value:.2f}" + ("  too little signal" if finding.silent else "")
        color = GRAY if finding.silent else INK
        page.text(
            *(WIDTH - numbers + 8, top + 22 * (place + 0.5), said),
            size=SMALL,
            color=color,
            va="center",
        )
    _rows(axes, labels)
    axes.set_xlabel("R2: 0: no prediction, 1: perfect", size=SMALL)


def _shares(axes: Axes, finding: Finding, labels: Sequence[str]) -> None:
    """The parameters of one target by all methods, each a little below the other."""
    low = min(estimate.low for estimate in finding.forest)
    high = max(estimate.high for estimate in finding.forest)
    axes.set_xlim(max(min(low, -0.05), -0.5) - 0.03, min(max(high, 1.0), 1.5) + 0.03)
    axes.axvline(0, color=INK, linewidth=0.9)
    for offset, (method, style) in zip((-0.25, 0.0, 0.25), DOTS.items(), strict=True):
        for place, estimate in enumerate(getattr(finding, method)):
            _interval(axes, place + offset, estimate, style, (-0.5, 1.5))
    _rows(axes, labels)
    axes.set_xlabel("share", size=SMALL)


def _interval(
    axes: Axes, place: float, estimate: Estimate, style: dict[str, Any], limits: tuple[float, float]
) -> None:
    shown = estimate.within(*limits)
    axes.plot([shown.low, shown.high], [place, place], color=style["color"], linewidth=1.4)
    axes.plot(shown.value, place, **style)


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(round_values(6))


def _curve(axes: Axes, finding: Finding, row: int, color: str, apart: bool) -> None:
    """A curve with its band; of choices without an order one mark each."""
    curves = finding.curves
    assert curves is not None
    places = curves.positions[row]
    shade = BAND_COLOR if color == COLORS[0] else "#E6E6E6"
    if apart:
        axes.vlines(places, curves.low[row], curves.high[row], color=shade, linewidth=9)
        axes.plot(places, curves.middle[row], color=color, linestyle="", marker="o", ms=4)
        return
    axes.fill_between(places, curves.low[row], curves.high[row], color=shade, linewidth=0)
    marker = "o" if len(places) < 10 else ""
    axes.plot(places, curves.middle[row], color=color, linewidth=1.6, marker=marker, ms=4)


def _ticks(axes: Axes, axis: Axis, width: float) -> None:
    """Both ends of the parameter's scale, and what fits between."""
    margin = 6 / width
    axes.set_xlim(-margin, 1 + margin)
    widest = max(measured(label, SMALL) for _, label in axis_ticks(axis, 0))
    ticks = axis_ticks(axis, (widest * 1.5 + 8) / width)
    axes.set_xticks([place for place, _ in ticks], [label for _, label in ticks], parse_math=False)
    ends = axes.get_xticklabels()
    ends[0].set_horizontalalignment("left")
    ends[-1].set_horizontalalignment("right")


def _map(
    page: Page,
    place: tuple[float, float, float],
    finding: Finding,
    names: Sequence[str],
    darkest: float,
) -> None:
    """The pairs below the diagonal; what a parameter does alone is no pair."""
    left, top, side = place
    assert finding.interactions is not None
    shares, count = finding.interactions.shares, len(names)
    axes = page.axes(left, top, side, side)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    lower = np.where(np.tri(count, k=-1, dtype=bool), shares, np.nan)
    axes.imshow(lower, cmap=colormaps["Blues"], vmin=0, vmax=darkest, aspect="auto")
    axes.set_yticks(range(1, count), names[1:], parse_math=False)
    axes.set_xticks(range(count - 1), names[:-1], rotation=90, parse_math=False)
    axes.tick_params(length=0)
    axes.set(xlim=(-0.5, count - 1.5), ylim=(count - 0.5, 0.5))
    fits = side / (count - 1) > measured("10.0", SMALL) + 4
    for row in range(1, count):
        for column in range(row):
            share = shares[row, column]
            if fits:
                color = "white" if share > 0.6 * darkest else INK
                words = f"{100 * share:.1f}"
                axes.text(column, row, words, size=SMALL, color=color, ha="center", va="center")
            if share > finding.interactions.chance:
                frame = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, lw=2)
                frame.set(edgecolor=COLORS[1], clip_on=False, zorder=4)
                axes.add_patch(frame)
