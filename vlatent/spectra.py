"""Power spectra of latents and the slopes fitted to them.

The power spectrum is that of the DCT-II (the cosine transform of the evenly extended image):
unlike the raw periodogram it does not leak at the open edges, so steep slopes do not saturate.
A slope is the alpha of P(f) = c * f^-alpha.

`python -m analysis.natural_images` measures the bias of every estimator and the residual's limit.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from vlatent.annotations import Float, Int
from vlatent.shapes import BATCH, Latent, PerChannel

# Added to the Whittle slope of the DCT-II, which reads 0.08 too low between alpha = 1 and 3.
WHITTLE_BIAS = 0.08
# A power law's residual stays below this in 99 % of single patches; upsampled or blurred noise
# never does. Keep it for means of many sentences too: they may all share one image.
RESIDUAL_LIMIT = 0.45
# Of the largest and the mean excess of the finest stripes: clean power laws and photographs stay
# below, a pattern of 10 % of the deviation does not.
CHECKERBOARD_LIMITS = (40.0, 2.0)
# Fits use the frequencies inside the circle that touches the image's Nyquist square.
CIRCLE = 15.5 / 32
# Power of a unit-variance image below this counts as this before a logarithm: even at alpha = 3
# the highest frequencies have a million times as much.
POWER_FLOOR = 1e-8
# Variances below this count as this: a collapsed image has no spectrum, its gradients are finite.
VARIANCE_FLOOR = 1e-6

Power = Float[Tensor, "*rows channel height width"]
Curve = Float[Tensor, "*rows channel bin"]


class Frequencies(NamedTuple):
    """The frequencies of a height x width DCT-II and their bins.

    Attributes:
        cycles: Frequency of every coefficient, in cycles per pixel, [height, width].
        bins: Ring of every coefficient: rings are one cycle per longer side wide and reach the
            corner; 0 is the mean, [height, width].
        mean: Matrix that averages coefficients over each ring, [height * width, bin].
        weight: Square root of the number of coefficients in a ring, sum 1, [bin].
        log_radius: Log of the mean frequency of a ring, [bin].
    """

    cycles: Float[Tensor, "height width"]
    bins: Int[Tensor, "height width"]
    mean: Float[Tensor, "coefficient bin"]
    weight: Float[Tensor, " bin"]
    log_radius: Float[Tensor, " bin"]


@lru_cache(maxsize=32)
def dct_matrix(size: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "size size"]:
    """The orthonormal DCT-II as a matrix: row u holds cos(pi u (2 x + 1) / (2 size)).

    >>> dct_matrix(2, torch.float64, torch.device("cpu")).round(decimals=3).tolist()
    [[0.707, 0.707], [0.707, -0.707]]
    """
    u = torch.arange(size, dtype=torch.float64)[:, None]
    x = torch.arange(size, dtype=torch.float64)[None, :]
    matrix = torch.cos(math.pi * u * (2 * x + 1) / (2 * size)) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix.to(device=device, dtype=dtype)


@lru_cache(maxsize=32)
def frequencies(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Frequencies:
    """The frequencies, rings and ring averages of a height x width image."""
    u = torch.arange(height, dtype=torch.float64)[:, None] / (2 * height)
    v = torch.arange(width, dtype=torch.float64)[None, :] / (2 * width)
    cycles = torch.hypot(u, v)
    bins = torch.floor(cycles * max(height, width) + 0.5).long()
    bins[0, 0] = 0
    count = torch.bincount(bins.flatten()).double()
    present = count > 0
    present[0] = False  # the mean is no frequency
    ring = torch.nn.functional.one_hot(bins.flatten(), len(count)).double()
    mean = (ring / count.clamp(min=1))[:, present]
    weight = count[present].sqrt() / count[present].sqrt().sum()
    log_radius = (cycles.flatten() @ mean).log()
    return Frequencies(
        cycles.to(device, dtype),
        bins.to(device),
        mean.to(device, dtype),
        weight.to(device, dtype),
        log_radius.to(device, dtype),
    )


def _frequencies_of(power: Power) -> Frequencies:
    return frequencies(power.shape[-2], power.shape[-1], power.dtype, power.device)


def power_spectrum(latent: Latent) -> Float[Tensor, "*rows batch channel height width"]:
    """Squared DCT-II coefficients of every image, divided by the image's own variance.

    P(u, v) = |DCT(x)(u, v)|^2 / var(x), so white noise has a mean power of 1.
    The mean (u = v = 0) is set to zero. Variances are floored at 1e-6, so the power of an image
    that has collapsed goes to zero.
    """
    planes = latent.movedim(-1, -3)
    rows = dct_matrix(planes.shape[-2], planes.dtype, planes.device)
    columns = dct_matrix(planes.shape[-1], planes.dtype, planes.device)
    power = (rows @ planes @ columns.T).square()
    mean = torch.zeros_like(power[..., :1, :1])
    power = torch.cat(  # without an in-place write, so that gradients pass
        [torch.cat([mean, power[..., :1, 1:]], dim=-1), power[..., 1:, :]], dim=-2
    )
    total = power.mean(dim=(-2, -1), keepdim=True)
    return power / total.clamp(min=VARIANCE_FLOOR)


def mean_power(latent: Latent) -> Power:
    """The batch's mean power spectrum: every sentence counts the same, [..., channel, h, w]."""
    return power_spectrum(latent).mean(dim=BATCH)


def log_curve(power: Power) -> Curve:
    """Log of the ring means of a power spectrum out to the corner, [..., channel, bin]."""
    mean = _frequencies_of(power).mean
    curve = power.flatten(-2) @ mean
    return curve.clamp(min=POWER_FLOOR).log()


def reference_curve(power: Power) -> list[float]:
    """Log ring means of the mean power of all channels, without their mean, six decimals."""
    curve = log_curve(power.double().mean(-3, keepdim=True))[0]
    weight = _frequencies_of(power.double()).weight
    return [round(value, 6) for value in (curve - (weight * curve).sum()).tolist()]


def curve_slope(curve: Curve, fit: Frequencies) -> tuple[PerChannel, Curve]:
    """Weighted least-squares slope of a log curve and what is left over: (alpha, residuals)."""
    x = fit.log_radius - (fit.weight * fit.log_radius).sum()
    y = curve - (curve * fit.weight).sum(-1, keepdim=True)
    slope = (fit.weight * x * y).sum(-1) / (fit.weight * x * x).sum()
    return -slope, y - slope[..., None] * x


def residual(power: Power) -> PerChannel:
    """How far a spectrum is from any power law: rms of the log ring means about their own line.

    sqrt(sum_b w_b (log P_b - fit_b)^2) with w_b proportional to sqrt(count_b), natural log.
    0 is a perfect power law. Single patches with alpha = 2: median 0.24, 99 % below 0.45;
    nearest-upsampled noise about 1.6 (factor 2), blurred noise about 1.5 (sigma 0.8).
    """
    _, left = curve_slope(log_curve(power), _frequencies_of(power))
    return (_frequencies_of(power).weight * left.square()).sum(-1).sqrt()


def whittle_slope(power: Power, iterations: int = 12) -> PerChannel:
    """Primary slope estimator: Whittle's likelihood of P(f) = c f^-alpha, [..., channel].

    Minimises log mean(P f^alpha) - alpha mean(log f) over the frequencies below Nyquist by
    Newton's method (the function is convex in alpha), in float64, and adds 0.08 for the DCT-II's
    bias. Mean over non-periodic 32x32 crops: within 0.03 for alpha = 1 to 3, and 0.07 at
    alpha = 0; the standard deviation of one patch is 0.1.
    Whittle (1953); for cosine transforms of fields, Dietrich and Osborne (1996).
    """
    power = power.double()
    cycles = _frequencies_of(power).cycles
    inside = (cycles > 0) & (cycles < CIRCLE)
    log_frequency = cycles[inside].log()
    log_frequency = log_frequency - log_frequency.mean()
    log_power = power[..., inside].clamp(min=POWER_FLOOR).log()
    alpha = -(log_power * log_frequency).sum(-1) / log_frequency.square().sum()
    for _ in range(iterations):
        share = torch.softmax(log_power + alpha[..., None] * log_frequency, dim=-1)
        mean = (share * log_frequency).sum(-1)
        spread = (share * log_frequency.square()).sum(-1) - mean.square()
        alpha = alpha - (mean / spread.clamp(min=1e-6)).clamp(-0.5, 0.5)
    return alpha + WHITTLE_BIAS


def all_frequency_slope(power: Power) -> PerChannel:
    """Least squares on the log power of every frequency below Nyquist, [..., channel]."""
    power = power.double()
    cycles = _frequencies_of(power).cycles
    inside = (cycles > 0) & (cycles < CIRCLE)
    x = cycles[inside].log()
    x = x - x.mean()
    return -(power[..., inside].clamp(min=POWER_FLOOR).log() * x).sum(-1) / x.square().sum()


def radial_slope(latent: Latent) -> PerChannel:
    """The classic slope: FFT power, radial means of rings 1 to 15, least squares on log-log.

    The batch's mean spectrum is fitted, as by the primary estimator. Reads 0.10 low at alpha = 2
    and 0.31 low at alpha = 3, where the periodogram saturates.
    """
    return radial_fit(radial_power(latent))


def radial_power(latent: Latent) -> Curve:
    """Means of the batch's mean FFT power over rings of 1 to half the side, each one cycle wide."""
    planes = latent.double().movedim(-1, -3)
    planes = planes - planes.mean(dim=(-2, -1), keepdim=True)
    variance = planes.square().mean(dim=(-2, -1), keepdim=True)
    height, width = planes.shape[-2:]
    power = torch.fft.fft2(planes).abs().square() / variance.clamp(min=VARIANCE_FLOOR)
    power = power.mean(dim=BATCH).flatten(-2) / (height * width)
    cycles = torch.hypot(
        torch.fft.fftfreq(height, dtype=torch.float64)[:, None],
        torch.fft.fftfreq(width, dtype=torch.float64)[None, :],
    ).to(power.device)
    side = min(height, width)
    ring = torch.round(cycles * side).long().flatten()
    rings = torch.nn.functional.one_hot(ring, int(ring.max()) + 1).double()
    mean = power @ (rings / rings.sum(0).clamp(min=1))
    return mean[..., torch.arange(1, side // 2, device=power.device)]


def radial_fit(power: Curve) -> PerChannel:
    """Least squares on the logarithms of `radial_power` and of its radii."""
    x = torch.arange(1, power.shape[-1] + 1, device=power.device).double().log()
    x = x - x.mean()
    return -(power.clamp(min=POWER_FLOOR).log() * x).sum(-1) / x.square().sum()


class Checkerboard(NamedTuple):
    """Excess power at the finest stripes and checkers, [..., channel]; see `checkerboard`."""

    largest: PerChannel
    mean: PerChannel


def checkerboard(power: Float[Tensor, "*rows batch channel height width"]) -> Checkerboard:
    """Power of the finest coefficients over the fitted line, mean over sentences.

    q(u, v) = P(u, v) / line(f) over the coefficients in the last row or column of the DCT,
    each image against its own line; the largest q and the mean q. Calibration (32x32, medians):
    clean alpha = 2 6.6 and 1.0; with a checkerboard of 10 % of its deviation 61 and 2.2; with
    column stripes of 10 % 43 and 1.7.
    """
    fit = _frequencies_of(power)
    curve = log_curve(power)
    alpha, _ = curve_slope(curve, fit)
    centre = (fit.weight * fit.log_radius).sum()
    level = (fit.weight * curve).sum(-1)
    log_line = level[..., None, None] - alpha[..., None, None] * (
        fit.cycles.clamp(min=1e-9).log() - centre
    )
    q = power * torch.exp(-log_line)
    finest = torch.cat([q[..., -1, :], q[..., :-1, -1]], dim=-1)
    return Checkerboard(finest.amax(-1).mean(-2), finest.mean(-1).mean(-2))
