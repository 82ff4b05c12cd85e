"""Contours: the edges of natural images continue, so neighbouring gradients point one way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import conv2d

from vlatent.annotations import ClosedUnitInterval, Float, NonNegativeFloat
from vlatent.priors.base import Prior, standardized
from vlatent.shapes import BATCH, Latent, PerBatch, PerChannel, PerLatent, UserError

# Binomial window of standard deviation 1 in which gradients are compared.
WINDOW = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
SMALLEST = len(WINDOW) + 2  # pixels along a side that a window of centred differences needs
# Of the squared gradient of a unit-variance latent: what is flatter has no direction.
FLAT = 1e-4


@dataclass(frozen=True, kw_only=True)
class Contours(Prior):
    """Local coherence of the gradients, kept between a target and a ceiling.

    J is the structure tensor, the products of centred differences of the unit-variance latent in
    a window of 5 x 5 pixels; l1 >= l2 are its eigenvalues. Coherence is (l1 - l2) / (l1 + l2),
    mean over the pixels, each with the weight sqrt(l1 + l2): 1 where all gradients of the window
    are parallel, near 0 where they point anywhere. Pixels count by the size of their gradient and
    not by its energy, so that faint contours count beside the strongest.

    Calibration (32x32): white noise 0.33, fields with P(f) = f^-2 0.39, photographs at 1/4 0.57
    where pixels are points and 0.68 where they are areas (means over six crops 0.45 to 0.80),
    straight edges of any direction 0.99, stripes 1. Forstner and Gulch (1987); Bigun and Granlund
    (1987); as an aim, contours are what Mumford and Shah (1989) ask for. There is a ceiling
    because streaks have more coherence than photographs. Centred differences, since forward ones
    lean every edge towards one diagonal.

    Attributes:
        weight: Factor of the penalty in the training loss.
        target: Coherence below which the penalty pulls up.
        ceiling: Coherence above which the penalty pulls down: streaks are no contours.
    """

    weight: NonNegativeFloat = 0.0
    target: ClosedUnitInterval = 0.7
    ceiling: ClosedUnitInterval = 0.8

    search: ClassVar[tuple[float, float]] = (1e-2, 1.0)
    most: ClassVar = {"target": 0.99, "ceiling": 0.99}
    label: ClassVar[str] = "local coherence"
    form: ClassVar[str] = ".3f"
    possible: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target > self.ceiling:
            raise UserError(
                f"priors.contours.target must be at most priors.contours.ceiling, but got "
                f"{self.target} and {self.ceiling}."
            )

    def statistic(self, latent: Latent) -> PerChannel:
        """Local coherence, mean over the batch, [..., channel]; NaN below 7 x 7 pixels.

        >>> import torch
        >>> ramp = torch.arange(8.0).expand(8, 8)[None, ..., None]
        >>> round(Contours().statistic(ramp).item(), 2)
        1.0
        """
        if _too_small(latent):
            return latent.new_full((*latent.shape[:BATCH], latent.shape[-1]), math.nan)
        return self._of_latents(latent).mean(BATCH + 2)

    def penalty(self, latent: Latent) -> PerBatch:
        """Squared log distance of 1 - coherence to [1 - ceiling, 1 - target], mean over all.

        c is the coherence of one channel of one sentence:
        max(0, log((1 - c) / (1 - target)))^2 + max(0, log((1 - ceiling) / (1 - c)))^2. A field
        with P(f) = f^-2 has (log(0.61 / 0.3))^2 = 0.51.

        Raises:
            UserError: The latent is smaller than 7 x 7 pixels.
        """
        if _too_small(latent):
            height, width = latent.shape[-3:-1]
            raise UserError(
                f"a latent of {height}x{width} has no contours: make its sides at least "
                f"{SMALLEST} (encoder.height, encoder.width) or set priors.contours.weight to 0."
            )
        apart = (1 - self._of_latents(latent)).clamp(min=1e-3).log()
        below = (apart - math.log(1 - self.target)).clamp(min=0).square()
        above = (math.log(1 - self.ceiling) - apart).clamp(min=0).square()
        return (below + above).mean((-2, -1))

    def _of_latents(self, latent: Latent) -> PerLatent:
        """Local coherence of every sentence and channel, [..., batch, channel]."""
        images = standardized(latent).movedim(-1, -3)
        across = (images[..., 1:-1, 2:] - images[..., 1:-1, :-2]) / 2
        down = (images[..., 2:, 1:-1] - images[..., :-2, 1:-1]) / 2
        xx, yy, xy = (_windowed(p) for p in (across * across, down * down, across * down))
        energy = xx + yy + FLAT
        # The floor under the root keeps its gradient finite where no direction is preferred.
        difference = ((xx - yy).square() + 4 * xy.square() + FLAT**2).sqrt()
        weight = energy.sqrt()
        return (weight * difference / energy).sum((-2, -1)) / weight.sum((-2, -1))


def _too_small(latent: Latent) -> bool:
    return min(latent.shape[-3:-1]) < SMALLEST


def _windowed(images: Float[Tensor, "*rows height width"]) -> Float[Tensor, "*rows _ _"]:
    """Weighted mean over the window, where it fits."""
    window = images.new_tensor(WINDOW)
    flat = images.reshape(-1, 1, *images.shape[-2:])
    flat = conv2d(conv2d(flat, window[None, None, :, None]), window[None, None, None, :])
    return flat.reshape(*images.shape[:-2], *flat.shape[-2:])
