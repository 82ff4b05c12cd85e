"""Figures of a comparison: spectra and curves overlaid, the same sentences side by side."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from analysis.compare.result import Comparison, Curve, EncodedCheckpoint
from analysis.compare.spectra import LINE, sample, spectra_page, styled, title
from vlatent.figures.drawing import BAND_COLOR, COLORS
from vlatent.figures.montage import GAP, montage, mosaic_image
from vlatent.figures.numbers import mosaic, spectra
from vlatent.figures.page import GRAY, NORMAL, SMALL, Page, Pixels, Scale, fitted
from vlatent.figures.scales import log_scale
from vlatent.statistics import BAND

COLUMNS = 3  # panels beside each other
WORST_DRAWN = 3.0  # margins beyond are drawn here: a criterion that cannot be judged yet has 1000


def figures(comparison: Comparison, recorded: Mapping[str, bytes]) -> dict[str, bytes]:
    """All figures as PNG by name; none where nothing could be drawn.

    Args:
        comparison: What is drawn.
        recorded: Montages that runs without a checkpoint have kept, by label.
    """
    pages = {"spectra": spectra_page(comparison), "curves": curves_page(comparison)}
    sentences = {checkpoint.fixed_texts for checkpoint in comparison.encoded.values()}
    if len(comparison.encoded) == len(comparison.subjects) and len(sentences) == 1:
        pages["latents"] = latents_page(comparison)
    elif recorded or comparison.encoded:
        pages["montages"] = montages_page(comparison, recorded)
    return {name: page.png() for name, page in pages.items() if page is not None}


def curves_page(comparison: Comparison) -> Page | None:
    """Slope, score, worst margin and the unweighted penalties, over the run."""
    names = list(dict.fromkeys(name for s in comparison.subjects for name in s.curves))
    if not names:
        return None
    rows = math.ceil(len(names) / COLUMNS)
    legend = 70 + LINE * math.ceil(len(comparison.subjects) / COLUMNS) + 8
    page = Page(1180, legend + rows * 236 + 12)
    page.header(
        title(comparison),
        "Over the run",
        "held-out sentences, and unweighted penalties (losses with different weights are "
        "not comparable); values outside a panel are drawn at its edge",
    )
    lines = styled(comparison.subjects)
    for index, (subject, color, style, _) in enumerate(lines):
        row, column = divmod(index, COLUMNS)
        left, top = 84 + column * 372, 70 + row * LINE
        missing = "" if subject.curves else " (not recorded)"
        sample(page, left, top + 8, color, style)
        words = fitted(subject.label + missing, 300, 1, SMALL)
        page.text(left + 34, top, words, size=SMALL, color=color)
    last = max(
        step for s in comparison.subjects for curve in s.curves.values() for step, _ in curve
    )
    for index, name in enumerate(names):
        row, column = divmod(index, COLUMNS)
        place = (84 + column * 372, legend + 24 + row * 236, 300, 150)
        curves = {s.label: s.curves[name] for s in comparison.subjects if name in s.curves}
        x = Scale(-0.02 * last, 1.02 * last or 1.0, False, "training step")
        panel = page.panel(*place, x, _scale(name, list(curves.values())))
        panel.text(0, 1.04, _called(name), weight="bold", va="bottom")
        lowest, highest = _drawn(panel.y)
        if name == "statistic/spectrum":
            panel.axes.axhspan(*BAND, color=BAND_COLOR, linewidth=0, zorder=0)
        if name == "margin/worst":
            panel.axes.axhspan(panel.y.low, 0, color=BAND_COLOR, linewidth=0, zorder=0)
        for subject, color, style, wide in lines:
            curve = curves.get(subject.label)
            if curve:
                steps, values = zip(*curve, strict=True)
                shown = np.clip(values, lowest, highest)
                panel.axes.plot(steps, shown, style, color=color, linewidth=wide)
                panel.axes.plot(steps[-1], shown[-1], "o", color=color, markersize=4)
    return page


def latents_page(comparison: Comparison) -> Page:
    """The fixed sentences, a row each; every subject's channels, each on a scale of its own."""
    side = 64 if len(comparison.subjects) < 3 else 48
    labels = [subject.label for subject in comparison.subjects]
    texts = comparison.encoded[labels[0]].fixed_texts
    mosaics = [mosaic(comparison.encoded[label].fixed) for label in labels]
    rows = [
        [mosaic_image(levels, [sentence], side)[0] for levels in mosaics]
        for sentence in range(len(texts))
    ]
    left, top, room = 340, 118, 34
    captions = [fitted(text, left - 30, 12, SMALL) for text in texts]
    lines = max(caption.count("\n") + 1 for caption in captions)
    high = max([15 * lines, *(image.shape[0] for image in rows[0])])
    width = left + sum(image.shape[1] + room for image in rows[0])
    page = Page(max(width, 760), top + len(rows) * (high + GAP) + 10)
    page.header(
        title(comparison),
        "Latents",
        "the same sentences, encoded by each; every channel on a color scale of its own",
    )
    for row, (caption, images) in enumerate(zip(captions, rows, strict=True)):
        above = top + row * (high + GAP)
        page.text(12, above + high / 2, caption, size=SMALL, va="center")
        across = left
        for index, image in enumerate(images):
            page.image(across, above + (high - image.shape[0]) // 2, image)
            if row == 0:
                color = COLORS[index % len(COLORS)]
                name = fitted(labels[index], image.shape[1], 1, NORMAL)
                page.text(across, top - 44, name, color=color, weight="bold")
                channels = comparison.encoded[labels[index]].fixed.shape[-1]
                pitch = (image.shape[1] + GAP) / channels
                for channel in range(channels):
                    middle = across + channel * pitch + (pitch - GAP) / 2
                    page.text(middle, top - 20, f"{channel}", size=SMALL, color=GRAY, ha="center")
            across += image.shape[1] + room
    page.text(left - 14, top - 20, "channel", size=SMALL, color=GRAY, ha="right")
    return page


def montages_page(comparison: Comparison, recorded: Mapping[str, bytes]) -> Page:
    """Whole montages side by side: drawn from a checkpoint, or as the run has kept them."""
    images: dict[str, Pixels] = {}
    for label, encoded in comparison.encoded.items():
        images[label] = _pixels(_montage(label, encoded).png())
    images |= {label: _pixels(png) for label, png in recorded.items()}
    shown = [subject.label for subject in comparison.subjects if subject.label in images]
    width = sum(images[label].shape[1] + 24 for label in shown) + 12
    page = Page(max(width, 900), 104 + max(images[label].shape[0] for label in shown) + 12)
    missing = [s.label for s in comparison.subjects if s.label not in images]
    lacking = f"; no figure of {', '.join(missing)}" if missing else ""
    page.header(
        title(comparison),
        "Montages",
        f"as each run drew them, every channel on a color scale of its own{lacking}",
    )
    left = 12
    order = [subject.label for subject in comparison.subjects]
    for label in shown:
        color = COLORS[order.index(label) % len(COLORS)]
        source = "its checkpoint" if label in comparison.encoded else "its record"
        words = fitted(f"{label} · from {source}", images[label].shape[1], 1, NORMAL)
        page.text(left + 12, 76, words, color=color, weight="bold")
        page.image(left, 104, images[label])
        left += images[label].shape[1] + 24
    return page


def _montage(label: str, encoded: EncodedCheckpoint) -> Page:
    spectra_of = spectra(encoded.held_out)
    return montage(label, mosaic(encoded.fixed), encoded.fixed_texts, spectra_of)


def _pixels(png: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def _called(name: str) -> str:
    labels = {
        "statistic/spectrum": "slope α, mean of channels",
        "margin/worst": "worst margin (at most 0 passes)",
    }
    return labels.get(name, name.replace("penalty/", "penalty: ").replace("_", " "))


def _scale(name: str, curves: Sequence[Curve]) -> Scale:
    values = np.array([value for curve in curves for _, value in curve])
    values = values[np.isfinite(values)]
    if name.startswith("penalty/"):
        scale = log_scale([values])
        return replace(scale, marks=_few_marks(scale))
    if name == "margin/worst":
        return Scale(min(-0.6, float(values.min(initial=0.0)) * 1.1), WORST_DRAWN)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if name == "statistic/spectrum":
        low, high = min(low, BAND[0]), max(high, BAND[1])
    room = (high - low) * 0.06 or 0.5
    return Scale(low - room, high + room)


def _few_marks(scale: Scale) -> list[float]:
    """At most six marks of a log scale, so that none is written over another."""
    marks = scale.values()
    return [float(mark) for mark in marks[:: math.ceil(len(marks) / 6)]]


def _drawn(scale: Scale) -> tuple[float, float]:
    """The values between which curves are drawn: a line on the frame itself could not be seen."""
    if scale.log:
        room = (scale.high / scale.low) ** 0.02
        return scale.low * room, scale.high / room
    room = (scale.high - scale.low) * 0.02
    return scale.low + room, scale.high - room
