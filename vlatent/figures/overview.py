"""The overview: a whole run on one page."""

# ruff: noqa: RUF001

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlatent.dependence import in_words
from vlatent.evaluation import Evaluation, Verdict
from vlatent.figures.drawing import (
    BAD,
    BAND_COLOR,
    GOOD,
    Box,
    alpha_panel,
    by_channel,
    draw_lines,
    heat_map,
    term_panel,
)
from vlatent.figures.montage import GAP, mosaic_image, write_sentences
from vlatent.figures.numbers import Correlation, Mosaic, Slopes, Spectra, Training
from vlatent.figures.page import GRAY, LARGE, NORMAL, SMALL, Page, fitted, measured
from vlatent.figures.scales import log_scale, octaves


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
    """The whole run on one page: verdict, dependence on the text and the main figures."""
    chosen = np.linspace(0, len(texts) - 1, 4).astype(int).tolist()
    side = int(np.clip(400 / len(spectra.alpha), 32, 64))
    image, down, across = mosaic_image(mosaic, chosen, side)
    first = 84 + 22 * (len(verdict.criteria) + 1) + 48
    second = first + max(image.shape[0], 250) + 62
    page = Page(1100, second + 322)
    _verdict(page, title, verdict, last, top=84)

    label = 230
    page.text(12, first - 26, "Latents, one color scale a channel", weight="bold")
    page.image(label, first, image)
    write_sentences(page, [texts[sentence] for sentence in chosen], label, first, down)
    below = first + image.shape[0] + 4
    page.text(label - 14, below, "channel", size=SMALL, color=GRAY, ha="right")
    for channel in range(len(spectra.alpha)):
        centre = label + channel * across + (across - GAP) / 2
        page.text(centre, below, f"{channel}", size=SMALL, ha="center")

    left = label + image.shape[1] + 84
    page.text(left, first - 26, "Power spectra", weight="bold")
    spectra_panel(page, (left, first, page.width - left - 50, max(image.shape[0], 250)), spectra)
    page.text(60, second, "Slope α", weight="bold")
    alpha_panel(page, (60, second + 24, 270, 250), slopes)
    page.text(420, second, "Weight × penalty", weight="bold")
    weighted = training.weighted | {"loss": training.loss}
    term_panel(page, (420, second + 24, 240, 250), training, weighted)
    mean = f"|Correlation| {correlation.off_diagonal:.3f} on average"
    page.text(820, second, mean, weight="bold")
    heat_map(page, 820, second + 24, 250, correlation)
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
    columns = (12, 86, 250, 690)
    for left, name in zip(columns[1:], ("criterion", "wanted", "found"), strict=True):
        page.text(left, top, name, size=SMALL, color=GRAY)
    for index, criterion in enumerate(verdict.criteria, start=1):
        line = top + index * 22
        word, color = ("✓ holds", GOOD) if criterion.holds else ("✗ fails", BAD)
        page.text(columns[0], line, word, size=SMALL, color=color, weight="bold")
        page.text(columns[1], line, fitted(criterion.name, 160, 1, SMALL), size=SMALL)
        page.text(columns[2], line, fitted(criterion.wanted, 430, 1, SMALL), size=SMALL)
        page.text(columns[3], line, fitted(criterion.found, 400, 1, SMALL), size=SMALL)


def spectra_panel(page: Page, box: Box, spectra: Spectra) -> None:
    """The spectra of all channels in one panel."""
    curves, colors = by_channel(spectra.power)
    x = octaves(spectra, "cycles per latent side")
    panel = page.panel(*box, x, log_scale([spectra.power], "power"))
    sound = [not flaw for flaw in spectra.flaws]
    if any(sound):
        laws = (np.exp(np.log(law[sound]).mean(0)) for law in (spectra.flat, spectra.steep))
        panel.axes.fill_between(spectra.frequency, *laws, color=BAND_COLOR, zorder=0)
    draw_lines(panel, spectra.frequency, curves, colors)
