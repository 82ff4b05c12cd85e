"""Variance prior: the latent has a scale and does not collapse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from vlatent.annotations import NonNegativeFloat, PositiveFloat
from vlatent.priors.base import Prior
from vlatent.shapes import BATCH, HEIGHT, WIDTH, Latent, PerBatch, PerChannel

# Keeps the logarithm finite for a constant image; far below any variance that training meets.
VARIANCE_FLOOR = 1e-20


@dataclass(frozen=True, kw_only=True)
class Variance(Prior):
    """Squared log ratio of the variance of each sentence and channel to the target.

    The only prior that sees the latent's scale. Its gradient does not vanish at collapse,
    unlike that of |variance - 1|, which has a saddle at 0. Calibration: the penalty is 0 at the
    target and (log 2)^2 = 0.48 at half or twice of it. Equal variances are a demand: those of
    crops of photographs differ more (`python -m analysis.natural_images`).

    Attributes:
        weight: Factor of the penalty in the training loss.
        target: Wanted variance over the pixels of one image.
    """

    weight: NonNegativeFloat = 0.05
    target: PositiveFloat = 1.0

    search: ClassVar[tuple[float, float]] = (1e-2, 1.0)
    label: ClassVar[str] = "variance"
    form: ClassVar[str] = ".2f"
    possible: ClassVar[tuple[float, float]] = (0.0, math.inf)
    accepted: ClassVar[tuple[float, float]] = (0.5, 2.0)  # times the target
    criterion: ClassVar[str] = f"every channel within a factor {accepted[1]:g} of its target"

    def statistic(self, latent: Latent) -> PerChannel:
        """Variance over the pixels, mean over the batch, [..., channel].

        >>> import torch
        >>> latent = torch.tensor([[-1.0, 1.0], [1.0, -1.0]])[None, ..., None]
        >>> Variance().statistic(latent).tolist()
        [1.0]
        """
        return latent.var((HEIGHT, WIDTH), correction=0).mean(BATCH + 2)

    def penalty(self, latent: Latent) -> PerBatch:
        """Mean over batch and channels of log(variance / target)^2."""
        variance = latent.var((HEIGHT, WIDTH), correction=0)
        ratio = (variance + VARIANCE_FLOOR).log() - math.log(self.target)
        return ratio.square().mean((-2, -1))

    def margin(self, statistic: PerChannel) -> float:
        """Farthest channel in octaves: |log2(variance / target)| - log2(limit)."""
        octaves = (statistic.clamp(min=VARIANCE_FLOOR) / self.target).log2().abs()
        return float(octaves.max()) - math.log2(self.accepted[1])
