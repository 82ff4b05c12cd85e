"""Synthetic pictures of known spectral slope, made in NumPy without the code under test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def power_law(
    alpha: float, count: int, height: int, width: int, seed: int, oversize: int = 4
) -> NDArray[np.float64]:
    """Non-periodic crops [count, height, width], unit variance, of fields with P(f) = f^-alpha."""
    generator = np.random.default_rng(seed)
    side = oversize * max(height, width)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    frequency[0, 0] = np.inf  # no mean
    noise = np.fft.rfft2(generator.standard_normal((count, side, side)))
    fields = np.fft.irfft2(noise * frequency ** (-alpha / 2), s=(side, side))
    crops = fields[:, :height, :width]
    crops = crops - crops.mean((1, 2), keepdims=True)
    return crops / crops.std((1, 2), keepdims=True)
