"""The mean spectrum of a run as numbers that a file keeps: `spectrum.json`."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from vlatent.figures.numbers import spectra
from vlatent.shapes import Latents, UserError

NAME = "spectrum.json"


@dataclass(frozen=True)
class MeanSpectrum:
    """The mean power spectrum of every channel over held-out sentences, and its fit.

    Attributes:
        sentences: Number of them.
        frequency: Cycles per longer side of the latent, [bin].
        power: Ring means of the power of latents with variance 1, [channel][bin]; NaN where a
            channel has no spectrum.
        alpha: Primary slope estimate, by channel.
        residual: How far the spectrum is from any power law, by channel.
    """

    sentences: int
    frequency: list[float]
    power: list[list[float]]
    alpha: list[float]
    residual: list[float]

    @property
    def known(self) -> list[int]:
        """The channels that have a spectrum."""
        return [index for index, row in enumerate(self.power) if all(map(math.isfinite, row))]

    def to_text(self) -> str:
        """JSON, with null for what is not finite."""
        return json.dumps(_finite(asdict(self)))


def mean_spectrum(latent: Latents) -> MeanSpectrum:
    measured = spectra(latent)
    return MeanSpectrum(
        len(latent),
        measured.frequency.tolist(),
        measured.power.tolist(),
        measured.alpha,
        measured.residual,
    )


def from_text(text: str) -> MeanSpectrum:
    """What `to_text` wrote.

    Raises:
        UserError: It is something else.
    """
    try:
        values: dict[str, Any] = {name: _numbers(value) for name, value in json.loads(text).items()}
        return MeanSpectrum(**values)
    except (ValueError, AttributeError, TypeError):
        raise UserError("the recorded spectrum.json is damaged, or of another version") from None


def _finite(value: object) -> object:
    match value:
        case dict():
            return {name: _finite(item) for name, item in value.items()}
        case list():
            return [_finite(item) for item in value]
        case float() if not math.isfinite(value):
            return None
    return value


def _numbers(value: object) -> object:
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return math.nan if value is None else value
