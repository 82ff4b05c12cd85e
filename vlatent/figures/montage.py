"""The montage: the latents of sentences, side by side."""

# ruff: noqa: RUF001

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import colormaps

from vlatent.figures.drawing import MISSING, mark
from vlatent.figures.numbers import Mosaic, Spectra, tiles
from vlatent.figures.page import GRAY, SMALL, Page, Pixels, fitted

GAP, TILE = 6, 96  # pixels between latents, and along a latent's longer side


def montage(title: str, mosaic: Mosaic, texts: Sequence[str], spectra: Spectra) -> Page:
    """Every fixed sentence's latent, one row a sentence and one column a channel."""
    channels = len(spectra.alpha)
    side = int(np.clip(600 / channels, 64, TILE))
    image, down, across = mosaic_image(mosaic, list(range(len(texts))), side)
    label, top = max(320, 640 - image.shape[1]), 130
    below = top + image.shape[0]
    page = Page(label + image.shape[1] + 16, below + 64)
    page.header(title, "Latents", "one color scale a channel, the same for all sentences")
    page.image(label, top, image)
    write_sentences(page, texts, label, top, down)
    for words, at in (("channel", 72), ("slope α", 90), ("in band", 108)):
        page.text(label - 14, at, words, size=SMALL, color=GRAY, ha="right")
    scale = "mean\n± 99th percentile of the distance"
    page.text(label - 14, below + 24, scale, size=SMALL, color=GRAY, ha="right")
    ramp = _colored(np.linspace(0, 1, across - GAP)[None].repeat(10, axis=0))
    for channel in range(channels):
        left = label + channel * across
        centre = left + (across - GAP) / 2
        word, color = mark(spectra.in_band[channel], "", spectra.flaws[channel])
        page.text(centre, 71, f"{channel}", weight="bold", ha="center")
        alpha = "–" if spectra.flaws[channel] else f"{spectra.alpha[channel]:.2f}"
        page.text(centre, 90, alpha, size=SMALL, ha="center")
        page.text(centre, 108, word, size=SMALL, color=color, ha="center")
        page.image(left, below + 10, ramp)
        reach = f"{mosaic.centre[channel]:.2g}\n± {mosaic.reach[channel]:.2g}"
        page.text(centre, below + 24, reach, size=SMALL, ha="center")
    return page


def write_sentences(page: Page, texts: Sequence[str], width: int, top: int, down: int) -> None:
    """The sentences beside the rows of a mosaic."""
    for row, text in enumerate(texts):
        words = fitted(text, width - 26, max(1, down // 16), SMALL)
        page.text(12, top + row * down + (down - GAP) / 2, words, size=SMALL, va="center")


def mosaic_image(mosaic: Mosaic, sentences: Sequence[int], side: int) -> tuple[Pixels, int, int]:
    """The image of these sentences' latents, and the pixels from one to the next."""
    image = tiles(_colored(mosaic.level[list(sentences)]), side, GAP)
    rows, columns = len(sentences), mosaic.level.shape[1]
    return image, (image.shape[0] + GAP) // rows, (image.shape[1] + GAP) // columns


def _colored(level: Float[np.ndarray, "*grid"]) -> UInt8[np.ndarray, "*grid 3"]:
    """The color of every level from 0 to 1."""
    scale = colormaps["cividis"].with_extremes(bad=MISSING)
    return np.asarray(scale(level, bytes=True))[..., :3]
