"""Figures of natural images: estimators and their gate, photographs beside the targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis.natural_images.evidence import field_of, photographs_of
from analysis.natural_images.priors import CORRELATION, ONE_EDGE
from analysis.natural_images.table import ESTIMATORS, ImageKind, Numbers
from vlatent.figures.drawing import BAD, BAND_COLOR, COLORS
from vlatent.figures.page import GRAY, INK, SMALL, Page
from vlatent.figures.sheet import WIDTH, sheet
from vlatent.priors import Kurtosis, Spectrum, Variance, Wavelet
from vlatent.priors.wavelet import generalized_gaussian_ratio
from vlatent.spectra import CHECKERBOARD_LIMITS, RESIDUAL_LIMIT
from vlatent.statistics import BAND
from vlatent.statistics import STATISTICS as REGISTRY

QUESTION = "What are natural images like?"
FIELD = 2.0  # slope of the Gaussian field beside the photographs
ALL: dict[str, Any] = {"lw": 1.2, "solid_capstyle": "butt"}
MOST: dict[str, Any] = {"lw": 6, "solid_capstyle": "butt", "alpha": 0.35}
MIDDLE: dict[str, Any] = {"marker": "o", "ms": 5}
LATENT: dict[str, Any] = {"marker": "D", "ms": 5, "mfc": "white", "mew": 1.4}
ONE: dict[str, Any] = {"marker": ".", "ms": 5, "color": INK}
LIMIT: dict[str, Any] = {"color": BAD, "lw": 1.3, "ls": "--"}


@dataclass(frozen=True)
class Shown:
    """Style of a statistic.

    Attributes:
        marks: Targets and thresholds by what they are.
        band: What is allowed, if it is shaded.
        ticks: Values with a line of the grid.
        log: Whether the scale is logarithmic.
    """

    marks: Mapping[str, float]
    band: tuple[float, float] | None = None
    ticks: Sequence[float] = ()
    log: bool = False


STATISTICS = {
    "spectrum": Shown({"target": Spectrum().alpha}, BAND),
    "residual": Shown(
        {"limit": RESIDUAL_LIMIT},
        ticks=(0.05, 0.1, 0.2, RESIDUAL_LIMIT, 1, 2),
        log=True,
    ),
    "total_variation_normalized": Shown(
        {"one edge": ONE_EDGE},
        ticks=(64, 125, 250, 500, 1000, 2000),
        log=True,
    ),
    "wavelet": Shown(
        {
            f"shape {Wavelet().shape:g}": generalized_gaussian_ratio(Wavelet().shape),
            "Gaussian": generalized_gaussian_ratio(2),
        },
    ),
    "kurtosis": Shown(
        {
            "criterion": Kurtosis.accepted[0],
            "target": Kurtosis().target,
            "ceiling": Kurtosis().ceiling,
        },
        ticks=(3, 6, 10, 20, 50, 100, 200),
        log=True,
    ),
    "decorrelation": Shown({}, (-CORRELATION, CORRELATION), (-1, -0.5, 0, 0.5, 1)),
    "checkerboard_largest": Shown(
        {"limit": CHECKERBOARD_LIMITS[0]},
        ticks=(2, 5, 10, 20, 40, 100, 200),
        log=True,
    ),
    "checkerboard_mean": Shown(
        {"limit": CHECKERBOARD_LIMITS[1]},
        ticks=(0.25, 0.5, 1, 2, 4, 8),
        log=True,
    ),
    "variance": Shown(
        {},
        Variance.accepted,
        (0.01, 0.03, 0.1, 0.25, 0.5, 1, 2, 4, 8),
        log=True,
    ),
    "alpha_radial": Shown({"target": Spectrum().alpha}, BAND),
}


def figures(cells: Sequence[ImageKind]) -> dict[str, bytes]:
    """PNG files: `estimators`, and `natural_images` where there are photographs."""
    pages = {"estimators": estimators_page(cells)}
    if photographs_of(cells):
        pages["natural_images"] = photographs_page(cells)
    return {name: page.png() for name, page in pages.items()}


def estimators_page(cells: Sequence[ImageKind]) -> Page:
    """Bias and spread of every estimator of the slope, and whom the residual gate lets through."""
    shown = [cell for cell in cells if cell.kind == "field"]
    rows = [cell for cell in cells if cell.origin is None] + photographs_of(cells)
    entries: list[tuple[str, list[dict[str, Any]]]] = [
        (name, [_line(place)]) for place, name in enumerate(ESTIMATORS.values())
    ]
    height, row = 330, 18
    page, top = sheet(
        QUESTION,
        "Estimators of the slope",
        f"Found minus true slope of {shown[0].count} crops of 32x32 of Gaussian fields, each of a "
        "field of its own and not periodic. Points: mean; bars: one standard deviation of a "
        "single crop, beside each other to be seen.",
        entries,
        height + len(rows) * row + 200,
    )
    axes = page.axes(76, top, WIDTH - 76 - 16, height)
    axes.axhline(0, color=INK, lw=1)
    for place, statistic in enumerate(ESTIMATORS):
        bias = [cell.values[statistic].mean() - cell.alpha for cell in shown]
        spread = [cell.values[statistic].std() for cell in shown]
        at = [cell.alpha + 0.045 * (place - (len(ESTIMATORS) - 1) / 2) for cell in shown]
        style = _line(place)
        axes.errorbar(at, bias, spread, capsize=2, elinewidth=1, **style)
    axes.set_xticks([cell.alpha for cell in shown])
    axes.set_xlabel("true α", size=SMALL, color=INK)
    axes.set_ylabel("found − true α", size=SMALL, color=INK)
    down = top + height + 62
    page.text(12, down, "The residual gate", weight="bold")
    words = "one crop: 1 to 99 % (line), 10 to 90 % (bar), median (point); diamond: mean spectrum"
    page.text(12, down + 20, words, size=SMALL, color=GRAY)
    _gate(page, down + 58, rows, row)
    return page


def photographs_page(cells: Sequence[ImageKind]) -> Page:
    """Every statistic of crops of photographs by scale, with what the priors ask for."""
    shown = [*photographs_of(cells), field_of(cells, FIELD)]
    names = sorted({name for cell in shown if cell.origin for name in cell.origin.alpha})
    width, height, step = 292, 190, 246
    fewest, *_, most = sorted(cell.count for cell in shown)
    page, top = sheet(
        QUESTION,
        "Photographs",
        f"{fewest} to {most} crops of 32x32 at every scale, of {len(names)} photographs at 1/1 to "
        f"1/{_scale(shown[-2])} of their size, tone as displayed; at the right a Gaussian field of "
        f"α = {FIELD:g}.",
        [
            ("1 to 99 % of crops", [{**ALL, "color": COLORS[0]}]),
            ("10 to 90 %", [{**MOST, "color": COLORS[0]}]),
            ("median", [{"ls": "", "color": COLORS[0], **MIDDLE}]),
            ("median of each photograph", [{"ls": "", **ONE}]),
            ("latent of all crops", [{"ls": "", "color": COLORS[0], **LATENT}]),
            ("target or threshold", [LIMIT]),
            ("allowed", [{"color": BAND_COLOR, "lw": 9}]),
        ],
        step * ((len(STATISTICS) + 1) // 2) + 26,
    )
    for place, (statistic, how) in enumerate(STATISTICS.items()):
        left = 52 + (place % 2) * (width + 64)
        down = top + place // 2 * step
        page.text(left, down, REGISTRY[f"statistic/{statistic}"].label, weight="bold")
        axes = page.axes(left, down + 20, width, height)
        _statistic(axes, statistic, how, shown)
        last = place >= len(STATISTICS) - 2
        labels = [f"1/{_scale(cell)}" if cell.origin else f"α = {FIELD:g}" for cell in shown]
        axes.set_xticks(range(len(shown)), labels)
        if last:
            axes.set_xlabel("scale of the photographs, and the field", size=SMALL, color=INK)
    return page


def _gate(page: Page, top: float, rows: Sequence[ImageKind], row: int) -> None:
    """The residual of every kind of image, and the limit."""
    left = 248
    axes = page.axes(left, top, WIDTH - left - 70, len(rows) * row)
    axes.set_xscale("log")
    axes.set_xlim(0.02, 6)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    marks = (0.02, 0.05, 0.1, 0.2, RESIDUAL_LIMIT, 1, 2, 5)
    axes.xaxis.set_major_locator(FixedLocator(marks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.axvspan(0.02, RESIDUAL_LIMIT, color=BAND_COLOR, lw=0, zorder=0)
    axes.axvline(RESIDUAL_LIMIT, **LIMIT)
    axes.set_xlabel("residual of the power law", size=SMALL, color=INK)
    page.text(
        WIDTH - 16, top - 3, "crops that pass", size=SMALL, color=GRAY, ha="right", va="bottom"
    )
    colors = {"field": 0, "reference": 1, "planted": 3, "photograph": 2}
    for place, cell in enumerate(rows):
        color = COLORS[colors[cell.kind]]
        values = np.maximum(cell.values["residual"], 0.021)
        _distribution(axes, place, values, cell.pooled["residual"], color, upright=False)
        middle = top + (place + 0.5) * row
        page.text(left - 8, middle, cell.name, size=SMALL, ha="right", va="center")
        passed = f"{100 * (cell.values['residual'] < RESIDUAL_LIMIT).mean():.0f} %"
        page.text(WIDTH - 16, middle, passed, size=SMALL, ha="right", va="center")


def _statistic(axes: Axes, statistic: str, how: Shown, shown: Sequence[ImageKind]) -> None:
    """The crops of every scale, and what the priors ask for."""
    if how.log:
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
    if how.band:
        axes.axhspan(*how.band, color=BAND_COLOR, lw=0, zorder=0)
    ends = [np.quantile(cell.values[statistic], (0.01, 0.99)) for cell in shown]
    latents = [cell.pooled[statistic].mean() for cell in shown if statistic in _of_latents(cell)]
    reached = [*np.ravel(ends), *latents, *how.marks.values(), *(how.band or ())]
    low, high = min(reached), max(reached)
    room = (high / low) ** 0.06 if how.log else 0.06 * (high - low)
    axes.set_ylim(*((low / room, high * room) if how.log else (low - room, high + room)))
    axes.set_xlim(-0.6, len(shown) - 0.4 + bool(how.marks))  # room for what the marks are
    if how.ticks:
        axes.yaxis.set_major_locator(FixedLocator(how.ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value + 0.0:g}"))
    for name, value in how.marks.items():
        axes.axhline(value, zorder=2, **LIMIT)
        across = axes.get_yaxis_transform()
        axes.text(
            0.995, value, name, size=7.5, color=BAD, transform=across, ha="right", va="bottom"
        )
    for place, cell in enumerate(shown):
        values = cell.values[statistic]
        pooled = cell.pooled[statistic] if statistic in _of_latents(cell) else None
        color = COLORS[0] if cell.origin else GRAY
        _distribution(axes, place, values, pooled, color, upright=True)
        if cell.origin and statistic != "decorrelation":
            sources = cell.origin.sources
            each = [np.median(values[sources == name]) for name in np.unique(sources)]
            axes.plot([place + 0.27] * len(each), each, ls="", zorder=4, **ONE)


def _of_latents(cell: ImageKind) -> set[str]:
    """Statistics of a latent of all crops that mean the same as those of single crops."""
    return set(cell.pooled) - {"variance", "decorrelation"}


def _distribution(
    axes: Axes, place: float, values: Numbers, pooled: Numbers | None, color: str, *, upright: bool
) -> None:
    """One kind of image: its crops, and a latent of all of them."""
    lowest, low, middle, high, highest = np.quantile(values, (0.01, 0.1, 0.5, 0.9, 0.99))

    def draw(numbers: Sequence[float], at: float, **style: Any) -> None:
        places = [at] * len(numbers)
        x, y = (places, numbers) if upright else (numbers, places)
        axes.plot(x, y, color=color, zorder=3, **style)

    draw([lowest, highest], place, **ALL)
    draw([low, high], place, **MOST)
    draw([middle], place, ls="", **MIDDLE)
    if pooled is not None:
        draw([float(pooled.mean())], place - 0.27 * upright, ls="", **LATENT)


def _line(place: int) -> dict[str, Any]:
    """An estimator's line; that of record stands out."""
    return {
        "color": COLORS[place],
        "lw": 2.4 if place == 0 else 1.2,
        "marker": "osD^vP"[place],
        "ms": 5 if place == 0 else 4,
        "zorder": 4 if place == 0 else 3,
    }


def _scale(cell: ImageKind) -> int:
    assert cell.origin is not None
    return cell.origin.scale
