"""Total variation: natural images are smooth regions separated by edges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from vlatent.annotations import NonNegativeFloat
from vlatent.priors.base import Prior, gradients, standardized
from vlatent.shapes import BATCH, HEIGHT, WIDTH, Latent, PerBatch, PerChannel


@dataclass(frozen=True, kw_only=True)
class TotalVariation(Prior):
    """Mean absolute difference between neighbours, of the unit-variance latent.

    Calibration of the statistic (32x32, unit variance): white noise 2241, alpha = 1 1885,
    alpha = 2 1225, alpha = 3 523, photographs 250 to 950, one half-plane edge 64, constant 0
    (`python -m analysis.natural_images`). Rudin, Osher and Fatemi (1992). Without a target the
    penalty pulls towards ever flatter images; the spectrum prior is its counterweight.

    Attributes:
        weight: Factor of the penalty in the training loss.
    """

    weight: NonNegativeFloat = 0.1

    search: ClassVar[tuple[float, float]] = (1e-3, 1.0)
    label: ClassVar[str] = "total variation"
    form: ClassVar[str] = ".0f"
    possible: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def statistic(self, latent: Latent) -> PerChannel:
        """sum |dx| + sum |dy| over the pixels of the latent as it is, mean over the batch.

        >>> import torch
        >>> latent = torch.tensor([[-1.0, 1.0], [1.0, -1.0]])[None, ..., None]
        >>> TotalVariation().statistic(latent).tolist()
        [8.0]
        """
        down, across = gradients(latent)
        total = down.abs().sum((HEIGHT, WIDTH)) + across.abs().sum((HEIGHT, WIDTH))
        return total.mean(BATCH + 2)

    def normalized(self, latent: Latent) -> PerChannel:
        """The statistic of the latent at unit variance: the image's, whatever its scale."""
        return self.statistic(standardized(latent))

    def penalty(self, latent: Latent) -> PerBatch:
        """Mean absolute difference of the unit-variance latent; white noise 1.13, alpha = 2 0.62.

        (sum |dx| + sum |dy|) / (number of neighbour pairs), mean over batch and channels.
        """
        height, width = latent.shape[-3:-1]
        pairs = (height - 1) * width + height * (width - 1)
        return self.normalized(latent).mean(-1) / pairs
