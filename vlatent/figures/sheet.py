"""A page with a heading and a legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from vlatent.figures.page import GRAY, INK, LARGE, NORMAL, SMALL, Page, fitted, measured

Entry = tuple[str, Sequence[dict[str, Any]]]  # of a legend: words, and what is drawn before them

WIDTH = 720  # pixels: MLflow shows a figure about this wide, so nothing is scaled down
HANDLE, LINE, ROW = 30, 17, 20  # pixels: a legend's sample, a line of text, a line of a legend
FAINT = "#B4B4B4"


def sheet(
    title: str, subject: str, words: str, entries: Sequence[Entry], body: float
) -> tuple[Page, int]:
    """A page with its heading and legend, and where on it the body of this height begins."""
    head = [fitted(title, WIDTH - 24, 2, NORMAL), fitted(words, WIDTH - 24, 4, SMALL)]
    places, rows = _flow([measured(label, SMALL) for label, _ in entries])
    below = 40 + sum(LINE * (part.count("\n") + 1) + 3 for part in head if part)
    top = below + rows * ROW + 12
    page = Page(WIDTH, math.ceil(top + body))
    page.text(12, 10, subject, size=LARGE, weight="bold")
    page.text(12, 38, head[0], color=INK)
    page.text(12, 41 + LINE * (head[0].count("\n") + 1), head[1], size=SMALL, color=GRAY)
    for (label, samples), (left, row) in zip(entries, places, strict=True):
        middle = below + row * ROW + ROW / 2
        page.text(left + HANDLE + 4, middle, label, size=SMALL, va="center")
        sample(page, left, middle, samples)
    return page, top


def instead(title: str, subject: str, why: str) -> Page:
    """A page that says why there is no figure."""
    page, top = sheet(title, subject, "", [], 130)
    page.text(WIDTH / 2, top + 40, why, ha="center", size=12.0)
    return page


def _flow(widths: Sequence[float]) -> tuple[list[tuple[float, int]], int]:
    """Left end and row of every entry of a legend, and the number of rows."""
    places, left, row = [], 12.0, 0
    for width in widths:
        if left > 12 and left + HANDLE + 4 + width > WIDTH - 12:
            left, row = 12.0, row + 1
        places.append((left, row))
        left += HANDLE + 4 + width + 18
    return places, row + 1 if places else 0


def sample(page: Page, left: float, middle: float, samples: Sequence[dict[str, Any]]) -> None:
    """What a legend's words mean: a line if it has a width, else marks side by side."""
    y = 1 - middle / page.height
    step = HANDLE / len(samples)
    for index, style in enumerate(samples):
        x = [left + 2, left + HANDLE - 2] if "lw" in style else [left + step * (index + 0.5)]
        artist = Line2D(
            [place / page.width for place in x],
            [y] * len(x),
            transform=page.figure.transFigure,
            **style,
        )
        page.figure.add_artist(artist)


def legend(page: Page, middle: float, entries: Sequence[Entry]) -> None:
    """A legend of one line across a page."""
    left = 12.0
    for words, samples in entries:
        sample(page, left, middle, samples)
        page.text(left + HANDLE + 2, middle, words, size=SMALL, va="center")
        left += HANDLE + measured(words, SMALL) + 22


def say(axes: Axes, words: str) -> None:
    """Words in the middle of an otherwise empty panel."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", size=12)
