"""The numbers behind every figure: plain arrays, computed here and tested, drawn elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vlatent.evaluation import Evaluation, in_band
from vlatent.priors import Kurtosis, Priors
from vlatent.priors.base import STANDARD_DEVIATION_FLOOR, gradients, standardized
from vlatent.priors.decorrelation import correlation_matrix
from vlatent.shapes import Latents
from vlatent.spectra import frequencies, log_curve, mean_power, residual, whittle_slope
from vlatent.statistics import BAND

Curve = Float[np.ndarray, " row"]

CONSTANT = 1e-6  # a channel whose latents all deviate less than this shows nothing
TAIL = (5.0, 12.0)  # gradients are drawn at least, and at most, this many deviations out
HISTOGRAM_BINS = 80


@dataclass(frozen=True)
class Spectra:
    """The mean power spectrum of every channel and the power law fitted to it.

    Attributes:
        frequency: Cycles per longer side of the latent, [bin].
        power: Ring means of the power of latents with variance 1, NaN where a channel has no
            spectrum, [channel, bin].
        line: The power law with the primary slope estimate through the curve's middle.
        flat: The flattest power law in band through the same middle.
        steep: The steepest one.
        alpha: Primary slope estimate, by channel.
        residual: How far the curve is from any power law, by channel.
        in_band: Whether the channel counts as image-like.
        flaws: Why a channel has no spectrum, "" where it has one.
    """

    frequency: Float[np.ndarray, " bin"]
    power: Float[np.ndarray, "channel bin"]
    line: Float[np.ndarray, "channel bin"]
    flat: Float[np.ndarray, "channel bin"]
    steep: Float[np.ndarray, "channel bin"]
    alpha: list[float]
    residual: list[float]
    in_band: list[bool]
    flaws: list[str]


@dataclass(frozen=True)
class Mosaic:
    """Latents side by side, one row a sentence and one column a channel, one scale a channel.

    Attributes:
        level: Position on the color scale, 0 to 1, of every pixel of every tile; NaN where the
            latent is not finite, [sentence, channel, height, width].
        centre: Mean of the channel, which has level 0.5.
        reach: 99th percentile of the distance to it: levels 0 and 1 lie this far away.
    """

    level: Float[np.ndarray, "sentence channel height width"]
    centre: Float[np.ndarray, " channel"]
    reach: Float[np.ndarray, " channel"]


@dataclass(frozen=True)
class GradientHistogram:
    """Density of the differences between neighbours, in their standard deviations.

    Attributes:
        edges: Borders of the bins, [bin + 1].
        density: Share of all gradients in a bin over its width, [channel, bin].
        gaussian: Density of the Gaussian of the same variance at the bins' centres, [bin].
        kurtosis: Statistic of the kurtosis prior, by channel; 3 for a Gaussian.
        flaws: Why a channel has no histogram, "" where it has one.
    """

    edges: Float[np.ndarray, " edge"]
    density: Float[np.ndarray, "channel bin"]
    gaussian: Float[np.ndarray, " bin"]
    kurtosis: list[float]
    flaws: list[str]


@dataclass(frozen=True)
class Correlation:
    """Correlation between channels over sentences and space, and its mean |off-diagonal|."""

    matrix: Float[np.ndarray, "channel channel"]
    off_diagonal: float


@dataclass(frozen=True)
class Training:
    """What the training log holds, by term; NaN where a row lacks a value.

    Attributes:
        step: Training steps done, [row].
        terms: Every term's name: the priors in their order, then any other.
        penalty: Penalties before their weights, for the terms in the loss.
        weighted: Penalties times their weights, for the terms in the loss.
        loss, learning_rate, gradient_norm: As logged, [row].
    """

    step: Curve
    terms: list[str]
    penalty: dict[str, Curve]
    weighted: dict[str, Curve]
    loss: Curve
    learning_rate: Curve
    gradient_norm: Curve


@dataclass(frozen=True)
class Slopes:
    """Primary slope estimate and its residual at every evaluation, and how many are in band."""

    step: Float[np.ndarray, " evaluation"]
    alpha: Float[np.ndarray, "channel evaluation"]
    residual: Float[np.ndarray, "channel evaluation"]
    in_band: Float[np.ndarray, " evaluation"]


def flaws(latent: Latents) -> list[str]:
    """Why nothing can be measured on a channel: "not finite", "constant", or "" if it can."""
    finite = torch.isfinite(latent).all(0).all(0).all(0)
    flat = latent.std((1, 2), correction=0).amax(0) < CONSTANT
    return [
        "" if good and not same else "constant" if good else "not finite"
        for good, same in zip(finite.tolist(), flat.tolist(), strict=True)
    ]


def spectra(latent: Latents) -> Spectra:
    """Mean power spectrum of every channel with its fit and the band of natural images."""
    return spectra_of(mean_power(latent), flaws(latent))


def spectra_of(power: Float[Tensor, "channel height width"], flawed: list[str]) -> Spectra:
    """The same of a mean power spectrum that is known, and why a channel has none."""
    curve = log_curve(power)
    height, width = power.shape[1:]
    fit = frequencies(height, width, power.dtype, power.device)
    offset = fit.log_radius - (fit.weight * fit.log_radius).sum()
    middle = (fit.weight * curve).sum(-1, keepdim=True)
    alpha, left = whittle_slope(power), residual(power)
    drawn = torch.where(torch.tensor([[not flaw] for flaw in flawed]), curve, math.nan)

    def law(slope: Tensor | float) -> Float[np.ndarray, "channel bin"]:
        return (middle - slope * offset).exp().double().numpy()

    return Spectra(
        frequency=fit.log_radius.exp().double().numpy() * max(height, width),
        power=drawn.exp().double().numpy(),
        line=law(alpha[:, None]),
        flat=law(BAND[0]),
        steep=law(BAND[1]),
        alpha=alpha.tolist(),
        residual=left.tolist(),
        in_band=in_band(alpha, left).tolist(),
        flaws=flawed,
    )


def mosaic(latent: Latents) -> Mosaic:
    """Every latent on its channel's color scale, symmetric about the channel's mean."""
    values = np.moveaxis(latent.double().numpy(), -1, 0)
    finite = np.where(np.isfinite(values), values, np.nan)
    values_of = [channel[np.isfinite(channel)] for channel in finite]
    centre = np.array([channel.mean() if channel.size else math.nan for channel in values_of])
    reach = np.array(
        [
            np.quantile(np.abs(channel - middle), 0.99) if channel.size else math.nan
            for channel, middle in zip(values_of, centre, strict=True)
        ]
    )
    by_channel = (slice(None), None, None, None)
    span = np.where(reach > 0, reach, 1.0)  # a constant channel has level 0.5 everywhere
    level = 0.5 + (finite - centre[by_channel]) / (2 * span[by_channel])
    return Mosaic(np.clip(level, 0, 1).swapaxes(0, 1), centre, reach)


def tiles(
    colors: UInt8[np.ndarray, "row column height width 3"], side: int, gap: int
) -> UInt8[np.ndarray, "vertical horizontal 3"]:
    """One image of all tiles, the longer side at most `side` pixels, on white.

    A tile's pixels are repeated (or left out) by a whole number: none is wider than another.
    """
    longer = max(colors.shape[2:4])
    stride, zoom = math.ceil(longer / side), max(1, side // longer)
    scaled = colors[:, :, ::stride, ::stride].repeat(zoom, axis=2).repeat(zoom, axis=3)
    frame = ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0))
    framed = np.pad(scaled, frame, constant_values=255)
    rows, columns, height, width, _ = framed.shape
    image = framed.swapaxes(1, 2).reshape(rows * height, columns * width, 3)
    return image[: rows * height - gap, : columns * width - gap]


def gradient_histogram(latent: Latents) -> GradientHistogram:
    """Histogram of every channel's gradients, each latent's in its own standard deviations.

    This is the scale on which the kurtosis prior looks at them: the mean fourth power of what
    is counted here is its statistic.
    """
    flawed = flaws(latent)
    sound = torch.tensor([not flaw for flaw in flawed])
    pixels = standardized(torch.where(sound, latent, 0.0))
    scaled = []
    for gradient in gradients(pixels):
        centred = gradient - gradient.mean((1, 2), keepdim=True)
        deviation = centred.square().mean((1, 2), keepdim=True).sqrt()
        scaled.append((centred / deviation.clamp(min=STANDARD_DEVIATION_FLOOR)).flatten(0, 2))
    values = torch.cat(scaled)
    extent = math.ceil(min(max(float(values.abs().max()), TAIL[0]), TAIL[1]))
    edges = np.linspace(-extent, extent, HISTOGRAM_BINS + 1)
    width = edges[1] - edges[0]
    counts = [
        torch.histc(channel, HISTOGRAM_BINS, -extent, extent).double().numpy()
        for channel in values.T.contiguous()
    ]
    density = np.array(counts) / (len(values) * width)
    density[~sound.numpy()] = np.nan
    centres = (edges[:-1] + edges[1:]) / 2
    return GradientHistogram(
        edges=edges,
        density=density,
        gaussian=np.exp(-(centres**2) / 2) / math.sqrt(2 * math.pi),
        kurtosis=Kurtosis().statistic(latent).tolist(),
        flaws=flawed,
    )


def correlation(latent: Latents) -> Correlation:
    """Correlation matrix of the channels over sentences and space."""
    matrix = correlation_matrix(latent).double().numpy()
    others = ~np.eye(len(matrix), dtype=bool)
    mean = float(np.abs(matrix[others]).mean()) if len(matrix) > 1 else 0.0
    return Correlation(matrix, mean)


def training(log: Sequence[Mapping[str, float]]) -> Training:
    """The training log as one curve a term."""
    keys = dict.fromkeys(key for row in log for key in row)

    def column(key: str) -> Curve:
        return np.array([row.get(key, math.nan) for row in log], dtype=float)

    def under(prefix: str) -> dict[str, Curve]:
        return {key.removeprefix(prefix): column(key) for key in keys if key.startswith(prefix)}

    penalty, weighted = under("penalty/"), under("weighted/")
    priors = [name for name, _ in Priors()]
    others = [name for name in penalty | weighted if name not in priors]
    return Training(
        step=column("step"),
        terms=priors + others,
        penalty=penalty,
        weighted=weighted,
        loss=column("loss"),
        learning_rate=column("learning_rate"),
        gradient_norm=column("gradient_norm"),
    )


def slopes(history: Sequence[Evaluation]) -> Slopes:
    """Primary slope estimate, its residual and the channels in band over the evaluations."""
    return Slopes(
        step=np.array([evaluation.step for evaluation in history], dtype=float),
        alpha=np.array([evaluation.channels["spectrum"] for evaluation in history], float).T,
        residual=np.array([evaluation.channels["residual"] for evaluation in history], float).T,
        in_band=np.array([evaluation.metrics["channels_in_band"] for evaluation in history], float),
    )


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places between 0 and 1, near the wanted ones and in their order, at least `gap` apart.

    Where there is no room for so much gap, the places are evenly apart.
    """
    count = len(wanted)
    gap = min(gap, 1 / max(count - 1, 1))
    order = sorted(range(count), key=lambda index: wanted[index])
    places = [0.0] * count
    lowest = 0.0
    for index in order:
        places[index] = max(min(wanted[index], 1.0), lowest)
        lowest = places[index] + gap
    highest = 1.0
    for index in reversed(order):
        places[index] = min(places[index], highest)
        highest = places[index] - gap
    return places
