"""Draws the numbers of a run, one page a function."""

# ruff: noqa: RUF001

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps

from vlatent.figures.numbers import (
    Correlation,
    Curve,
    GradientHistogram,
    Slopes,
    Spectra,
    Training,
    spread,
)
from vlatent.figures.page import INK, SMALL, Page, Panel, Scale, measured
from vlatent.figures.scales import log_scale, octaves
from vlatent.priors import Kurtosis
from vlatent.spectra import RESIDUAL_LIMIT
from vlatent.statistics import BAND, CHANNELS_NEEDED

# Okabe and Ito (2008), without the yellow that white paper swallows: all can distinguish them.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
GOOD, BAD, BAND_COLOR = "#007A5A", "#B84300", "#D9E8F3"
MISSING = "#FFC8C8"  # color of what is not finite
LOWEST_DENSITY = 1e-5

Box = tuple[float, float, float, float]  # left, top, width and height on a page


def spectrum(title: str, spectra: Spectra) -> Page:
    """Log-log power spectrum of every channel, its fit and the band of natural images."""
    x = octaves(spectra, "frequency (cycles per latent side)")
    y = log_scale([spectra.power], "power (white noise: 1)")
    page, panels = _panels(len(spectra.alpha), x, y)
    page.header(
        title,
        "Power spectra",
        f"dots: mean over sentences · line: slope α · shaded: slopes {BAND[0]} to {BAND[1]}",
    )
    for channel, panel in enumerate(panels):
        flaw, inside = spectra.flaws[channel], spectra.in_band[channel]
        word, color = mark(inside, "in band" if inside else "not in band", flaw)
        _name(panel, f"channel {channel}", word, color)
        if flaw:
            _say(panel, f"{flaw}: no spectrum")
            continue
        flat, steep = spectra.flat[channel], spectra.steep[channel]
        panel.axes.fill_between(spectra.frequency, flat, steep, color=BAND_COLOR, zorder=0)
        panel.axes.plot(spectra.frequency, spectra.line[channel], color=color, linewidth=1.5)
        panel.axes.plot(spectra.frequency, spectra.power[channel], "o", color=INK, markersize=3)
        fit = f"α {spectra.alpha[channel]:.2f}\nresidual {spectra.residual[channel]:.2f}"
        panel.text(0.97, 0.95, fit, ha="right")
    return page


def gradients(title: str, histogram: GradientHistogram) -> Page:
    """Histogram of every channel's gradients beside the Gaussian of the same variance."""
    edges = histogram.edges
    x = Scale(edges[0], edges[-1], label="gradient (standard deviations)")
    highest = log_scale([histogram.density, histogram.gaussian]).high
    y = Scale(LOWEST_DENSITY, highest, log=True, label="probability density")
    page, panels = _panels(len(histogram.kurtosis), x, y)
    page.header(
        title, "Gradients", "filled: measured · dashed: Gaussian of the same variance, kurtosis 3"
    )
    for channel, panel in enumerate(panels):
        kurtosis, flaw = histogram.kurtosis[channel], histogram.flaws[channel]
        heavy, limit = kurtosis > Kurtosis.accepted[0], f"{Kurtosis.accepted[0]:g}"
        word, color = mark(heavy, f"> {limit}" if heavy else f"≤ {limit}", flaw)
        _name(panel, f"channel {channel} · kurtosis {kurtosis:.3g}", word, color)
        if flaw:
            _say(panel, f"{flaw}: no gradients")
            continue
        density = np.maximum(histogram.density[channel], LOWEST_DENSITY)
        panel.axes.stairs(density, edges, baseline=LOWEST_DENSITY, fill=True, color="#8FC1E0")
        centres = (edges[:-1] + edges[1:]) / 2
        panel.axes.plot(centres, histogram.gaussian, "--", color=INK, linewidth=1.5)
    return page


def correlation(title: str, correlation: Correlation) -> Page:
    """Heat map of the correlation between channels, with the values written in it."""
    page = Page(900, 800)
    page.header(
        title,
        f"Correlation: mean |off-diagonal| {correlation.off_diagonal:.3f}",
        "over sentences and pixels, latents centred; wanted: 0 off the diagonal",
    )
    heat_map(page, 76, 84, 640, correlation)
    shade = Scale(-1, 1, label="correlation", marks=(-1, -0.5, 0, 0.5, 1))
    bar = page.panel(810, 84, 26, 640, Scale(0, 1, marks=()), shade)
    ramp = np.linspace(1, -1, 256)[:, None]
    bar.axes.imshow(ramp, cmap="RdBu_r", extent=(0, 1, -1, 1), aspect="auto", zorder=1)
    return page


def training(title: str, training: Training) -> Page:
    """Training curves by term, before and after the weights, over the same steps."""
    page = Page(1000, 880)
    absent = [term for term in training.terms if term not in training.weighted]
    note = f" · not in the loss: {', '.join(absent)}" if absent else ""
    page.header(title, "Training", f"logged steps: {len(training.step)}{note}")
    term_panel(page, (84, 76, 760, 250), training, training.penalty, "penalty", last=False)
    weighted = training.weighted | {"loss": training.loss}
    term_panel(page, (84, 340, 760, 250), training, weighted, "weight × penalty", last=False)
    rate = {"learning rate": training.learning_rate}
    top = _largest(training.learning_rate) * 1.08 or 1.0
    _curves(page, (84, 604, 760, 100), training.step, rate, {}, Scale(0, top), last=False)
    norm = {"gradient norm": training.gradient_norm}
    scale = log_scale([training.gradient_norm])
    _curves(page, (84, 718, 760, 100), training.step, norm, {}, scale)
    return page


def slopes(title: str, slopes: Slopes) -> Page:
    """Slope, residual and channels in band at every evaluation."""
    page = Page(1000, 780)
    page.header(
        title,
        "Slopes over the run",
        f"a channel is in band with α from {BAND[0]} to {BAND[1]} and a residual below "
        f"{RESIDUAL_LIMIT} (shaded)",
    )
    alpha_panel(page, (84, 76, 820, 290), slopes, "slope α", last=False)
    channels = len(slopes.alpha)
    highest = float(np.clip(_largest(slopes.residual) * 1.1, 0.6, 3))
    box = (84, 380, 820, 150)
    curves, colors = by_channel(slopes.residual)
    scale = Scale(0, highest, label="residual")
    panel = _curves(page, box, slopes.step, curves, colors, scale, last=False)
    panel.axes.axhspan(0, RESIDUAL_LIMIT, color=BAND_COLOR, linewidth=0, zorder=0)
    marks = range(0, channels + 1, math.ceil(channels / 6))
    y = Scale(-0.4, channels + 0.4, marks=marks, label="channels in band")
    panel = page.panel(84, 544, 820, 170, _step_scale(slopes.step), y)
    panel.axes.axhspan(CHANNELS_NEEDED, channels + 0.4, color=BAND_COLOR, linewidth=0, zorder=0)
    panel.axes.step(slopes.step, slopes.in_band, where="post", color=INK, linewidth=1.5)
    panel.axes.plot(slopes.step, slopes.in_band, "o", color=INK, markersize=4)
    panel.text(1.012, min(y.share(CHANNELS_NEEDED), 1), f"{CHANNELS_NEEDED} needed", size=SMALL)
    return page


def _panels(count: int, x: Scale, y: Scale) -> tuple[Page, list[Panel]]:
    """A page with one panel a channel, labelled at the left and at the bottom."""
    columns = {1: 1, 2: 2, 4: 2}.get(count, 3)
    rows = math.ceil(count / columns)
    height = 230 if rows > 1 else 360
    page = Page(1000, 100 + rows * (height + 36) + 18)
    width = (page.width - 72 - 16) / columns
    panels = []
    for index in range(count):
        row, column = divmod(index, columns)
        lowest = index + columns >= count
        across, upward = replace(x, named=lowest), replace(y, named=column == 0)
        place = (76 + column * width, 98 + row * (height + 36))
        panels.append(page.panel(*place, width - 18, height, across, upward))
    return page, panels


def _name(panel: Panel, name: str, remark: str, color: str) -> None:
    """The panel's title, and at its right what became of it."""
    panel.text(0, 1.02, name, weight="bold", va="bottom")
    panel.text(1, 1.02, remark, color=color, ha="right", va="bottom")


def mark(good: bool, word: str, flaw: str) -> tuple[str, str]:
    """Good or bad by sign and color, or why it cannot be told."""
    if flaw:
        return flaw, BAD
    return (f"✓ {word}", GOOD) if good else (f"✗ {word}", BAD)


def _say(panel: Panel, words: str) -> None:
    """Words in the middle of an otherwise empty panel."""
    panel.text(0.5, 0.5, words, color=BAD, ha="center", va="center")


def alpha_panel(page: Page, box: Box, slopes: Slopes, label: str = "", last: bool = True) -> None:
    """The slope of every channel over the run, and the band."""
    finite = slopes.alpha[np.isfinite(slopes.alpha)]
    low, high = (finite.min(), finite.max()) if finite.size else BAND
    lowest, highest = max(min(low, 0.5), -2) - 0.2, min(max(high, 3), 6) + 0.2
    scale = Scale(lowest, highest, label=label, marks=(-2, -1, 0, 1, *BAND, 2, 3, 4, 5, 6))
    curves, colors = by_channel(slopes.alpha)
    panel = _curves(page, box, slopes.step, curves, colors, scale, last)
    panel.axes.axhspan(*BAND, color=BAND_COLOR, linewidth=0, zorder=0)


def term_panel(
    page: Page,
    box: Box,
    training: Training,
    curves: Mapping[str, Curve],
    label: str = "",
    last: bool = True,
) -> None:
    """One curve a term, each term in its own color on every page."""
    colors = {term: COLORS[index % 6] for index, term in enumerate(training.terms)}
    scale = log_scale(list(curves.values()), label)
    _curves(page, box, training.step, curves, colors, scale, last)


def _curves(
    page: Page,
    box: Box,
    step: Curve,
    curves: Mapping[str, Curve],
    colors: Mapping[str, str],
    y: Scale,
    last: bool = True,
) -> Panel:
    """A panel of curves over the training steps, which are written below the last panel only."""
    panel = page.panel(*box, _step_scale(step, last), y)
    draw_lines(panel, step, curves, colors)
    return panel


def draw_lines(
    panel: Panel, x: Curve, curves: Mapping[str, Curve], colors: Mapping[str, str]
) -> None:
    """Curves, each with its name at its right end."""
    marker = "o" if len(x) < 40 else ""  # a single point has no line
    ends = []
    for index, (name, curve) in enumerate(curves.items()):
        style = "-" if index < len(COLORS) else "--"
        color = colors.get(name, INK)
        panel.axes.plot(x, curve, style, marker=marker, markersize=3, color=color, linewidth=1.4)
        finite = curve[np.isfinite(curve)]
        ends.append(panel.y.share(float(finite[-1])) if finite.size else 0.0)
    if not any(np.isfinite(curve).any() for curve in curves.values()):
        _say(panel, "nothing to show: no finite value")
        return
    places = spread(ends, 15 / panel.height)
    for (name, curve), place in zip(curves.items(), places, strict=True):
        broken = "" if np.isfinite(curve[-1]) else " nan"
        color = colors.get(name, INK)
        panel.text(1.015, place, name + broken, size=SMALL, color=color, va="center")


def heat_map(page: Page, left: float, top: float, side: float, correlation: Correlation) -> None:
    """The correlation matrix in colors, and in digits where they fit."""
    matrix = correlation.matrix
    count = len(matrix)
    first, last = -0.5, count - 0.5
    x = Scale(first, last, marks=range(count), label="channel")
    y = Scale(last, first, marks=range(count), label="channel")
    panel = page.panel(left, top, side, side, x, y)
    panel.axes.imshow(
        matrix,
        cmap=colormaps["RdBu_r"].with_extremes(bad=MISSING),
        vmin=-1,
        vmax=1,
        extent=(first, last, last, first),
        aspect="auto",
        zorder=1,  # above the grid
    )
    if side / count < measured("-0.00", SMALL) + 4:
        return
    for row in range(count):
        for column in range(count):
            value = matrix[row, column]
            color = "white" if abs(value) > 0.6 else INK
            across, up = x.share(column), y.share(row)
            words = f"{round(value, 2) + 0.0:.2f}"  # + 0.0: never -0.00
            panel.text(across, up, words, size=SMALL, color=color, ha="center", va="center")


def _step_scale(step: Float[np.ndarray, "*_"], named: bool = True) -> Scale:
    """The scale of the training steps, with a little room on both sides."""
    low, high = (float(step[0]), float(step[-1])) if len(step) else (0.0, 1.0)
    room = (high - low) * 0.02 or 1.0
    marks = [low] if low == high else None
    return Scale(low - room, high + room, False, "training step", marks, named)


def _largest(values: Float[np.ndarray, "*_"]) -> float:
    return float(np.max(values, initial=0.0, where=np.isfinite(values)))


def by_channel(
    curves: Float[np.ndarray, "channel row"],
) -> tuple[dict[str, Curve], dict[str, str]]:
    """The curves of all channels by the channel's name, and their colors."""
    names = [f"{channel}" for channel in range(len(curves))]
    colors = [COLORS[channel % len(COLORS)] for channel in range(len(curves))]
    return dict(zip(names, curves, strict=True)), dict(zip(names, colors, strict=True))
