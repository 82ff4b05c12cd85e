"""Figures of what a latent holds: readings beside chance, and maps of the sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from analysis.probes.linear_probe import Outcome, Reading
from analysis.probes.maps import Map
from analysis.probes.result import Probes
from analysis.probes.retrieval import MEDIAN_RANK
from analysis.probes.text import bracket, counted, number, ordered, percent
from vlatent.figures.drawing import COLORS
from vlatent.figures.page import GRAY, INK, SMALL, Page, measured
from vlatent.figures.sheet import HANDLE, WIDTH, instead, sample, sheet

QUESTION = "What does the latent know about the sentence?"
POINTS: dict[Outcome, dict[str, Any]] = {
    "above chance": {"marker": "o", "color": COLORS[0], "mfc": COLORS[0], "ms": 6},
    "at chance": {"marker": "o", "color": COLORS[1], "mfc": "white", "ms": 6},
    "not enough data": {"marker": "x", "color": GRAY, "mfc": GRAY, "ms": 6},
}
TRIVIAL: dict[str, Any] = {"color": INK, "marker": "|", "ms": 11, "mew": 1.6}
BAND: dict[str, Any] = {"color": "#B9D3E6", "lw": 9, "solid_capstyle": "butt"}
OF_BLOCKS = (
    ". Color, shape and relation of the fact first in the alphabet; argument order: which block is "
    "the subject; word order: which is named first"
)
ROW, LABEL, FIGURES = 22, 98, 228  # pixels
SIDE, LEFT, BETWEEN = 300, 56, 48  # of a map
MOST_MARKED = 12  # answers in a map; more could neither be told apart nor listed below it
MARKERS = "osD^vPX*<"
SHADES = {  # of blocks, dark enough for white paper
    "red": "#D62728",
    "green": "#2CA02C",
    "blue": "#1F77B4",
    "yellow": "#E6C200",
    "purple": "#9467BD",
    "orange": "#FF7F0E",
    "black": "#111111",
    "white": "#FFFFFF",
    "gray": "#9A9A9A",
}


def figures(result: Probes) -> dict[str, bytes]:
    """PNG files: `readings`, and a map a method, such as `map_pca`."""
    pages = {"readings": readings_page(result)}
    for method in dict.fromkeys(projection.method for projection in result.maps):
        name = f"map_{method.replace('-', '').lower()}"
        pages[name] = map_page(
            result, [projection for projection in result.maps if projection.method == method]
        )
    return {name: page.png() for name, page in pages.items()}


def readings_page(result: Probes) -> Page:
    """Every target in a block of its own, and in it a row a representation."""
    blocks: dict[str, dict[str, Reading]] = {}
    for (target, representation), reading in ordered(result):
        blocks.setdefault(target, {})[representation] = reading
    if not blocks:
        return instead(QUESTION, "Readings", "The sentences have no answers and no paraphrases.")
    body = sum(len(block) * ROW + 52 for block in blocks.values())
    group = "group" if result.labels else "scene"
    words = (
        f"{result.name}: {counted(result)}"
        + (f", {result.pairs} pairs of blocks in four sentences each" if result.pairs else "")
        + (OF_BLOCKS if "color" in blocks and "color" not in result.labels else "")
        + f". Accuracy, recall and rank on sentences held out by {group}; "
        f"lines: 95 % interval over {group}s."
    )
    entries: list[tuple[str, list[dict[str, Any]]]] = [
        (verdict, [{"ls": "", **style}]) for verdict, style in POINTS.items()
    ]
    entries.append(("answers shuffled: central 95 %", [BAND]))
    entries.append(("trivial: commonest answer, any sentence", [{"ls": "", **TRIVIAL}]))
    page, top = sheet(QUESTION, "Readings", words, entries, body)
    for target, block in blocks.items():
        page.text(12, top + 2, target, weight="bold")
        page.text(WIDTH - 12, top + 4, "probe · shuffled", size=SMALL, color=GRAY, ha="right")
        height = len(block) * ROW
        axes = page.axes(LABEL, top + 22, WIDTH - LABEL - FIGURES - 14, height)
        _readings(axes, target, block)
        for place, (representation, reading) in enumerate(block.items()):
            middle = top + 22 + (place + 0.5) * ROW
            page.text(LABEL - 8, middle, representation, size=SMALL, ha="right", va="center")
            figures = _figures(target, reading)
            page.text(WIDTH - 12, middle, figures, size=SMALL, ha="right", va="center")
        top += height + 52
    return page


def map_page(result: Probes, shown: list[Map]) -> Page:
    """A panel a target and representation, the sentences colored by their answers."""
    names = list(dict.fromkeys(projection.representation for projection in shown))
    panels = [
        (projection, target)
        for projection in shown
        for target in _marked(projection) or ("sentences",)
    ]
    targets = list(dict.fromkeys(target for _, target in panels))
    height = SIDE + 92
    share = percent(result.structure["between_share"].value.value)
    words = (
        f"{result.name}: every point is a sentence, near to those with similar latents. What "
        f"is spread out here is {share} of the variance of all latents; the rest is the same for "
        "every sentence or lies within the latents. "
        + ("Axes: principal components." if shown[0].method == "PCA" else "Axes have no meaning.")
    )
    body = height * len(targets)
    page, top = sheet(QUESTION, f"Sentences by {shown[0].method}", words, [], body)
    for projection, target in panels:
        left = LEFT + names.index(projection.representation) * (SIDE + BETWEEN)
        down = top + targets.index(target) * height
        page.text(left, down, f"{target}, {projection.representation}", weight="bold")
        _map(page.axes(left, down + 20, SIDE, SIDE), projection, target)
        if left == LEFT and target in projection.answers:
            _legend(page, LEFT - 6, down + SIDE + 60, _styles(projection.answers[target]))
    return page


def _readings(axes: Axes, target: str, block: dict[str, Reading]) -> None:
    """The rows of one target: what was found over what shuffled answers reach."""
    reach = [reading for reading in block.values() if not np.isnan(reading.value.value)]
    if target == MEDIAN_RANK:
        axes.set_xlim(0, 1.1 * max((one.control.high for one in reach), default=1.0))
    else:
        axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(len(block) - 0.5, -0.5)
    axes.set_yticks([])
    if target != MEDIAN_RANK:
        marks = [0, 0.25, 0.5, 0.75, 1]
        axes.set_xticks(marks, [f"{100 * mark:.0f} %" for mark in marks])
    for place, reading in enumerate(block.values()):
        axes.plot([reading.trivial], [place], ls="", zorder=3, **TRIVIAL)
        if np.isnan(reading.value.value):
            continue
        low, high = reading.control.low, reading.control.high
        width = max(high - low, 0.004 * np.ptp(axes.get_xlim()))
        axes.add_patch(Rectangle((low, place - 0.32), width, 0.64, color=BAND["color"], lw=0))
        style = POINTS[reading.verdict]
        ends = [reading.value.low, reading.value.high]
        axes.plot(ends, [place, place], color=style["color"], lw=1.6, zorder=4)
        axes.plot([reading.value.value], [place], ls="", zorder=5, **style)


def _figures(target: str, reading: Reading) -> str:
    if np.isnan(reading.value.value):
        return reading.verdict
    return f"{bracket(target, reading.value)} · {number(target, reading.control.value)}"


def _map(axes: Axes, shown: Map, target: str) -> None:
    """The points of one map, those of one answer in one style."""
    axes.tick_params(labelbottom=False, labelleft=False, length=0)
    if shown.points is None:
        words = "one point: every sentence\nhas the same latent"
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", size=12)
        return
    answers = shown.answers.get(target, ("",) * len(shown.points))
    given = np.array(answers)
    for answer, style in _styles(answers).items():
        points = shown.points[given == answer]
        axes.plot(points[:, 0], points[:, 1], ls="", **style)
    if shown.shares:
        first, second = (percent(share) for share in shown.shares)
        axes.set_xlabel(f"first: {first} of it", size=SMALL, color=INK)
        axes.set_ylabel(f"second: {second} of it", size=SMALL, color=INK)


def _marked(shown: Map) -> list[str]:
    """Targets of which every answer has a mark of its own."""
    return [name for name, given in shown.answers.items() if len(set(given)) <= MOST_MARKED]


def _styles(answers: Sequence[str]) -> dict[str, dict[str, Any]]:
    """A mark for every answer; blocks in their own colors."""
    return {
        answer: {
            "marker": MARKERS[place % len(MARKERS)] if answer not in SHADES else "o",
            "color": SHADES.get(answer, COLORS[place % len(COLORS)]),
            "ms": 5,
            "mec": INK if answer in ("white", "yellow") else "none",
            "mew": 0.7,
            "alpha": 0.85,
        }
        for place, answer in enumerate(sorted(set(answers)))
    }


def _legend(page: Page, left: float, middle: float, styles: dict[str, dict[str, Any]]) -> None:
    """One line below a row of maps."""
    for answer, style in styles.items():
        sample(page, left, middle, [style])
        page.text(left + HANDLE - 4, middle, answer or "none", size=SMALL, va="center")
        left += HANDLE + measured(answer or "none", SMALL) + 10
