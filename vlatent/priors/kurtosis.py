"""Gradient kurtosis: the gradients of natural images have heavy tails."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from vlatent.annotations import NonNegativeFloat, PositiveFloat
from vlatent.priors.base import STANDARD_DEVIATION_FLOOR, Prior, gradients, standardized
from vlatent.shapes import BATCH, HEIGHT, WIDTH, Latent, PerBatch, PerChannel, PerLatent, UserError


@dataclass(frozen=True, kw_only=True)
class Kurtosis(Prior):
    """Fourth standardized moment of the gradients, kept between a target and a ceiling.

    Calibration: 3 for Gaussian gradients (single Gaussian patches exceed 3 in about 45 % of
    cases, 3.5 in under 1 %), 1 for the flattest two-valued gradients, 6 for Laplace; crops of
    photographs have medians of 3.9 to 15, and one in ten lies above 20 to 31, by scale
    (`python -m analysis.natural_images`). Ruderman (1994); Huang and Mumford (1999).

    Attributes:
        weight: Factor of the penalty in the training loss.
        target: Kurtosis below which the penalty pulls up.
        ceiling: Kurtosis above which the penalty pulls down: spikes are no edges.
    """

    weight: NonNegativeFloat = 0.05
    target: PositiveFloat = 6.0
    ceiling: PositiveFloat = 20.0

    search: ClassVar[tuple[float, float]] = (1e-3, 1.0)
    label: ClassVar[str] = "kurtosis"
    form: ClassVar[str] = ".1f"
    possible: ClassVar[tuple[float, float]] = (1.0, math.inf)
    accepted: ClassVar[tuple[float, float]] = (3.0, math.inf)  # Gaussian gradients have 3
    criterion: ClassVar[str] = f"every channel above {accepted[0]:g}"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target > self.ceiling:
            raise UserError(
                f"priors.kurtosis.target must be at most priors.kurtosis.ceiling, but got "
                f"{self.target} and {self.ceiling}."
            )

    def statistic(self, latent: Latent) -> PerChannel:
        """Mean over sentences and the two directions of E[(d - E d)^4] / var(d)^2.

        >>> import torch
        >>> latent = torch.tensor([[-1.0, 1.0], [1.0, -1.0]])[None, ..., None]
        >>> Kurtosis().statistic(latent).tolist()  # the flattest two-valued gradients
        [1.0]
        """
        return self.of_each(latent).mean(BATCH + 2)

    def penalty(self, latent: Latent) -> PerBatch:
        """Squared log distance to [target, ceiling] of every image, mean over all.

        max(0, log(target / k))^2 + max(0, log(k / ceiling))^2: Gaussian gradients have
        (log 2)^2 = 0.48 at the default target.
        """
        log_kurtosis = self.of_each(latent).clamp(min=1.0).log()
        below = (math.log(self.target) - log_kurtosis).clamp(min=0).square()
        above = (log_kurtosis - math.log(self.ceiling)).clamp(min=0).square()
        return (below + above).mean((-2, -1))

    def margin(self, statistic: PerChannel) -> float:
        """Lightest-tailed channel against the limit: (limit - kurtosis) / limit."""
        limit = self.accepted[0]
        return (limit - float(statistic.min())) / limit

    def of_each(self, latent: Latent) -> PerLatent:
        """Kurtosis of every sentence and channel, [..., batch, channel]."""
        down, across = gradients(standardized(latent))
        return (_kurtosis(down) + _kurtosis(across)) / 2


def _kurtosis(gradient: Latent) -> PerLatent:
    square = (gradient - gradient.mean((HEIGHT, WIDTH), keepdim=True)).square()
    variance = square.mean((HEIGHT, WIDTH)).clamp(min=STANDARD_DEVIATION_FLOOR**2)
    return square.square().mean((HEIGHT, WIDTH)) / variance.square()
