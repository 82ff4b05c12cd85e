"""Draws the numbers of a run, one page a function."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import colormaps

from vlatent.evaluation import BAND, CHANNELS_NEEDED, Evaluation, Verdict, in_words
from vlatent.figures.numbers import (
    Correlation,
    Curve,
    GradientHistogram,
    Mosaic,
    Slopes,
    Spectra,
    Training,
    spread,
    tiles,
)
from vlatent.figures.page import (
    GRAY,
    INK,
    LARGE,
    NORMAL,
    SMALL,
    Page,
    Panel,
    Pixels,
    Scale,
    fitted,
    measured,
)
from vlatent.spectra import RESIDUAL_LIMIT

# Okabe and Ito (2008), without the yellow that white paper swallows: told apart by everybody.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
GOOD, BAD, BAND_COLOR = "#007A5A", "#B84300", "#D9E8F3"
MISSING = (255, 200, 200)  # color of pixels that are not finite
GAP, TILE = 6, 96  # pixels between pictures, and along a picture's longer side
DECADES = 6  # of a log axis: what lies farther below the largest value weighs nothing
LOWEST_DENSITY = 1e-5

Box = tuple[float, float, float, float]  # left, top, width and height on a page


def spectrum(title: str, spectra: Spectra) -> Page:
    """Log-log power spectrum of every channel, its fit and the band of natural images."""
    x = _octaves(spectra, "frequency (cycles per picture side)")
    y = _log_scale([spectra.power], "power (white noise: 1)")
    page, panels = _panels(len(spectra.alpha), x, y)
    page.header(
        title,
        "Power spectra",
        f"dots: mean over sentences · line: slope α · shaded: slopes {BAND[0]} to {BAND[1]}",
    )
    for channel, panel in enumerate(panels):
        flaw, inside = spectra.flaws[channel], spectra.in_band[channel]
        word, color = _mark(inside, "in band" if inside else "not in band", flaw)
        _name(panel, f"channel {channel}", word, color)
        if flaw:
            _say(panel, f"{flaw}: no spectrum")
            continue
        flat, steep = spectra.flat[channel], spectra.steep[channel]
        panel.axes.fill_between(spectra.frequency, flat, steep, color=BAND_COLOR, zorder=0)
        panel.axes.plot(spectra.frequency, spectra.line[channel], color=color, linewidth=1.5)
        panel.axes.plot(spectra.frequency, spectra.power[channel], "o", color=INK, markersize=3)
        found = f"α {spectra.alpha[channel]:.2f}\nresidual {spectra.residual[channel]:.2f}"
        panel.text(0.97, 0.95, found, ha="right")
    return page


def montage(title: str, mosaic: Mosaic, texts: Sequence[str], spectra: Spectra) -> Page:
    """Every fixed sentence's picture, one row a sentence and one column a channel."""
    channels = len(spectra.alpha)
    side = int(np.clip(600 / channels, 64, TILE))
    image, down, across = _mosaic(mosaic, list(range(len(texts))), side)
    label, top = max(320, 640 - image.shape[1]), 130
    below = top + image.shape[0]
    page = Page(label + image.shape[1] + 16, below + 64)
    page.header(title, "Latents", "one color scale a channel, the same for all sentences")
    page.image(label, top, image)
    _sentences(page, texts, label, top, down)
    for words, at in (("channel", 72), ("slope α", 90), ("in band", 108)):
        page.text(label - 14, at, words, size=SMALL, color=GRAY, ha="right")
    scale = "mean\n± 99th percentile of the distance"
    page.text(label - 14, below + 24, scale, size=SMALL, color=GRAY, ha="right")
    ramp = _colored(np.linspace(0, 1, across - GAP)[None].repeat(10, axis=0))
    for channel in range(channels):
        left = label + channel * across
        centre = left + (across - GAP) / 2
        word, color = _mark(spectra.in_band[channel], "", spectra.flaws[channel])
        page.text(centre, 71, f"{channel}", weight="bold", ha="center")
        page.text(centre, 90, f"{spectra.alpha[channel]:.2f}", size=SMALL, ha="center")
        page.text(centre, 108, word, size=SMALL, color=color, ha="center")
        page.image(left, below + 10, ramp)
        reach = f"{mosaic.centre[channel]:.2g}\n± {mosaic.reach[channel]:.2g}"
        page.text(centre, below + 24, reach, size=SMALL, ha="center")
    return page


def gradients(title: str, histogram: GradientHistogram) -> Page:
    """Histogram of every channel's gradients beside the Gaussian of the same variance."""
    edges = histogram.edges
    x = Scale(edges[0], edges[-1], label="gradient (standard deviations)")
    highest = _log_scale([histogram.density, histogram.gaussian]).high
    y = Scale(LOWEST_DENSITY, highest, log=True, label="probability density")
    page, panels = _panels(len(histogram.kurtosis), x, y)
    page.header(
        title, "Gradients", "filled: measured · dashed: Gaussian of the same variance, kurtosis 3"
    )
    for channel, panel in enumerate(panels):
        kurtosis, flaw = histogram.kurtosis[channel], histogram.flaws[channel]
        word, color = _mark(kurtosis > 3, "above 3" if kurtosis > 3 else "not above 3", flaw)
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
        f"Correlation between channels: mean |off-diagonal| {correlation.off_diagonal:.3f}",
        "Pearson correlation over sentences and pixels; wanted: 0 off the diagonal",
    )
    _heat_map(page, 76, 84, 640, correlation)
    bar = page.panel(
        750, 84, 26, 640, Scale(0, 1, marks=()), Scale(-1, 1, marks=(-1, -0.5, 0, 0.5, 1))
    )
    bar.axes.imshow(
        np.linspace(1, -1, 256)[:, None], cmap="RdBu_r", extent=(0, 1, -1, 1), aspect="auto"
    )
    return page


def training(title: str, training: Training) -> Page:
    """Training curves by term, before and after the weights, over the same steps."""
    page = Page(1000, 880)
    absent = [term for term in training.terms if term not in training.weighted]
    note = f" · not in the loss: {', '.join(absent)}" if absent else ""
    page.header(title, "Training", f"{len(training.step)} logged steps{note}")
    _term_panel(page, (84, 76, 760, 250), training, training.penalty, "penalty", last=False)
    weighted = training.weighted | {"loss": training.loss}
    _term_panel(page, (84, 340, 760, 250), training, weighted, "weight × penalty", last=False)
    rate = {"learning rate": training.learning_rate}
    top = _largest(training.learning_rate) * 1.08 or 1.0
    _curves(page, (84, 604, 760, 100), training.step, rate, {}, Scale(0, top), last=False)
    norm = {"gradient norm": training.gradient_norm}
    scale = _log_scale([training.gradient_norm])
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
    _alpha_panel(page, (84, 76, 850, 290), slopes, "slope α", last=False)
    channels = len(slopes.alpha)
    highest = float(np.clip(_largest(slopes.residual) * 1.1, 0.6, 3))
    box = (84, 380, 850, 150)
    curves, colors = _by_channel(slopes.residual)
    scale = Scale(0, highest, label="residual")
    panel = _curves(page, box, slopes.step, curves, colors, scale, last=False)
    panel.axes.axhspan(0, RESIDUAL_LIMIT, color=BAND_COLOR, linewidth=0, zorder=0)
    marks = range(0, channels + 1, math.ceil(channels / 6))
    y = Scale(-0.4, channels + 0.4, marks=marks, label="channels in band")
    panel = page.panel(84, 544, 850, 170, _step_scale(slopes.step), y)
    panel.axes.axhspan(CHANNELS_NEEDED, channels + 0.4, color=BAND_COLOR, linewidth=0, zorder=0)
    panel.axes.step(slopes.step, slopes.in_band, where="post", color=INK, linewidth=1.5)
    panel.axes.plot(slopes.step, slopes.in_band, "o", color=INK, markersize=4)
    panel.text(1.012, 0.5, f"{CHANNELS_NEEDED} needed", size=SMALL, va="center")
    return page


def overview(
    title: str,
    verdict: Verdict,
    last: Evaluation,
    spectra: Spectra,
    mosaic: Mosaic,
    texts: Sequence[str],
    slopes: Slopes,
    training: Training,
    correlation: Correlation,
) -> Page:
    """The whole run on one page: verdict, dependence on the text and the main pictures."""
    chosen = np.linspace(0, len(texts) - 1, 4).astype(int).tolist()
    side = int(np.clip(400 / len(spectra.alpha), 32, 64))
    image, down, across = _mosaic(mosaic, chosen, side)
    first = 84 + 22 * (len(verdict.criteria) + 1) + 48
    second = first + max(image.shape[0], 250) + 62
    page = Page(1100, second + 322)
    _verdict(page, title, verdict, last, top=84)

    label = 230
    page.text(12, first - 26, "Latents, one color scale a channel", weight="bold")
    page.image(label, first, image)
    _sentences(page, [texts[sentence] for sentence in chosen], label, first, down)
    below = first + image.shape[0] + 4
    page.text(label - 14, below, "channel", size=SMALL, color=GRAY, ha="right")
    for channel in range(len(spectra.alpha)):
        centre = label + channel * across + (across - GAP) / 2
        page.text(centre, below, f"{channel}", size=SMALL, ha="center")

    left = label + image.shape[1] + 84
    page.text(left, first - 26, "Power spectra", weight="bold")
    _spectra_panel(page, (left, first, page.width - left - 50, max(image.shape[0], 250)), spectra)
    page.text(60, second, "Slope α", weight="bold")
    _alpha_panel(page, (60, second + 24, 270, 250), slopes)
    page.text(420, second, "Weight × penalty", weight="bold")
    weighted = training.weighted | {"loss": training.loss}
    _term_panel(page, (420, second + 24, 240, 250), training, weighted)
    page.text(820, second, f"|Correlation| {correlation.off_diagonal:.3f} on average", weight="bold")
    _heat_map(page, 820, second + 24, 250, correlation)
    return page


def _verdict(page: Page, title: str, verdict: Verdict, last: Evaluation, top: float) -> None:
    """The run's name, whether it passed, dependence on the text, and one line a criterion."""
    holding = sum(criterion.holds for criterion in verdict.criteria)
    word, color = ("✓ PASS", GOOD) if verdict.passed else ("✗ FAIL", BAD)
    result = f"{word}: {holding} of {len(verdict.criteria)} criteria hold"
    page.text(page.width - 14, 14, result, size=LARGE, color=color, weight="bold", ha="right")
    room = page.width - 60 - measured(result, LARGE, "bold")
    name = fitted(title, room * 0.85, 1, LARGE)  # bold words are wider
    page.text(12, 14, name, size=LARGE, weight="bold")
    words = f"Step {last.step}. {in_words(last.metrics)}"
    page.text(12, 48, fitted(words, page.width - 24, 1, NORMAL))
    columns = (12, 86, 230, 800)
    for left, name in zip(columns[1:], ("criterion", "wanted", "found"), strict=True):
        page.text(left, top, name, size=SMALL, color=GRAY)
    for index, criterion in enumerate(verdict.criteria, start=1):
        line = top + index * 22
        word, color = ("✓ holds", GOOD) if criterion.holds else ("✗ fails", BAD)
        page.text(columns[0], line, word, size=SMALL, color=color, weight="bold")
        page.text(columns[1], line, fitted(criterion.name, 136, 1, SMALL), size=SMALL)
        page.text(columns[2], line, fitted(criterion.wanted, 560, 1, SMALL), size=SMALL)
        page.text(columns[3], line, fitted(criterion.found, 288, 1, SMALL), size=SMALL)


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


def _mark(good: bool, word: str, flaw: str) -> tuple[str, str]:
    """Good or bad by sign and color, or why it cannot be told."""
    if flaw:
        return flaw, BAD
    return (f"✓ {word}", GOOD) if good else (f"✗ {word}", BAD)


def _say(panel: Panel, words: str) -> None:
    """Words in the middle of an otherwise empty panel."""
    panel.text(0.5, 0.5, words, color=BAD, ha="center", va="center")


def _spectra_panel(page: Page, box: Box, spectra: Spectra) -> None:
    """The spectra of all channels in one panel."""
    curves, colors = _by_channel(spectra.power)
    x = _octaves(spectra, "cycles per picture side")
    panel = page.panel(*box, x, _log_scale([spectra.power], "power"))
    known = [not flaw for flaw in spectra.flaws]
    if any(known):
        laws = (np.exp(np.log(law[known]).mean(0)) for law in (spectra.flat, spectra.steep))
        panel.axes.fill_between(spectra.frequency, *laws, color=BAND_COLOR, zorder=0)
    _lines(panel, spectra.frequency, curves, colors)


def _alpha_panel(page: Page, box: Box, slopes: Slopes, label: str = "", last: bool = True) -> None:
    """The slope of every channel over the run, and the band."""
    finite = slopes.alpha[np.isfinite(slopes.alpha)]
    low, high = (finite.min(), finite.max()) if finite.size else BAND
    scale = Scale(max(min(low, 0.5), -2) - 0.2, min(max(high, 3), 6) + 0.2, label=label)
    curves, colors = _by_channel(slopes.alpha)
    panel = _curves(page, box, slopes.step, curves, colors, scale, last)
    panel.axes.axhspan(*BAND, color=BAND_COLOR, linewidth=0, zorder=0)


def _term_panel(
    page: Page,
    box: Box,
    training: Training,
    curves: Mapping[str, Curve],
    label: str = "",
    last: bool = True,
) -> None:
    """One curve a term, each term in its own color on every page."""
    colors = {term: COLORS[index % 6] for index, term in enumerate(training.terms)}
    scale = _log_scale(list(curves.values()), label)
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
    _lines(panel, step, curves, colors)
    return panel


def _lines(
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
        broken = "" if np.isfinite(curve[-1]) else " (not finite)"
        color = colors.get(name, INK)
        panel.text(1.015, place, name + broken, size=SMALL, color=color, va="center")


def _heat_map(page: Page, left: float, top: float, side: float, correlation: Correlation) -> None:
    """The correlation matrix in colors, and in digits where they fit."""
    matrix = correlation.matrix
    count = len(matrix)
    first, last = -0.5, count - 0.5
    x = Scale(first, last, marks=range(count), label="channel")
    y = Scale(last, first, marks=range(count), label="channel")
    panel = page.panel(left, top, side, side, x, y)
    panel.axes.imshow(
        matrix, cmap="RdBu_r", vmin=-1, vmax=1, extent=(first, last, last, first), aspect="auto"
    )
    if side / count < measured("-0.00", SMALL) + 4:
        return
    for row in range(count):
        for column in range(count):
            value = matrix[row, column]
            color = "white" if abs(value) > 0.6 else INK
            at = x.share(column), y.share(row)
            panel.text(*at, f"{value:.2f}", size=SMALL, color=color, ha="center", va="center")


def _sentences(page: Page, texts: Sequence[str], width: int, top: int, down: int) -> None:
    """The sentences beside the rows of a mosaic."""
    for row, text in enumerate(texts):
        words = fitted(text, width - 26, max(1, down // 16), SMALL)
        page.text(12, top + row * down + (down - GAP) / 2, words, size=SMALL, va="center")


def _mosaic(
    mosaic: Mosaic, sentences: Sequence[int], side: int
) -> tuple[Pixels, int, int]:
    """The image of these sentences' pictures, and the pixels from one to the next."""
    image = tiles(_colored(mosaic.level[list(sentences)]), side, GAP)
    rows, columns = len(sentences), mosaic.level.shape[1]
    return image, (image.shape[0] + GAP) // rows, (image.shape[1] + GAP) // columns


def _colored(level: Float[np.ndarray, "*grid"]) -> UInt8[np.ndarray, "*grid 3"]:
    """The color of every level from 0 to 1."""
    scale = colormaps["cividis"](np.arange(256), bytes=True)[:, :3]
    scale = np.vstack([scale, MISSING]).astype(np.uint8)
    return scale[np.where(np.isfinite(level), np.rint(level * 255), 256).astype(int)]


def _octaves(spectra: Spectra, label: str) -> Scale:
    """The log scale of the frequencies, marked at every doubling."""
    low, high = float(spectra.frequency[0]), float(spectra.frequency[-1])
    return Scale(low * 0.85, high * 1.15, True, label, [2.0**n for n in range(-1, 12)])


def _log_scale(curves: Sequence[Float[np.ndarray, "*_"]], label: str = "") -> Scale:
    """A log scale that shows all positive values, but never too many decades."""
    values = np.concatenate([np.zeros(0), *(curve.ravel() for curve in curves)])
    values = values[np.isfinite(values) & (values > 1e-200) & (values < 1e200)]
    low, high = (values.min() / 1.5, values.max() * 1.5) if values.size else (0.1, 10.0)
    return Scale(float(max(low, high / 10**DECADES)), float(high), True, label)


def _step_scale(step: Float[np.ndarray, "*_"], named: bool = True) -> Scale:
    """The scale of the training steps, with a little room on both sides."""
    low, high = (float(step[0]), float(step[-1])) if len(step) else (0.0, 1.0)
    room = (high - low) * 0.02 or 1.0
    return Scale(low - room, high + room, label="training step", named=named)


def _largest(values: Float[np.ndarray, "*_"]) -> float:
    return float(np.max(values, initial=0.0, where=np.isfinite(values)))


def _by_channel(
    curves: Float[np.ndarray, "channel row"],
) -> tuple[dict[str, Curve], dict[str, str]]:
    """The curves of all channels by the channel's name, and their colors."""
    names = [f"{channel}" for channel in range(len(curves))]
    colors = [COLORS[channel % len(COLORS)] for channel in range(len(curves))]
    return dict(zip(names, curves, strict=True)), dict(zip(names, colors, strict=True))
