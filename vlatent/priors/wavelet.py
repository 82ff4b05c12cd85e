"""Wavelet sparsity: a few large coefficients, many near zero."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from vlatent.annotations import Float, NonNegativeFloat, PositiveFloat, PositiveInt
from vlatent.priors.base import STANDARD_DEVIATION_FLOOR, Prior, standardized
from vlatent.shapes import BATCH, HEIGHT, WIDTH, Latent, PerBatch, PerChannel, UserError


@dataclass(frozen=True, kw_only=True)
class Wavelet(Prior):
    """Distance of the Haar coefficients' sparsity to that of photographs.

    Sparsity is mean|c| / rms c of each level and orientation: lower is sparser. Calibration:
    Gaussian coefficients 0.798, Laplace 0.707, generalized Gaussian of shape 0.7 0.634,
    of shape 0.5 0.548. Photographs have shapes 0.4 to 0.8 (Mallat 1989; Simoncelli and
    Adelson 1996; Huang and Mumford 1999), those of `python -m analysis.natural_images` 0.6 to
    1.1. The penalty pulls to a natural value: sparsity without a bound would make spikes.

    Attributes:
        weight: Factor of the penalty in the training loss.
        shape: Wanted shape of the generalized Gaussian; 2 is a Gaussian, 1 a Laplace.
        levels: Number of Haar levels.
    """

    weight: NonNegativeFloat = 0.1
    shape: PositiveFloat = 0.7
    levels: PositiveInt = 3

    search: ClassVar[tuple[float, float]] = (1e-3, 1.0)
    label: ClassVar[str] = "wavelet mean/rms"
    form: ClassVar[str] = ".3f"
    possible: ClassVar[tuple[float, float]] = (0.0, 1.0)
    least: ClassVar = {"shape": 0.05}
    most: ClassVar = {"shape": 100, "levels": 16}

    def statistic(self, latent: Latent) -> PerChannel:
        """mean|c| / rms c, geometric mean over levels and orientations, [..., channel]."""
        return self._log_ratio(latent).mean(-1).exp()

    def penalty(self, latent: Latent) -> PerBatch:
        """Mean over channels, levels and orientations of (log ratio - log wanted ratio)^2.

        Gaussian images have about (log(0.798 / 0.634))^2 = 0.053, sparse natural ones near 0.
        """
        wanted = math.log(generalized_gaussian_ratio(self.shape))
        return (self._log_ratio(latent) - wanted).square().mean((-2, -1))

    def _log_ratio(self, latent: Latent) -> Float[Tensor, "*rows channel band"]:
        """log(mean|c| / rms c) over batch and space, bands = levels x 3 orientations."""
        ratios = []
        for coefficients in haar_details(standardized(latent), self.levels):
            over = (BATCH, HEIGHT, WIDTH)
            size = coefficients.abs().mean(over).clamp(min=STANDARD_DEVIATION_FLOOR)
            power = coefficients.square().mean(over).clamp(min=STANDARD_DEVIATION_FLOOR**2)
            ratios.append(size.log() - power.log() / 2)
        return torch.stack(ratios, dim=-1)


def haar_details(latent: Latent, levels: int) -> list[Float[Tensor, "*rows batch _ _ channel"]]:
    """Haar detail coefficients, finest level first: horizontal, vertical, diagonal of each.

    Same values and order within a level as `pywt.wavedec2(x, "haar")`. An image whose sides
    are no multiple of 2^levels is refused: Haar then needs no boundary rule.
    """
    height, width = latent.shape[-3:-1]
    if height % 2**levels or width % 2**levels:
        raise UserError(
            f"a latent of {height}x{width} has no {levels} Haar levels: make its sides multiples "
            f"of {2**levels} (encoder.height, encoder.width) or lower priors.wavelet.levels."
        )
    details = []
    for _ in range(levels):
        top, bottom = latent[..., 0::2, :, :], latent[..., 1::2, :, :]
        low, high = (top + bottom) / 2, (top - bottom) / 2
        left, right = low[..., 0::2, :], low[..., 1::2, :]
        upper, lower = high[..., 0::2, :], high[..., 1::2, :]
        details += [upper + lower, left - right, upper - lower]
        latent = left + right
    return details


def generalized_gaussian_ratio(shape: float) -> float:
    """mean|c| / rms c of a generalized Gaussian, density ~ exp(-|c|^shape).

    Gamma(2/s) / sqrt(Gamma(1/s) Gamma(3/s)).

    >>> [round(generalized_gaussian_ratio(shape), 3) for shape in (2, 1, 0.5)]
    [0.798, 0.707, 0.548]
    """
    log_ratio = math.lgamma(2 / shape) - (math.lgamma(1 / shape) + math.lgamma(3 / shape)) / 2
    return math.exp(log_ratio)


def generalized_gaussian_shape(ratio: float) -> float:
    """Shape of the generalized Gaussian with this mean|c| / rms c, between 0.1 and 10."""
    low, high = 0.1, 10.0
    for _ in range(50):  # the ratio grows with the shape
        middle = math.sqrt(low * high)
        low, high = (middle, high) if generalized_gaussian_ratio(middle) < ratio else (low, middle)
    return middle
