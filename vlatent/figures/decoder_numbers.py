"""The numbers behind the figure of a trained decoder. Nothing here draws."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

SMOOTHED = 25  # training steps whose mean is one point of a learning curve

Curve = Float[np.ndarray, " point"]


class Scored(NamedTuple):
    """Scores of what was read of one split.

    Attributes:
        shown: What the decoder was shown, in words.
        noise: Standard deviation of the noise on the latents, in their own.
        scores: Of `vlatent.reading_run.judged`.
    """

    shown: str
    split: str
    noise: float
    scores: Mapping[str, float]


def smoothed(by_step: Mapping[int, float]) -> tuple[Curve, Curve]:
    """The last of at most `SMOOTHED` steps each, and the means of their values."""
    steps = np.array(sorted(by_step))
    values = np.array([by_step[step] for step in steps])
    parts = np.array_split(np.arange(len(steps)), math.ceil(len(steps) / SMOOTHED))
    last = [float(steps[part[-1]]) for part in parts]
    return np.array(last), np.array([values[part].mean() for part in parts])
