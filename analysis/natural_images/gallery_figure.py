"""The figure of the gallery: six channels of every kind of latent, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from analysis.natural_images.judging import Judged
from vlatent.figures.drawing import BAD, GOOD
from vlatent.figures.page import GRAY, SMALL, Page, fitted

ENLARGED, GAP, LEFT = 2, 4, 12  # pixels
WORDS = 330  # pixels for what stands beside the images
REACH = 2.5  # standard deviations from black to white


class Shown(NamedTuple):
    """One sentence of latents, and the verdict on all of its draw."""

    name: str
    latent: Float[np.ndarray, "height width channel"]
    judged: Judged


def figure(rows: Sequence[Shown]) -> Page:
    """A page with one row a kind: its six channels, name, score, verdict, what catches it."""
    height, width, channels = rows[0].latent.shape
    down, across = ENLARGED * height + 2 * GAP, ENLARGED * width + GAP
    beside = LEFT + channels * across + 8
    top = 70
    page = Page(beside + WORDS, top + len(rows) * down + 8)
    page.header(
        "", "Photographs pass, impostors fail", "One sentence's six channels; verdict on 64 of them"
    )
    for place, row in enumerate(rows):
        at = top + place * down
        for channel in range(channels):
            pixels = _gray(row.latent[..., channel])
            page.image(LEFT + channel * across, at, pixels)
        word, color = ("PASS", GOOD) if row.judged.passed else ("FAIL", BAD)
        numbers = f"{word}   score {row.judged.score:.2f}   likeness {row.judged.likeness:.2f}"
        page.text(beside, at, fitted(row.name, WORDS - 12, 1, SMALL), size=SMALL, weight="bold")
        page.text(beside, at + 16, numbers, size=SMALL, color=color)
        failed = fitted(", ".join(row.judged.failed), WORDS - 12, 2, SMALL)
        page.text(beside, at + 32, failed, size=SMALL, color=GRAY)
    return page


def _gray(image: Float[np.ndarray, "height width"]) -> UInt8[np.ndarray, "_ _ 3"]:
    """Standard deviations from the mean as gray, every pixel a square."""
    deviation = max(float(image.std()), 1e-9)
    level = np.clip((image - image.mean()) / deviation / REACH / 2 + 0.5, 0, 1)
    large = np.kron((255 * level).astype(np.uint8), np.ones((ENLARGED, ENLARGED), np.uint8))
    return np.repeat(large[..., None], 3, axis=-1)
