"""Roughness: a made-up prior, as someone would add it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from jsonargparse.typing import NonNegativeFloat

from vlatent.priors.base import Prior, gradients, standardized
from vlatent.shapes import BATCH, HEIGHT, WIDTH, Latent, PerBatch, PerChannel


@dataclass(frozen=True, kw_only=True)
class Roughness(Prior):
    """Mean squared difference between neighbours of the standardised latent.

    Calibration: 2 for white noise, 0 for a constant latent.

    Attributes:
        weight: Factor of the penalty in the training loss.
    """

    weight: NonNegativeFloat = 0.0

    search: ClassVar[tuple[float, float]] = (1e-3, 1.0)
    label: ClassVar[str] = "roughness of neighbours"
    possible: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def statistic(self, latent: Latent) -> PerChannel:
        """Mean over sentences, pixels and directions of (difference)^2, [..., channel]."""
        squares = (d.square().mean((HEIGHT, WIDTH)) for d in gradients(standardized(latent)))
        return sum(squares).mean(BATCH + 2) / 2

    def penalty(self, latent: Latent) -> PerBatch:
        """Mean of the statistic over channels."""
        return self.statistic(latent).mean(-1)
