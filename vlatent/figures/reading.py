"""The figure of a reading: a sentence, its latent, what is read of it, and where was looked."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.lines import Line2D
from PIL import Image

from vlatent.evaluation.attention import SaidWords
from vlatent.evaluation.marking import Mark, marked
from vlatent.figures import numbers
from vlatent.figures.drawing import BAD, COLORS, GOOD
from vlatent.figures.montage import GAP, mosaic_image
from vlatent.figures.page import GRAY, INK, LONGEST, SMALL, Page, Pixels, fitted, measured
from vlatent.scenes import about_blocks
from vlatent.scenes.prediction import CONTENT, kind_of
from vlatent.shapes import Latents

WIDTH, LEFT = 1000, 84  # pixels: of the page, and of the labels at its left
CHANNELS, WORDS, DRAWN = 12, 32, 8  # at most shown
SIDE, TILE, COLUMNS = 140, 96, 8  # pixels along a latent's and a map's longer side; maps in a row
LINE, SIZE = 25, 12.0  # pixels from line to line of a sentence, and its points
BELOW = 58  # pixels between maps, for words
STYLES: dict[Mark, dict[str, str]] = {
    True: {"color": GOOD},
    False: {"color": BAD, "weight": "bold"},
    None: {"color": INK},
}
LOOKED = np.array([int(COLORS[1][place : place + 2], 16) for place in (1, 3, 5)])

Grid = Float[np.ndarray, "row column"]
Line = list[tuple[str, Mark]]


class Map(NamedTuple):
    """How a decoder looked at the latent when it said a word.

    Attributes:
        weights: Of the patches, 1 where each has an equal share.
        pooled: Share of the pooled embedding, which has no place.
    """

    word: str
    mark: Mark
    weights: Grid
    pooled: float


def reading_figure(
    title: str,
    told: str,
    score: str,
    latent: Latents,
    read: str,
    drawn: Sequence[str],
    said: SaidWords,
) -> bytes:
    """A sentence, its latent, readings with right and wrong words marked, and maps, as PNG.

    Args:
        title: Name of the run.
        told: The sentence.
        score: How right the likeliest reading is.
        latent: What the decoder saw, a batch of one.
        read: The likeliest reading.
        drawn: Other readings.
        said: Where it looked when it said the words of the likeliest reading.
    """
    sentence = [("told", marked_lines([(told, None)]))]
    readings = [("read", marked_lines(marked(read, told)))]
    readings += [("drawn", marked_lines(marked(text, told))) for text in drawn[:DRAWN]]
    maps = maps_of(told, read, said)
    shown = latent[..., :CHANNELS]
    side = min(SIDE, (WIDTH - LEFT - 12) // shown.shape[-1] - GAP)
    image, _, across = mosaic_image(numbers.mosaic(shown), [0], side)
    base = _gray(latent)
    above = 72 + height_of(sentence)
    below = above + image.shape[0] + 40
    end = below + height_of(readings) + 30
    rows = math.ceil(len(maps) / COLUMNS)
    page = Page(WIDTH, end + (74 + rows * (base.shape[0] + BELOW) + 14 if maps else 0))
    left_out = f" · the first {CHANNELS} of {latent.shape[-1]} channels"
    words = "green: right · bold and underlined: wrong"
    page.header(title, "Read back", words + left_out * (latent.shape[-1] > CHANNELS))
    write_lines(page, 72, sentence)
    page.text(12, above + 18 + image.shape[0] / 2, "latent", color=GRAY, va="center")
    for channel in range(shown.shape[-1]):
        centre = LEFT + channel * across + (across - GAP) / 2
        page.text(centre, above, f"{channel}", size=SMALL, color=GRAY, ha="center")
    page.text(12, above, "channel", size=SMALL, color=GRAY)
    page.image(LEFT, above + 18, image)
    write_lines(page, below, readings)
    page.text(LEFT, below + height_of(readings), score, size=SMALL, color=GRAY)
    if maps:
        _draw_maps(page, end + 10, maps, base)
    return page.png()


def maps_of(told: str, read: str, said: SaidWords) -> list[Map]:
    """Maps of the words that name something, or of all where a text is not about blocks.

    Weights are means over layers and heads.
    """
    marks = [mark for piece, mark in marked(read, told) if re.match(r"\w", piece)]
    places = [place for place, word in enumerate(said.words) if re.match(r"\w", word)]
    blocks = about_blocks(told)
    maps = []
    for place, mark in zip(places, marks, strict=False):
        word, weights = said.words[place], said.maps[place].mean((0, 1))
        if not blocks or kind_of(word) in CONTENT:
            pooled = max(1 - float(weights.sum()), 0.0)
            maps.append(Map(word, mark, weights * weights.size, pooled))
    return maps[:WORDS]


def overlaid(base: Pixels, weights: Grid, highest: float) -> Pixels:
    """A gray image, the more orange the higher the weights are, which are interpolated."""
    height, width = base.shape[:2]
    small = Image.fromarray((weights / highest).astype(np.float32))
    share = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)
    opaque = share[..., None]
    return np.rint((1 - opaque) * base + opaque * LOOKED).astype(np.uint8)


def _gray(latent: Latents) -> UInt8[np.ndarray, "vertical horizontal 3"]:
    """The mean of a latent's channels in light gray, `TILE` pixels along its longer side."""
    level = numbers.mosaic(latent).level[0]
    mean = np.where(np.isfinite(level), level, 0.5).mean(0)
    low, high = np.quantile(mean, [0.02, 0.98])
    light = 0.55 + 0.45 * ((mean - low) / max(high - low, 1e-9)).clip(0, 1)
    scale = TILE / max(mean.shape)
    size = round(mean.shape[1] * scale), round(mean.shape[0] * scale)
    image = Image.fromarray(np.rint(255 * light).astype(np.uint8))
    return np.asarray(image.resize(size, Image.Resampling.NEAREST))[..., None].repeat(3, axis=2)


def _draw_maps(page: Page, top: int, maps: Sequence[Map], base: Pixels) -> None:
    """Small multiples: each word above the latent and where the decoder looked."""
    highest = max(float(each.weights.max()) for each in maps) or 1.0
    height = base.shape[0]
    page.text(12, top, "Where the decoder looked when it said …", weight="bold")
    page.text(
        12,
        top + 20,
        "gray: mean of the channels · orange: attention, mean over layers and heads · % on the "
        "pooled embedding, which has no place",
        size=SMALL,
        color=GRAY,
    )
    step = (WIDTH - 24) / COLUMNS
    for index, each in enumerate(maps):
        row, column = divmod(index, COLUMNS)
        left, at = round(12 + column * step), top + 68 + row * (height + BELOW)
        word = fitted(each.word, step - 8, 1, SMALL + 1)
        page.text(left, at - 20, word, size=SMALL + 1, **STYLES[each.mark])
        if each.mark is False:
            _underline(page, left, at - 4, measured(word, SMALL + 1, "bold"))
        page.image(left, at, overlaid(base, each.weights, highest))
        page.text(left, at + height + 3, f"{each.pooled:.0%} pooled", size=SMALL, color=GRAY)
    ramp = np.full((10, 160, 3), 215, dtype=np.uint8)
    below = page.height - 26
    page.text(12, below + 5, "attention of a patch", size=SMALL, color=GRAY, va="center")
    page.image(160, below, overlaid(ramp, np.linspace(0, 1, 160)[None], 1.0))
    words = f"0 to {highest:.2g} times an equal share"
    page.text(330, below + 5, words, size=SMALL, color=GRAY, va="center")


def marked_lines(pieces: Line) -> list[Line]:
    """Pieces that fit beside each other, line by line; what is very long is cut."""
    room, lines, across, length = WIDTH - LEFT - 12, [Line()], 0.0, 0
    for piece, mark in pieces:
        weight = STYLES[mark].get("weight", "normal")
        for part in re.findall(r"\s+|\S+", piece):
            part = " " if part.isspace() else fitted(part, room, 1, SIZE)
            length += len(part)
            wide = measured(part, SIZE, weight)
            if across + wide > room and part != " ":
                lines.append(Line())
                across = 0.0
            if length > LONGEST:
                lines[-1].append((" …", None))
                return lines
            if part != " " or across:
                lines[-1].append((part, mark))
                across += wide
    return lines


def height_of(rows: Sequence[tuple[str, list[Line]]]) -> int:
    return sum(LINE * len(lines) + 4 for _, lines in rows)


def write_lines(page: Page, top: int, rows: Sequence[tuple[str, list[Line]]]) -> None:
    """Sentences behind their labels."""
    for label, lines in rows:
        page.text(12, top + LINE / 2, label, color=GRAY, va="center")
        for line in lines:
            left = float(LEFT)
            for words, mark in line:
                page.text(left, top + 2, words, size=SIZE, **STYLES[mark])
                wide = measured(words, SIZE, STYLES[mark].get("weight", "normal"))
                if mark is False:
                    _underline(page, left, top + 21, wide)
                left += wide
            top += LINE
        top += 4


def _underline(page: Page, left: float, top: float, width: float) -> None:
    across, up = [left / page.width, (left + width) / page.width], 1 - top / page.height
    line = Line2D(across, [up, up], color=BAD, linewidth=1.5, transform=page.figure.transFigure)
    page.figure.add_artist(line)
