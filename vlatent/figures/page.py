"""A page measured in pixels, on which words always fit."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

DPI = 100
SMALL, NORMAL, LARGE = 9.0, 10.0, 15.0  # points
FAMILY = "DejaVu Sans"  # comes with matplotlib: the same page on every machine
INK, GRAY, GRID = "#222222", "#666666", "#dddddd"
LONGEST = 1000  # characters of a text that are looked at


class Page:
    """A white page; every place on it is in pixels from the upper left corner.

    Made without pyplot: nothing global is touched, and pages can be drawn in any thread.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure((width / DPI, height / DPI), dpi=DPI, facecolor="white")
        self.canvas = FigureCanvasAgg(self.figure)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """An empty panel with a light grid."""
        bottom = 1 - (top + height) / self.height
        box = (left / self.width, bottom, width / self.width, height / self.height)
        axes = self.figure.add_axes(box)
        axes.grid(color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[:].set_color(GRAY)
        axes.tick_params(labelsize=SMALL, labelcolor=INK, color=GRAY, length=3)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        return axes

    def text(self, left: float, top: float, words: str, **style: Any) -> None:
        """Words whose upper left corner is here, drawn as they are: $ and _ mean nothing."""
        style = {"size": NORMAL, "color": INK, "va": "top", "family": FAMILY} | style
        where = left / self.width, 1 - top / self.height
        self.figure.text(*where, words, parse_math=False, **style)

    def header(self, title: str, subject: str, explanation: str) -> None:
        """What the page shows, of which run, and how to read it."""
        self.text(12, 12, subject, size=LARGE, weight="bold")
        room = self.width - 40 - measured(subject, LARGE) * 1.15
        self.text(
            self.width - 12, 16, fitted(title, room, 1, NORMAL), ha="right", color=GRAY
        )
        self.text(12, 42, fitted(explanation, self.width - 24, 1, NORMAL), color=GRAY)

    def image(self, left: int, top: int, pixels: UInt8[np.ndarray, "height width 3"]) -> None:
        """An image, one pixel of it on one of the page."""
        self.figure.figimage(pixels, left, self.height - top - pixels.shape[0], origin="upper")

    def png(self) -> bytes:
        file = io.BytesIO()
        self.canvas.print_png(file, pil_kwargs={"compress_level": 1})  # 3 times as fast as 6
        return file.getvalue()


def logarithmic(axis: Any, low: float, high: float) -> None:
    """Make an axis of a panel logarithmic, with few ticks in plain digits."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log", f"{axis.axis_name}lim": (low, high)})
    axis.set_major_locator(LogLocator(numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def fitted(text: str, width: float, lines: int, size: float) -> str:
    """The text, wrapped and shortened to this many pixels and lines.

    Characters that the font lacks become squares.
    """
    text = "".join(c if _advance(c) else "□" for c in " ".join(text[:LONGEST].split()))
    if not text or measured(text, size) <= width:
        return text
    characters = int(len(text) * width / measured(text, size) * 0.93)  # some lines have more W's
    return "\n".join(
        textwrap.wrap(text, max(characters, 2), max_lines=lines, placeholder=" …")
    )


def measured(text: str, size: float) -> float:
    """Width of the text in pixels."""
    return sum(map(_advance, text)) * size * DPI / 72


@lru_cache(maxsize=4096)
def _advance(character: str) -> float:
    """Width of a character in ems, 0 if the font lacks it."""
    font = get_font(findfont(FontProperties(family=FAMILY)))
    index = font.get_char_index(ord(character))
    if not index:
        return 0.0
    font.set_size(100.0, 72.0)
    return float(font.load_char(ord(character)).linearHoriAdvance / 65536 / 100)
