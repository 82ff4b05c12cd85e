"""The spectra of a comparison, and what all of its pages share: colors, lines and titles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from analysis.compare.result import SLOPE, Comparison, EncodedCheckpoint, Subject
from vlatent.figures.drawing import BAND_COLOR, COLORS
from vlatent.figures.mean_spectrum import mean_spectrum
from vlatent.figures.numbers import Curve as Row
from vlatent.figures.page import INK, NORMAL, SMALL, Page, Scale, fitted
from vlatent.figures.scales import log_scale
from vlatent.spectra import Frequencies, frequencies
from vlatent.statistics import BAND

STYLES = ("-", "--", ":", "-.")  # beyond six subjects
LINE = 17  # pixels of a line of text


def title(comparison: Comparison) -> str:
    return " · ".join(subject.label for subject in comparison.subjects)


def styled(subjects: Sequence[Subject]) -> list[tuple[Subject, str, str, float]]:
    """Every subject with its color, the same on every page, and the style and width of its line.

    Earlier ones are wider: equal curves can be seen below each other.
    """
    last = len(subjects) - 1
    return [
        (
            subject,
            COLORS[index % len(COLORS)],
            STYLES[index // len(COLORS) % len(STYLES)],
            1.3 + min(0.7 * (last - index), 2.8),
        )
        for index, subject in enumerate(subjects)
    ]


def sample(page: Page, left: float, middle: float, color: str, style: str) -> None:
    axes = page.axes(left, middle - 4, 26, 8)
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.plot([0, 1], [0.5, 0.5], style, color=color, linewidth=2)


@dataclass(frozen=True)
class Overlay:
    """A subject's mean spectrum and its fit, both divided by the level of the fit.

    Spectra of latents of variance 1 differ in shape alone: their level follows from it. So all
    pass through 1 at the middle of the frequencies that are fitted.

    Attributes:
        frequency: Cycles per longer side of the latent, [bin].
        power: Mean over channels of the log ring means, as power; None where none was recorded.
        line: The power law of the mean slope.
        words: What is said of it.
    """

    frequency: Row
    power: Row | None
    line: Row
    words: tuple[str, ...]


def overlay(subject: Subject, encoded: EncodedCheckpoint | None, recorded: float) -> Overlay | None:
    """A subject's spectrum, encoded or recorded, or else its recorded slope; None without."""
    height, width, _ = subject.size
    grid = frequencies(height, width, torch.float64, torch.device("cpu"))
    frequency = grid.log_radius.exp().numpy() * max(height, width)
    spectrum = subject.spectrum if encoded is None else mean_spectrum(encoded.held_out)
    if spectrum is None or not spectrum.known:
        if not math.isfinite(recorded):
            return None
        said = (f"slope α {recorded:.2f}, as recorded (dashed)", "no spectrum was recorded")
        return Overlay(frequency, None, power_law(recorded, grid), said)
    finite = spectrum.known
    alpha, left = np.array(spectrum.alpha)[finite], np.array(spectrum.residual)[finite]
    log_power = np.log(np.array(spectrum.power)[finite]).mean(0)
    level = float((grid.weight.numpy() * log_power).sum())
    words = (
        f"slope α {alpha.mean():.2f} (channels {alpha.min():.2f} to {alpha.max():.2f})",
        f"residual {left.mean():.2f} (up to {left.max():.2f})",
        f"{spectrum.sentences} sentences{', as recorded' if encoded is None else ''}",
    )
    return Overlay(
        frequency, np.exp(log_power - level), power_law(float(alpha.mean()), grid), words
    )


def power_law(alpha: float, grid: Frequencies) -> Row:
    """c f^-alpha over the rings, with a weighted mean logarithm of 0."""
    offset = grid.log_radius - (grid.weight * grid.log_radius).sum()
    law: Row = (-alpha * offset).exp().numpy()
    return law


def spectra_page(comparison: Comparison) -> Page:
    """Mean spectra with their fits; of a run without a spectrum the fit alone."""
    lines = styled(comparison.subjects)
    drawn = {
        s.label: overlay(s, comparison.encoded.get(s.label), comparison.statistics[s.label][SLOPE])
        for s in comparison.subjects
    }
    largest = max(comparison.subjects, key=lambda subject: subject.size[0] * subject.size[1])
    height, width, _ = largest.size
    grid = frequencies(height, width, torch.float64, torch.device("cpu"))
    frequency = grid.log_radius.exp().numpy() * max(height, width)
    flat, steep = (power_law(alpha, grid) for alpha in BAND)
    page = Page(1180, 604)
    page.header(
        title(comparison),
        "Mean spectra",
        "dots: mean over held-out sentences and channels · lines: fitted slope, mean of channels · "
        f"shaded: slopes {BAND[0]} to {BAND[1]}",
    )
    overlays = [one for one in drawn.values() if one is not None]
    curves = [flat, steep, *(one.line for one in overlays)]
    curves += [one.power for one in overlays if one.power is not None]
    ends = [float(end) for one in overlays for end in (one.frequency[0], one.frequency[-1])]
    ends += [float(frequency[0]), float(frequency[-1])]
    octave_marks = [2.0**n for n in range(-1, 12)]
    words = "frequency (cycles per latent side)"
    x = Scale(min(ends) * 0.85, max(ends) * 1.15, True, words, octave_marks)
    y = log_scale(curves, "power (1 in the middle of the fit)")
    panel = page.panel(84, 84, 640, 460, x, y)
    panel.axes.fill_between(frequency, flat, steep, color=BAND_COLOR, zorder=0)
    top = 92.0
    for subject, color, style, wide in lines:
        overlaid = drawn[subject.label]
        if overlaid is None:
            said: Sequence[str] = ("no finite slope was recorded",)
        else:
            line = "--" if overlaid.power is None else style
            panel.axes.plot(overlaid.frequency, overlaid.line, line, color=color, linewidth=wide)
            said = overlaid.words
            if overlaid.power is not None:
                panel.axes.plot(overlaid.frequency, overlaid.power, "o", color=color, markersize=4)
        dashed = overlaid is None or overlaid.power is None
        top = _entry(page, 752, top, subject.label, said, color, "--" if dashed else style)
    return page


def _entry(
    page: Page,
    left: float,
    top: float,
    label: str,
    words: Sequence[str],
    color: str,
    style: str,
) -> float:
    """A subject's name and what is said of it; where the next begins."""
    sample(page, left, top + 8, color, style)
    page.text(left + 34, top, fitted(label, 370, 1, NORMAL), color=color, weight="bold")
    for index, line in enumerate(words, start=1):
        page.text(left + 34, top + index * LINE + 3, line, size=SMALL, color=INK)
    return top + (len(words) + 1) * LINE + 14
