"""Draws the numbers of a run, one page a function."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import colormaps
from matplotlib.axes import Axes

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
    fitted,
    logarithmic,
    measured,
)
from vlatent.spectra import RESIDUAL_LIMIT

# Okabe and Ito (2008), without the yellow that white paper swallows: told apart by everybody.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
GOOD, BAD, BAND_COLOR = "#007A5A", "#B84300", "#D9E8F3"
MISSING = (255, 200, 200)  # color of pixels that are not finite
GAP, TILE = 6, 96  # pixels between pictures, and along a picture's longer side
DECADES = 6  # of a log axis: what lies farther below the largest value weighs nothing


def spectrum(title: str, spectra: Spectra) -> Page:
    """Log-log power spectrum of every channel, its fit and the band of natural images."""
    page, panels = _panels(len(spectra.alpha), "frequency (cycles per picture side)", "power")
    page.header(
        title,
        "Power spectra",
        "dots: mean over sentences, white noise has power 1 · line: slope of record α · "
        f"shaded: slopes {BAND[0]} to {BAND[1]}",
    )
    limits = _limits([spectra.power])
    for channel, axes in enumerate(panels):
        flaw, inside = spectra.flaws[channel], spectra.in_band[channel]
        _name(axes, f"channel {channel}", *_mark(inside, flaw))
        _log_log(axes, spectra, limits)
        if flaw:
            _say(axes, f"{flaw}: no spectrum")
            continue
        power, line = spectra.power[channel], spectra.line[channel]
        axes.fill_between(
            spectra.frequency, spectra.flat[channel], spectra.steep[channel], color=BAND_COLOR
        )
        axes.plot(spectra.frequency, power, "o", color=COLORS[0], markersize=3)
        axes.plot(spectra.frequency, line, color=GOOD if inside else BAD, linewidth=1.5)
        found = f"α {spectra.alpha[channel]:.2f}\nresidual {spectra.residual[channel]:.2f}"
        axes.text(0.97, 0.95, found, transform=axes.transAxes, ha="right", va="top", size=NORMAL)
    return page


def montage(title: str, mosaic: Mosaic, texts: Sequence[str], spectra: Spectra) -> Page:
    """Every fixed sentence's picture, one row a sentence and one column a channel."""
    colors = _colored(mosaic.level)
    channels = len(spectra.alpha)
    image = tiles(colors, TILE, GAP)
    down, across = _pitch(image, colors)
    label, top = max(320, 640 - image.shape[1]), 128
    page = Page(label + image.shape[1] + 16, top + image.shape[0] + 64)
    page.header(title, "Latents", "one color scale a channel, the same for all sentences")
    page.image(label, top, image)
    for row, text in enumerate(texts):
        middle = top + row * down + (down - GAP) / 2
        words = fitted(text, label - 28, max(1, int(down / 16)), SMALL)
        page.text(12, middle, words, size=SMALL, va="center")
    below = top + image.shape[0]
    for words, at in (("channel", 72), ("slope α", 90), ("in band", 108)):
        page.text(label - 12, at, words, ha="right", size=SMALL, color=GRAY)
    scale = "mean\n± 99th percentile of the distance"
    page.text(label - 12, below + 24, scale, ha="right", size=SMALL, color=GRAY)
    ramp = _colored(np.linspace(0, 1, across - GAP)[None].repeat(10, axis=0))
    for channel in range(channels):
        left = label + channel * across
        centre = left + (across - GAP) / 2
        words, color = _mark(spectra.in_band[channel], spectra.flaws[channel])
        page.text(centre, 72, f"{channel}", ha="center", weight="bold")
        page.text(centre, 90, f"{spectra.alpha[channel]:.2f}", ha="center", size=SMALL)
        page.text(centre, 108, words, ha="center", size=SMALL, color=color)
        page.image(left, below + 10, ramp)
        reach = f"{mosaic.centre[channel]:.2g}\n± {mosaic.reach[channel]:.2g}"
        page.text(centre, below + 24, reach, ha="center", size=SMALL)
    return page


def gradients(title: str, histogram: GradientHistogram) -> Page:
    """Histogram of every channel's gradients beside the Gaussian of the same variance."""
    page, panels = _panels(
        len(histogram.kurtosis), "gradient (standard deviations)", "probability density"
    )
    page.header(
        title, "Gradients", "filled: measured · dashed: Gaussian of the same variance, kurtosis 3"
    )
    _, high = _limits([histogram.density, histogram.gaussian])
    low = 1e-5
    centres = (histogram.edges[:-1] + histogram.edges[1:]) / 2
    for channel, axes in enumerate(panels):
        kurtosis = histogram.kurtosis[channel]
        heavy = "heavy tails" if kurtosis > 3 else "no heavy tails"
        words, color = _mark(kurtosis > 3, histogram.flaws[channel], heavy)
        _name(axes, f"channel {channel} · kurtosis {kurtosis:.3g}", words, color)
        axes.set_xlim(histogram.edges[0], histogram.edges[-1])
        logarithmic(axes.yaxis, low, high)
        if histogram.flaws[channel]:
            _say(axes, f"{histogram.flaws[channel]}: no gradients")
            continue
        density = np.maximum(histogram.density[channel], low)
        axes.stairs(density, histogram.edges, baseline=low, fill=True, color="#8FC1E0")
        axes.plot(centres, histogram.gaussian, "--", color=INK, linewidth=1.5)
    return page


def correlation(title: str, correlation: Correlation) -> Page:
    """Heat map of the correlation between channels, with the values written in it."""
    page = Page(900, 790)
    page.header(
        title,
        f"Correlation between channels: mean |off-diagonal| {correlation.off_diagonal:.3f}",
        "Pearson correlation over sentences and pixels; a near-diagonal map is wanted",
    )
    axes = page.axes(76, 84, 640, 640)
    _heat_map(axes, correlation, 11 if len(correlation.matrix) <= 8 else SMALL)
    axes.set_xlabel("channel", size=NORMAL)
    axes.set_ylabel("channel", size=NORMAL)
    bar = page.axes(748, 84, 26, 640)
    bar.grid(False)
    page.figure.colorbar(axes.images[0], cax=bar, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.tick_params(labelsize=SMALL)
    bar.set_ylabel("correlation", size=NORMAL)
    return page


def training(title: str, training: Training) -> Page:
    """Training curves by term, before and after the weights, on one axis of steps."""
    page = Page(1000, 900)
    absent = [term for term in training.terms if term not in training.weighted]
    note = f" · weight 0, not in the loss: {', '.join(absent)}" if absent else ""
    page.header(title, "Training", f"{len(training.step)} logged steps{note}")
    heights = (250, 270, 100, 100)
    tops = (72, 72 + 262, 72 + 544, 72 + 656)
    raw, weighted, rate, norm = (
        page.axes(84, top, 770, height) for top, height in zip(tops, heights, strict=True)
    )
    _term_panel(raw, training, training.penalty)
    _term_panel(weighted, training, training.weighted | {"loss": training.loss})
    _plot(rate, training.step, {"": training.learning_rate}, {"": INK})
    rate.set_ylim(bottom=0)
    _log_plot(norm, training.step, {"": training.gradient_norm}, {"": INK})
    for axes, label in (
        (raw, "penalty"),
        (weighted, "weight × penalty"),
        (rate, "learning rate"),
        (norm, "gradient norm"),
    ):
        axes.set_ylabel(label, size=NORMAL)
        axes.yaxis.set_label_coords(-0.075, 0.5)
        axes.sharex(raw) if axes is not raw else None
        axes.tick_params(labelbottom=axes is norm)
    norm.set_xlabel("training step", size=NORMAL)
    return page


def slopes(title: str, slopes: Slopes) -> Page:
    """Slope, residual and channels in band at every evaluation."""
    page = Page(1000, 780)
    page.header(
        title,
        "Slopes over the run",
        f"in band: α from {BAND[0]} to {BAND[1]} and residual below {RESIDUAL_LIMIT}",
    )
    alpha = page.axes(84, 72, 840, 280)
    left = page.axes(84, 368, 840, 160)
    count = page.axes(84, 544, 840, 170)
    _alpha_panel(alpha, slopes)
    channels = len(slopes.alpha)
    left.axhspan(0, RESIDUAL_LIMIT, color=BAND_COLOR, linewidth=0)
    left.set_ylim(0, float(np.clip(_largest(slopes.residual) * 1.1, 0.6, 3)))
    _plot(left, slopes.step, _by_channel(slopes.residual), _channel_colors(channels))
    count.axhspan(CHANNELS_NEEDED, channels + 0.4, color=BAND_COLOR, linewidth=0)
    count.step(slopes.step, slopes.in_band, where="post", color=INK, linewidth=1.5)
    count.plot(slopes.step, slopes.in_band, "o", color=INK, markersize=4)
    count.set_ylim(-0.4, channels + 0.4)
    for axes, label in (
        (alpha, "slope α"),
        (left, "residual"),
        (count, f"channels in band\n({CHANNELS_NEEDED} needed)"),
    ):
        axes.set_ylabel(label, size=NORMAL)
        axes.yaxis.set_label_coords(-0.045, 0.5)
        axes.sharex(alpha) if axes is not alpha else None
        axes.tick_params(labelbottom=axes is count)
    count.set_xlabel("training step", size=NORMAL)
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
    chosen = np.linspace(0, len(texts) - 1, 4).astype(int)
    colors = _colored(mosaic.level[chosen])
    image = tiles(colors, int(np.clip(400 / len(spectra.alpha), 32, 64)) , GAP)
    down, across = _pitch(image, colors)
    table, row = 84, 22
    first = table + row * (len(verdict.criteria) + 1) + 44
    second = first + max(image.shape[0], 270) + 64
    page = Page(1100, second + 330)
    _verdict(page, title, verdict, last, table, row)

    label = 230
    page.text(12, first - 28, "Latents, one color scale a channel", weight="bold")
    page.image(label, first, image)
    for index, sentence in enumerate(chosen):
        words = fitted(texts[sentence], label - 24, max(1, int(down / 16)), SMALL)
        page.text(12, first + index * down + (down - GAP) / 2, words, size=SMALL, va="center")
    for channel in range(len(spectra.alpha)):
        centre = label + channel * across + (across - GAP) / 2
        page.text(centre, first + image.shape[0] + 4, f"{channel}", ha="center", size=SMALL)
    page.text(label - 12, first + image.shape[0] + 4, "channel", ha="right", size=SMALL)

    left = label + image.shape[1] + 84
    axes = page.axes(left, first, 1100 - left - 60, image.shape[0])
    page.text(left, first - 28, "Power spectra", weight="bold")
    _spectra_panel(axes, spectra)

    page.text(60, second, "Slope α", weight="bold")
    axes = page.axes(60, second + 24, 270, 250)
    _alpha_panel(axes, slopes)
    axes.set_xlabel("training step", size=SMALL)
    page.text(410, second, "Weight × penalty", weight="bold")
    axes = page.axes(410, second + 24, 250, 250)
    _term_panel(axes, training, training.weighted | {"loss": training.loss})
    axes.set_xlabel("training step", size=SMALL)
    page.text(820, second, "Correlation between channels", weight="bold")
    axes = page.axes(820, second + 24, 250, 250)
    _heat_map(axes, correlation, SMALL if len(correlation.matrix) <= 6 else None)
    axes.set_xlabel(f"channel · mean |off-diagonal| {correlation.off_diagonal:.3f}", size=SMALL)
    return page


def _verdict(
    page: Page, title: str, verdict: Verdict, last: Evaluation, top: int, row: int
) -> None:
    """The run's name, whether it passed, dependence on the text, and one line a criterion."""
    page.text(12, 14, fitted(title, 820, 1, LARGE), size=LARGE, weight="bold")
    holding = sum(criterion.holds for criterion in verdict.criteria)
    word, color = ("PASS", GOOD) if verdict.passed else ("FAIL", BAD)
    page.text(
        page.width - 16,
        18,
        f"{word} · {holding} of {len(verdict.criteria)} criteria",
        ha="right",
        color="white",
        weight="bold",
        bbox={"facecolor": color, "edgecolor": color, "boxstyle": "round,pad=0.4"},
    )
    words = f"Step {last.step}. {in_words(last.metrics)}"
    page.text(12, 50, fitted(words, page.width - 24, 1, NORMAL))
    columns = (12, 86, 230, 800)
    for left, name in zip(columns, ("", "criterion", "wanted", "found"), strict=True):
        page.text(left, top, name, size=SMALL, color=GRAY)
    for index, criterion in enumerate(verdict.criteria, start=1):
        line = top + index * row
        word, color = ("✓ pass", GOOD) if criterion.holds else ("✗ FAIL", BAD)
        page.text(columns[0], line, word, size=SMALL, color=color, weight="bold")
        page.text(columns[1], line, criterion.name, size=SMALL)
        page.text(columns[2], line, fitted(criterion.wanted, 560, 1, SMALL), size=SMALL)
        page.text(columns[3], line, fitted(criterion.found, 288, 1, SMALL), size=SMALL)


def _panels(count: int, x_label: str, y_label: str) -> tuple[Page, list[Axes]]:
    """A page with one panel a channel, labelled at the left and at the bottom."""
    columns = {1: 1, 2: 2, 4: 2}.get(count, 3)
    rows = math.ceil(count / columns)
    height = 230 if rows > 1 else 360
    page = Page(1000, 72 + rows * (height + 34) + 46)
    width = (1000 - 72 - 16) / columns
    panels = []
    for index in range(count):
        row, column = divmod(index, columns)
        axes = page.axes(72 + column * width, 100 + row * (height + 34), width - 18, height)
        lowest = index + columns >= count
        axes.tick_params(labelleft=column == 0, labelbottom=lowest)
        if column == 0:
            axes.set_ylabel(y_label, size=NORMAL)
        if lowest:
            axes.set_xlabel(x_label, size=NORMAL)
        panels.append(axes)
    return page, panels


def _name(axes: Axes, name: str, remark: str, color: str) -> None:
    """The panel's title, and at its right what became of it."""
    style = {"transform": axes.transAxes, "va": "bottom", "size": NORMAL}
    axes.text(0, 1.02, name, weight="bold", color=INK, **style)
    axes.text(1, 1.02, remark, ha="right", color=color, **style)


def _mark(good: bool, flaw: str, word: str = "") -> tuple[str, str]:
    """Good or bad by sign and color, or why it cannot be told."""
    if flaw:
        return flaw, BAD
    return (f"✓ {word}".strip(), GOOD) if good else (f"✗ {word}".strip(), BAD)


def _say(axes: Axes, words: str) -> None:
    """Words in the middle of an otherwise empty panel."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", color=BAD, size=NORMAL)


def _log_log(axes: Axes, spectra: Spectra, limits: tuple[float, float]) -> None:
    frequency = spectra.frequency
    logarithmic(axes.xaxis, frequency[0] * 0.85, frequency[-1] * 1.15)
    octaves = [2.0**n for n in range(-2, 12) if frequency[0] <= 2.0**n <= frequency[-1]]
    axes.set_xticks(octaves, [f"{octave:g}" for octave in octaves])
    logarithmic(axes.yaxis, *limits)


def _spectra_panel(axes: Axes, spectra: Spectra) -> None:
    """The spectra of all channels in one panel."""
    measurable = [not flaw for flaw in spectra.flaws]
    _log_log(axes, spectra, _limits([spectra.power]))
    axes.set_xlabel("frequency (cycles per picture side)", size=SMALL)
    axes.set_ylabel("power", size=SMALL)
    if any(measurable):
        flat, steep = (
            np.exp(np.log(law[measurable]).mean(0)) for law in (spectra.flat, spectra.steep)
        )
        axes.fill_between(spectra.frequency, flat, steep, color=BAND_COLOR)
    _plot(
        axes, spectra.frequency, _by_channel(spectra.power), _channel_colors(len(spectra.power))
    )


def _alpha_panel(axes: Axes, slopes: Slopes) -> None:
    """The slope of every channel over the run, and the band."""
    finite = slopes.alpha[np.isfinite(slopes.alpha)]
    low, high = (finite.min(), finite.max()) if finite.size else BAND
    axes.axhspan(*BAND, color=BAND_COLOR, linewidth=0)
    axes.set_ylim(max(min(low, 0.5), -2) - 0.2, min(max(high, 3), 6) + 0.2)
    _plot(axes, slopes.step, _by_channel(slopes.alpha), _channel_colors(len(slopes.alpha)))


def _term_panel(axes: Axes, training: Training, curves: Mapping[str, Curve]) -> None:
    """One curve a term, each term in its own color on every page."""
    colors = {term: COLORS[index % 6] for index, term in enumerate(training.terms)}
    _log_plot(axes, training.step, curves, colors | {"loss": INK})


def _log_plot(
    axes: Axes, x: Curve, curves: Mapping[str, Curve], colors: Mapping[str, str]
) -> None:
    logarithmic(axes.yaxis, *_limits(list(curves.values())))
    _plot(axes, x, curves, colors)


def _plot(axes: Axes, x: Curve, curves: Mapping[str, Curve], colors: Mapping[str, str]) -> None:
    """Curves, each with its name at its right end; the limits of y must be set before."""
    few = len(x) < 40
    ends = []
    for index, (name, curve) in enumerate(curves.items()):
        style = "-" if index < len(COLORS) else "--"
        axes.plot(
            x, curve, style, marker="o" if few else "", markersize=3, color=colors[name], lw=1.4
        )
        shown = curve[np.isfinite(curve)]
        ends.append(shown[-1] if shown.size else math.nan)
    if not np.isfinite(ends).any():
        _say(axes, "nothing finite to show")
        return
    low = axes.get_ylim()[0]
    at = np.array([(0.0, low if not math.isfinite(end) else end) for end in ends])
    places = axes.transAxes.inverted().transform(axes.transData.transform(at))[:, 1]
    height = axes.get_window_extent().height
    for name, place, end in zip(curves, spread(places.tolist(), 15 / height), ends, strict=True):
        words = name if math.isfinite(end) else f"{name} (not finite)"
        axes.text(
            1.015, place, words, transform=axes.transAxes, va="center", size=SMALL,
            color=colors[name],
        )


def _heat_map(axes: Axes, correlation: Correlation, size: float | None) -> None:
    """The correlation matrix in colors, and in digits of this size where there is room."""
    channels = range(len(correlation.matrix))
    axes.grid(False)
    axes.imshow(correlation.matrix, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    names = [f"{channel}" for channel in channels]
    axes.set_xticks(channels, names)
    axes.set_yticks(channels, names)
    for row in channels if size else ():
        for column in channels:
            value = correlation.matrix[row, column]
            color = "white" if abs(value) > 0.6 else INK
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=color, size=size)


def _colored(level: Float[np.ndarray, "*grid"]) -> UInt8[np.ndarray, "*grid 3"]:
    """The color of every level from 0 to 1."""
    scale = np.array([*colormaps["cividis"].colors, MISSING / np.float64(255)])
    index = np.where(np.isfinite(level), level * (len(scale) - 2), len(scale) - 1)
    return np.rint(scale * 255).astype(np.uint8)[np.rint(index).astype(int)]


def _pitch(image: UInt8[np.ndarray, "y x 3"], colors: UInt8[np.ndarray, "*grid"]) -> tuple[int, int]:
    """Pixels from one tile to the next, down and across."""
    return (image.shape[0] + GAP) // colors.shape[0], (image.shape[1] + GAP) // colors.shape[1]


def _limits(curves: Sequence[Float[np.ndarray, "*shape"]]) -> tuple[float, float]:
    """Limits of a log axis that shows all positive values, but never too many decades."""
    values = np.concatenate([curve.ravel() for curve in curves] or [np.zeros(0)])
    values = values[np.isfinite(values) & (values > 1e-200) & (values < 1e200)]
    if not values.size:
        return 0.1, 10.0
    high = float(values.max()) * 1.5
    return max(float(values.min()) / 1.5, high / 10**DECADES), high


def _largest(values: Float[np.ndarray, "*shape"]) -> float:
    return float(np.nanmax(np.where(np.isfinite(values), values, 0.0)))


def _by_channel(curves: Float[np.ndarray, "channel row"]) -> dict[str, Curve]:
    return {f"{channel}": curve for channel, curve in enumerate(curves)}


def _channel_colors(count: int) -> dict[str, str]:
    return {f"{channel}": COLORS[channel % len(COLORS)] for channel in range(count)}
