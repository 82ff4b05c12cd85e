"""Logarithmic scales of a run's figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlatent.annotations import Float
from vlatent.figures.numbers import Spectra
from vlatent.figures.page import Scale

DECADES = 6  # of a log axis: what lies farther below the largest value weighs nothing


def octaves(spectra: Spectra, label: str) -> Scale:
    """The log scale of the frequencies, marked at every doubling."""
    low, high = float(spectra.frequency[0]), float(spectra.frequency[-1])
    return Scale(low * 0.85, high * 1.15, True, label, [2.0**n for n in range(-1, 12)])


def log_scale(curves: Sequence[Float[np.ndarray, "*_"]], label: str = "") -> Scale:
    """A log scale that shows all positive values, but never too many decades."""
    values = np.concatenate([np.zeros(0), *(curve.ravel() for curve in curves)])
    values = values[np.isfinite(values) & (values > 1e-200) & (values < 1e200)]
    low, high = (values.min() / 1.5, values.max() * 1.5) if values.size else (0.1, 10.0)
    return Scale(float(max(low, high / 10**DECADES)), float(high), True, label)
