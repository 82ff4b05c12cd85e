"""Slopes fitted to the raw periodogram, to be compared with those that the library uses.

Nothing is trained or judged on them: the periodogram leaks at the open edges of a image, so that
steep slopes saturate. A latent is [..., height, width, channel], a slope [..., channel].
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from vlatent.shapes import HEIGHT, WIDTH
from vlatent.spectra import CIRCLE, POWER_FLOOR

Latent = Float[Tensor, "*rows height width channel"]
Slope = Float[Tensor, "*rows channel"]
Coefficients = Float[Tensor, "*rows channel coefficient"]

HANN_RINGS = (2, 15)  # first and last: the window smears the mean over ring 1


def whittle(latent: Latent) -> Slope:
    """Whittle's likelihood of P(f) = c f^-alpha over the raw periodogram below Nyquist.

    Minimises log mean(P f^alpha) - alpha mean(log f), which is convex, by Newton's method. Unbiased
    up to alpha = 2 and 0.3 too low at 3, where leakage hides the slope. Whittle (1953).
    """
    log_power, log_frequency = _below_nyquist(latent)
    alpha = -(log_power * log_frequency).sum(-1) / log_frequency.square().sum()
    for _ in range(12):
        share = torch.softmax(log_power + alpha[..., None] * log_frequency, dim=-1)
        mean = (share * log_frequency).sum(-1)
        spread = (share * log_frequency.square()).sum(-1) - mean.square()
        alpha = alpha - (mean / spread.clamp(min=1e-6)).clamp(-0.5, 0.5)
    return alpha


def least_squares(latent: Latent) -> Slope:
    """Least squares on the log of every coefficient of the raw periodogram below Nyquist."""
    log_power, log_frequency = _below_nyquist(latent)
    return -(log_power * log_frequency).sum(-1) / log_frequency.square().sum()


def hann(latent: Latent) -> Slope:
    """Hann window, radial means of rings 2 to 15, least squares on log-log.

    The window hides the open edges and half of the image with them: hardly biased, and twice as
    uncertain as the slope of record.
    """
    height, width = latent.shape[-3:-1]
    window = torch.hann_window(height, periodic=False, dtype=torch.float64)[:, None]
    window = window * torch.hann_window(width, periodic=False, dtype=torch.float64)
    image = latent.double() - latent.double().mean((HEIGHT, WIDTH), keepdim=True)
    power = torch.fft.fft2(image * window[..., None], dim=(HEIGHT, WIDTH)).abs().square()
    side = min(height, width)
    ring = torch.round(_cycles(height, width) * side).long().flatten()
    first, last = HANN_RINGS[0], min(HANN_RINGS[1], side // 2 - 1)
    rings = torch.nn.functional.one_hot(ring, int(ring.max()) + 1).double()
    mean = power.movedim(-1, -3).flatten(-2) @ (rings / rings.sum(0).clamp(min=1))
    x = torch.arange(first, last + 1).double().log()
    x = x - x.mean()
    return -(mean[..., first : last + 1].clamp(min=POWER_FLOOR).log() * x).sum(-1) / (x @ x)


def _below_nyquist(latent: Latent) -> tuple[Coefficients, Float[Tensor, " coefficient"]]:
    """Log power and centred log frequency of every coefficient inside the circle of the fits."""
    image = latent.double()
    image = image - image.mean((HEIGHT, WIDTH), keepdim=True)
    power = torch.fft.fft2(image, dim=(HEIGHT, WIDTH)).abs().square()
    power = power / power.mean((HEIGHT, WIDTH), keepdim=True).clamp(min=POWER_FLOOR)
    cycles = _cycles(*latent.shape[-3:-1])
    inside = (cycles > 0) & (cycles < CIRCLE)
    log_frequency = cycles[inside].log()
    log_power = power.movedim(-1, -3)[..., inside].clamp(min=POWER_FLOOR).log()
    return log_power, log_frequency - log_frequency.mean()


def _cycles(height: int, width: int) -> Float[Tensor, "height width"]:
    """Cycles per pixel of every coefficient of the FFT."""
    return torch.hypot(
        torch.fft.fftfreq(height, dtype=torch.float64)[:, None],
        torch.fft.fftfreq(width, dtype=torch.float64)[None, :],
    )
