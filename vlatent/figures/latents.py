"""The figure of anybody's latents: what they look like, and what they have beside photographs."""

# ruff: noqa: RUF001

from __future__ import annotations

import math

import numpy as np

from vlatent.evaluation.latents import LatentStatistics, Row
from vlatent.figures import numbers
from vlatent.figures.drawing import BAD, BAND_COLOR, GOOD, heat_map, mark
from vlatent.figures.montage import mosaic_image
from vlatent.figures.overview import spectra_panel
from vlatent.figures.page import GRAY, INK, SMALL, Page, Scale
from vlatent.statistics import BAND

CHANNELS = 6  # whose latents are shown
TOP, SIDE = 112, 250  # pixels: begin and height of what stands above the statistics
ROW, TILE = 22, 64


def latents_figure(title: str, found: LatentStatistics) -> bytes:
    """A few latents, spectra, correlations, and every statistic beside photographs, as PNG."""
    below = TOP + SIDE + 96
    page = Page(1100, below + ROW * len(found.rows) + 44)
    count, height, width, channels = found.shape
    page.header(
        title,
        "Statistics of latents",
        f"{count:,} latents of {height} × {width} × {channels} · "
        f"{found.channels_in_band} of {channels} channels in band",
    )
    _latents(page, found)
    page.text(500, TOP - 26, "Power spectra", weight="bold")
    flaws = ["constant" if channel in found.flat else "" for channel in range(channels)]
    spectra_panel(page, (500, TOP, 250, SIDE), numbers.spectra_of(found.power, flaws))
    page.text(
        500, TOP + SIDE + 42, f"shaded: slopes {BAND[0]} to {BAND[1]}", size=SMALL, color=GRAY
    )
    matrix = found.correlation.numpy()
    off = matrix[~np.eye(channels, dtype=bool)]
    mean = float(np.abs(off).mean()) if off.size else 0.0
    if channels > 1:
        page.text(850, TOP - 26, f"|Correlation| {mean:.3f} on average", weight="bold")
        heat_map(page, 850, TOP, SIDE - 20, numbers.Correlation(matrix, mean))
    _rows(page, found.rows, below)
    return page.png()


def _latents(page: Page, found: LatentStatistics) -> None:
    shown = found.shown[..., :CHANNELS]
    mosaic = numbers.mosaic(shown)
    image, _, _ = mosaic_image(mosaic, list(range(len(shown))), TILE)
    page.text(12, TOP - 26, "Latents, one color scale a channel", weight="bold")
    page.image(12, TOP, image)
    columns = (
        f"columns: channels 0 to {shown.shape[-1] - 1}" if shown.shape[-1] > 1 else "1 channel"
    )
    which = f"rows: {len(shown)} latents, first to last · {columns}"
    page.text(12, TOP + image.shape[0] + 8, which, size=SMALL, color=GRAY)


def _rows(page: Page, rows: list[Row], top: int) -> None:
    """One line a statistic: its name, value with interval, place among photographs, their range."""
    columns = {12: "statistic", 300: "value [95 % interval]", 560: "shaded: photographs"}
    for left, words in columns.items():
        page.text(left, top - 26, words, weight="bold")
    page.text(850, top - 26, "photographs", weight="bold")
    y = Scale(len(rows), 0, marks=(), named=False)
    x = Scale(-1, 2, marks=(0, 1), named=False)
    panel = page.panel(560, top, 270, ROW * len(rows), x, y)
    for index, row in enumerate(rows):
        middle = top + ROW * (index + 0.5)
        page.text(12, middle, row.statistic.label, size=SMALL, va="center")
        page.text(300, middle, row.measured, size=SMALL, va="center")
        if row.inside is None:
            continue
        color = GOOD if row.inside else BAD
        low, value, high = (_place(row, end) for end in (row.low, row.value, row.high))
        panel.axes.fill_between([0, 1], index + 0.12, index + 0.88, color=BAND_COLOR, linewidth=0)
        panel.axes.plot([low, high], [index + 0.5] * 2, color=color, linewidth=2.5)
        shape = "o" if -1 < _place(row, row.value, 9) < 2 else "<" if value < 0 else ">"
        panel.axes.plot([value], [index + 0.5], shape, color=color, markersize=6)
        page.text(850, middle, row.wanted, size=SMALL, va="center")
        word, color = mark(row.inside, "inside" if row.inside else "outside", "")
        page.text(1000, middle, word, size=SMALL, color=color, va="center")
    words = "dot: value · line: interval · arrow: beyond the edge"
    page.text(560, top + ROW * len(rows) + 8, words, size=SMALL, color=INK)


def _place(row: Row, value: float, room: float = 0.96) -> float:
    """Where a value lies: 0 and 1 are the ends of what photographs have."""
    assert row.photographs is not None
    low, high = (
        possible if math.isinf(end) else end
        for end, possible in zip(row.photographs, row.statistic.possible, strict=True)
    )
    place = (value - low) / (high - low)
    return float(np.clip(place, -room, 1 + room))
