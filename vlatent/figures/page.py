"""A page measured in pixels, made to be quick: a study draws seven of them after every trial.

Matplotlib makes every tick of five objects, and writes letter by letter. A panel therefore has a
grid and numbers of its own, and Pillow writes whole lines: together three times as fast.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw, ImageFont

DPI = 100
SMALL, NORMAL, LARGE = 9.0, 10.0, 15.0  # points
FAMILY = "DejaVu Sans"  # comes with matplotlib: the same page on every machine
INK, GRAY, GRID = "#222222", "#666666", "#dddddd"
LONGEST = 1000  # characters of a text that are looked at

Pixels = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class Scale:
    """One side of a panel.

    Attributes:
        low: Value at the left or at the bottom.
        high: Value at the right or at the top.
        log: Whether the scale is logarithmic.
        label: What is measured, with its unit.
        marks: Values with a line of the grid; round ones if None.
        named: Whether the values and the label are written: inner panels leave it to outer ones.
    """

    low: float
    high: float
    log: bool = False
    label: str = ""
    marks: Sequence[float] | None = None
    named: bool = True

    def values(self) -> list[float]:
        """The values with a line of the grid: on a log scale decades, or finer if these are few."""
        marks = self.marks
        if marks is None and not self.log:
            even = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
            marks = [float(step) for step in even.tick_values(self.low, self.high)]
        if marks is not None:
            lowest, highest = sorted((self.low, self.high))
            return [mark for mark in marks if lowest <= mark <= highest]
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1,), (1, 2, 5), range(1, 10)):
            steps = [digit * 10.0**decade for decade in decades for digit in digits]
            inside = [step for step in steps if self.low <= step <= self.high]
            if len(inside) >= 3:
                break
        return inside

    def share(self, value: float) -> float:
        """Place of a value on the scale, 0 at `low` and 1 at `high`."""
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        return math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)


@dataclass(frozen=True)
class Panel:
    """A frame on a page: matplotlib draws inside, words stand inside and around."""

    page: Page
    axes: Axes
    y: Scale
    left: float
    top: float
    width: float
    height: float

    def text(self, across: float, up: float, words: str, **style: Any) -> None:
        """Words at these shares of the panel's width and height, from its lower left corner."""
        self.page.text(
            self.left + across * self.width, self.top + (1 - up) * self.height, words, **style
        )


class Page:
    """A white page; every place on it is in pixels from the upper left corner.

    Made without pyplot: nothing global is touched, and pages can be drawn in any thread.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure((width / DPI, height / DPI), dpi=DPI, facecolor="white")
        self.canvas = _Canvas(self.figure)
        self.images: list[tuple[int, int, Pixels]] = []

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes of matplotlib with a light grid: slower than a panel, and able to do anything."""
        axes = self._axes(left, top, width, height)
        axes.grid(color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[:].set_color(GRAY)
        axes.tick_params(labelsize=SMALL, labelcolor=INK, color=GRAY, length=3)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        return axes

    def panel(
        self, left: float, top: float, width: float, height: float, x: Scale, y: Scale
    ) -> Panel:
        """A frame with a light grid, its values written along the left and the lower side."""
        axes = self._axes(left, top, width, height)
        axes.set_axis_off()
        axes.set(xscale="log" if x.log else "linear", yscale="log" if y.log else "linear")
        axes.set(xlim=(x.low, x.high), ylim=(y.low, y.high), autoscale_on=False)
        across = {value: x.share(value) for value in x.values()}
        upward = {value: y.share(value) for value in y.values()}
        grid = [[(share, 0.0), (share, 1.0)] for share in across.values()]
        grid += [[(0.0, share), (1.0, share)] for share in upward.values()]
        frame = [[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0)]]
        for lines, color, order in ((grid, GRID, 0.5), (frame, GRAY, 3)):
            collection = LineCollection(lines, colors=color, linewidths=0.8, zorder=order)
            collection.set(transform=axes.transAxes, clip_on=False)
            axes.add_artist(collection)
        panel = Panel(self, axes, y, left, top, width, height)
        if x.named:
            for value, share in across.items():
                at = left + share * width
                self.text(at, top + height + 5, f"{value + 0.0:g}", size=SMALL, ha="center")
            self.text(left + width / 2, top + height + 22, x.label, ha="center")
        if y.named:
            names = [f"{value + 0.0:g}" for value in upward]  # + 0.0: never -0
            for name, share in zip(names, upward.values(), strict=True):
                at = top + (1 - share) * height
                self.text(left - 6, at, name, size=SMALL, ha="right", va="center")
            beside = left - 12 - max((measured(name, SMALL) for name in names), default=0.0)
            self.text(beside, top + height / 2, y.label, rotation=90, ha="right", va="center")
        return panel

    def text(self, left: float, top: float, words: str, **style: Any) -> None:
        """Words whose upper left corner is here, drawn as they are: $ and _ mean nothing."""
        usual: dict[str, Any] = {"size": NORMAL, "color": INK, "va": "top", "family": FAMILY}
        self.figure.text(
            left / self.width, 1 - top / self.height, words, parse_math=False, **usual | style
        )

    def header(self, title: str, subject: str, explanation: str) -> None:
        """What the page shows, of which run, and how to read it."""
        self.text(12, 12, subject, size=LARGE, weight="bold")
        room = self.width - 60 - measured(subject, LARGE, "bold")
        self.text(self.width - 12, 16, fitted(title, room, 1, NORMAL), ha="right", color=GRAY)
        self.text(12, 42, fitted(explanation, self.width - 24, 1, NORMAL), color=GRAY)

    def image(self, left: int, top: int, pixels: Pixels) -> None:
        """An image, one pixel of it on one of the page, above everything else."""
        self.images.append((left, top, pixels))

    def png(self) -> bytes:
        """The page as a PNG file."""
        self.canvas.draw()  # type: ignore[no-untyped-call]
        drawn = np.asarray(self.canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        page = drawn[..., :3].copy()
        for left, top, pixels in self.images:
            height, width, _ = pixels.shape
            page[top : top + height, left : left + width] = pixels
        file = io.BytesIO()
        Image.fromarray(page).save(file, "png", compress_level=1)  # 3 times as fast as 6
        return file.getvalue()

    def _axes(self, left: float, top: float, width: float, height: float) -> Axes:
        bottom = 1 - (top + height) / self.height
        return self.figure.add_axes(
            (left / self.width, bottom, width / self.width, height / self.height)
        )


def fitted(text: str, width: float, lines: int, size: float) -> str:
    """The text, wrapped and shortened to this many pixels and lines.

    Characters that the font lacks become squares.
    """
    text = drawable(" ".join(text[:LONGEST].split()))
    characters = len(text)
    while text:
        wrapped = textwrap.wrap(text, max(characters, 2), max_lines=lines, placeholder=" …")
        widest = max((measured(line, size) for line in wrapped), default=0.0)
        if widest <= width or characters <= 2:
            return "\n".join(wrapped)
        longest = max(map(len, wrapped))
        characters = min(characters, longest, int(longest * width / widest) + 1) - 1
    return text


def drawable(text: str) -> str:
    """The text with a square in place of every character that the font lacks."""
    return "".join(character if _known(character) else "□" for character in text)


def measured(text: str, size: float, weight: str = "normal") -> float:
    """Width of the text in pixels."""
    return _font(_file(FontProperties(family=FAMILY, weight=weight)), size).getlength(text)


@lru_cache(maxsize=4096)
def _known(character: str) -> bool:
    """Whether the font has the character."""
    return get_font(_file(FontProperties(family=FAMILY))).get_char_index(ord(character)) > 0


class _Renderer(RendererAgg):
    """Writes and measures words by Pillow; mathematics is left to matplotlib."""

    def draw_text(
        self,
        gc: GraphicsContextBase,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        if ismath or angle not in (0, 90):
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)  # type: ignore[no-untyped-call]
            return
        coverage, left, below = _written(s, _file(prop), prop.get_size_in_points(), angle == 90)
        image = np.empty((*coverage.shape, 4), dtype=np.uint8)
        image[..., :3] = np.rint(np.array(gc.get_rgb()[:3]) * 255)
        image[..., 3] = coverage * gc.get_alpha()
        self.draw_image(gc, round(x) - left, round(self.height - y) - below, image[::-1])

    def get_text_width_height_descent(
        self, s: str, prop: FontProperties, ismath: Any
    ) -> tuple[float, float, float]:
        if ismath:
            return super().get_text_width_height_descent(s, prop, ismath)  # type: ignore
        font = _font(_file(prop), prop.get_size_in_points())
        _, top, _, bottom = font.getbbox(s, anchor="ls")
        return font.getlength(s), bottom - top, bottom


class _Canvas(FigureCanvasAgg):
    def get_renderer(self) -> RendererAgg:
        if not hasattr(self, "renderer"):
            size = self.get_width_height()
            self.renderer = _Renderer(*size, self.figure.dpi)  # type: ignore[no-untyped-call]
        return self.renderer


@lru_cache(maxsize=2048)  # most words are the same on the pages of every run
def _written(
    words: str, file: str, size: float, upwards: bool
) -> tuple[UInt8[np.ndarray, "height width"], int, int]:
    """How far a line of words covers its pixels, and where its baseline begins.

    The place is in pixels from the lower left corner, to the right and up.
    """
    font = _font(file, size)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(words, anchor="ls"))
    margin = 1
    image = Image.new("L", (right - left + 2 * margin, bottom - top + 2 * margin))
    begin = (margin - left, margin - top)
    ImageDraw.Draw(image).text(begin, words, fill=255, font=font, anchor="ls")
    if upwards:
        return np.array(image.rotate(90, expand=True)), begin[1], begin[0]
    return np.array(image), begin[0], image.height - begin[1]


@lru_cache(maxsize=64)
def _font(file: str, size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size * DPI / 72)


def _file(font: FontProperties) -> str:
    return str(findfont(font))
