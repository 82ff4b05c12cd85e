"""Spectrum: natural images have a power spectrum that falls like 1/f^2."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from vlatent.annotations import Float, NonNegativeFloat, PositiveFloat
from vlatent.priors.base import Prior
from vlatent.shapes import Latent, Latents, PerBatch, PerChannel, UserError
from vlatent.spectra import (
    Curve,
    curve_slope,
    frequencies,
    log_curve,
    mean_power,
    reference_curve,
    whittle_slope,
)


@dataclass(frozen=True, kw_only=True)
class Spectrum(Prior):
    """Distance of the power spectrum to 1/f^alpha, or to one that was measured.

    Calibration of the statistic (mean over 32x32 crops of fields P(f) = f^-alpha): it reads
    1.00 +- 0.03 at alpha = 1, 1.99 at 2, 3.01 at 3. White noise reads 0.07.

    Target: alpha = 2 (Field 1987; Burton and Moorhead 1987; van der Schaaf and van Hateren 1996,
    1.88 +- 0.43; Tolhurst et al. 1992, range 1.6 to 3.0; Torralba and Oliva 2003). The five
    photographs of `python -m analysis.natural_images` have 2.4, from 1.7 to 3.1.

    Attributes:
        weight: Factor of the penalty in the training loss.
        alpha: Exponent of the wanted power spectrum.
        match: `curve` matches the log power in every ring out to the corner; `slope` looks at
            the fitted slope only, which an optimiser can satisfy by digging a few nulls.
        reference: Wanted log power in every ring, up to a constant, instead of a power law; see
            `like`. Empty: the power law of `alpha`.
    """

    weight: NonNegativeFloat = 0.5
    alpha: PositiveFloat = 2.0
    match: Literal["curve", "slope"] = "curve"
    reference: tuple[float, ...] = ()

    search: ClassVar[tuple[float, float]] = (0.05, 5.0)
    most: ClassVar = {"alpha": 100}
    label: ClassVar[str] = "alpha"
    form: ClassVar[str] = ".2f"
    # What photographs' mean spectra have (`python -m analysis.natural_images`): the band.
    accepted: ClassVar[tuple[float, float]] = (1.5, 2.5)
    channels: ClassVar[int] = 4  # that must be in band

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reference and self.match != "curve":
            raise UserError(
                f"priors.spectrum.match must be curve where priors.spectrum.reference is given, "
                f"but got {self.match}."
            )

    @classmethod
    def like(cls, latent: Latents, **settings: Any) -> Spectrum:
        """The prior that wants the mean spectrum of these images or latents.

        >>> import torch
        >>> images = torch.randn(64, 32, 32, 3, generator=torch.Generator().manual_seed(0))
        >>> round(float(Spectrum.like(images).penalty(images)), 3)  # 1/f^2 would be 1.8 away
        0.001

        Args:
            latent: [batch, height, width, channel], of the size that is trained; all channels count
                alike.
            settings: Other fields of the prior, its weight for instance.
        """
        return cls(reference=tuple(reference_curve(mean_power(latent))), **settings)

    def statistic(self, latent: Latent) -> PerChannel:
        """Primary slope estimate: Whittle's alpha of the batch's mean DCT-II spectrum."""
        return whittle_slope(mean_power(latent))

    def penalty(self, latent: Latent) -> PerBatch:
        """Mean over channels of the squared distance between the log spectrum and 1/f^alpha.

        curve: sum_b w_b (log P_b + alpha log f_b - mean)^2 over rings b, w_b ~ sqrt(count_b); with
        a reference it stands in place of -alpha log f_b.
        slope: (a - alpha)^2 + max(0, |a - alpha| - 1/2), a the least-squares slope of the curve.
        0 for an exact power law; white noise has about 1.8 (curve) and 5.6 (slope).
        """
        curve = log_curve(mean_power(latent))
        height, width = latent.shape[-3:-1]
        fit = frequencies(height, width, latent.dtype, latent.device)
        if self.match == "slope":
            distance = curve_slope(curve, fit)[0] - self.alpha
            return (distance.square() + (distance.abs() - 0.5).clamp(min=0)).mean(-1)
        wanted = _wanted(self.reference, curve) if self.reference else -self.alpha * fit.log_radius
        left = curve - wanted
        left = left - (fit.weight * left).sum(-1, keepdim=True)
        return (fit.weight * left.square()).sum(-1).mean(-1)


def _wanted(reference: tuple[float, ...], curve: Curve) -> Float[Tensor, " bin"]:
    if len(reference) != curve.shape[-1]:
        raise UserError(
            f"priors.spectrum.reference must have one number for each of the {curve.shape[-1]} "
            f"rings of a latent of this size, but has {len(reference)}: measure it at this size."
        )
    return _on_device(reference, curve.dtype, curve.device)


@lru_cache(maxsize=32)
def _on_device(
    reference: tuple[float, ...], dtype: torch.dtype, device: torch.device
) -> Float[Tensor, " bin"]:
    """Copied once, since a copy to a GPU waits for it."""
    return torch.tensor(reference, dtype=dtype, device=device)
