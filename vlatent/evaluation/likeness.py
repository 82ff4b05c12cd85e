"""Likeness to photographs: statistics of single images that no prior trains, and their distance."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from itertools import combinations

import torch
from torch import Tensor

from vlatent.annotations import Float
from vlatent.evaluation.photographs import Photographs
from vlatent.priors.base import gradients, standardized
from vlatent.priors.kurtosis import Kurtosis
from vlatent.priors.wavelet import haar_details
from vlatent.shapes import Latent

Images = Float[Tensor, "*rows height width"]  # of unit variance
PerImage = Float[Tensor, "*rows"]
Smaller = Float[Tensor, "*rows _ _"]

HAAR_LEVELS = 2  # a latent is cut to multiples of 4 for them
FLOOR = 1e-3  # of gradients and coefficients before a logarithm, in standard deviations
WINDOW = 1.0  # standard deviation of the structure tensor's Gaussian window, in pixels
# Pairs whose comparison one after the other sorts eight values: a tenth of torch.sort's time.
SORTING = (
    *((0, 2), (1, 3), (4, 6), (5, 7), (0, 4), (1, 5), (2, 6), (3, 7), (0, 1), (2, 3), (4, 5)),
    *((6, 7), (2, 4), (3, 5), (1, 4), (3, 6), (1, 2), (3, 4), (5, 6)),
)

# What is compared with photographs, in the order of photographs.json. The first three are
# logarithms, of the mean size of a gradient, of mean|c| / rms c and of the kurtosis.
FEATURES = (
    "gradient_size",
    "wavelet_finest",
    "wavelet_second",
    "kurtosis",
    "magnitude_dependency",
    "coherence",
    "speckle",
)
LOGARITHMS = 4
# Those that have a criterion of their own, in natural units.
RANGES = ("gradient_size", "wavelet_finest", "magnitude_dependency", "coherence", "speckle")

Features = Float[Tensor, "batch channel feature"]


def features(latent: Latent) -> Features:
    """The features of every channel of every sentence, [batch, channel, feature]; see FEATURES.

    Args:
        latent: [batch, height, width, channel], of any scale.
    """
    latent = standardized(latent.double())
    images = latent.movedim(-1, -3).contiguous()
    single = images.float()  # good for six digits, in a fifth of the time
    down, across = gradients(latent)
    steps = down.abs().sum((-3, -2)) + across.abs().sum((-3, -2))
    steps = steps / pairs(*images.shape[-2:])
    details = _details(images)
    values = (
        steps.clamp(min=FLOOR).log(),
        _sparsity(details[:3]),
        _sparsity(details[3:]),
        Kurtosis().of_each(latent).clamp(min=1).log(),
        magnitude_dependency(images),
        coherence(single),
        speckle(single),
    )
    return torch.stack(values, dim=-1)


def pairs(height: int, width: int) -> int:
    """Neighbours in an image: its total variation is the mean |gradient| times as many."""
    return (height - 1) * width + height * (width - 1)


def natural(of: Features) -> Features:
    """The features without logarithms: mean |gradient| instead of its logarithm, and so on."""
    return torch.cat([of[..., :LOGARITHMS].exp(), of[..., LOGARITHMS:]], dim=-1)


def distance(of: Features, reference: Photographs) -> Float[Tensor, " batch"]:
    """Mahalanobis distance of every sentence's latent to photographs, [batch].

    sqrt((m - mu)^T S^-1 (m - mu)), m the mean of the features over the sentence's channels, mu and
    S mean and covariance over sets of six crops of photographs. Sentences are judged one by one:
    extremes that are photographs on average only are far away.
    """
    mean = torch.tensor(reference.mean, dtype=of.dtype)
    covariance = torch.tensor(reference.covariance, dtype=of.dtype)
    left = of.mean(1) - mean
    return (left * torch.linalg.solve(covariance, left.mT).mT).sum(-1).clamp(min=0).sqrt()


def likeness(of: Features, reference: Photographs) -> float:
    """Likeness to photographs, 1 at their mean, 0.5 at the distance that 99 % of them keep.

    1 / (1 + (d / limit)^2), d the mean distance over the sentences.
    """
    return 1 / (1 + float(distance(of, reference).mean() / reference.distance) ** 2)


def magnitude_dependency(images: Images) -> PerImage:
    """How much large details lie beside large details: mean of four correlations, [...].

    Of log |Haar coefficient| of level 1 with its neighbour, with its parent (level 2, same
    orientation) and across orientations, and of the log gradient size with that 2 pixels away,
    which shares no pixel. 1/f noise has 0.01, photographs 0.3. Buccigrossi and Simoncelli (1999).
    """
    fine, coarse = (
        [band.abs().clamp(min=FLOOR).log() for band in bands]
        for bands in (_details(images)[:3], _details(images)[3:])
    )
    near = _mean(_shifted(band, 1) for band in fine)
    parent = _mean(
        _correlation(band, above.repeat_interleave(2, -2).repeat_interleave(2, -1))
        for band, above in zip(fine, coarse, strict=True)
    )
    orientations = _mean(_correlation(one, other) for one, other in combinations(fine, 2))
    down = images[..., 1:, :-1] - images[..., :-1, :-1]
    across = images[..., :-1, 1:] - images[..., :-1, :-1]
    size = torch.hypot(down, across).clamp(min=FLOOR).log()
    return (near + parent + orientations + _shifted(size, 2)) / 4


def coherence(images: Images, window: float = WINDOW) -> PerImage:
    """How parallel neighbouring gradients are, each by its energy, [...].

    sum sqrt((Jxx - Jyy)^2 + 4 Jxy^2) / sum (Jxx + Jyy), J the products of centred differences
    under a Gaussian window. White noise has 0.36, 1/f noise 0.42, photographs 0.7, an edge 1.
    """
    xx, yy, xy = _blurred(torch.stack(_products(images)), window)
    difference = torch.hypot(xx - yy, 2 * xy).sum((-2, -1))
    return difference / (xx + yy).sum((-2, -1)).clamp(min=FLOOR**2)


def anisotropy(latent: Latent) -> Float[Tensor, " batch"]:
    """How much all channels of a sentence share one direction of gradients, [batch].

    |mean over channels of (Jxx - Jyy, 2 Jxy) / (Jxx + Jyy)|, sums over a whole image: 0 where
    directions are diverse, 1 for streaks of a single direction.
    """
    xx, yy, xy = (
        product.sum((-2, -1))
        for product in _products(standardized(latent.double()).movedim(-1, -3))
    )
    energy = (xx + yy).clamp(min=FLOOR**2)
    return torch.hypot(((xx - yy) / energy).mean(-1), (2 * xy / energy).mean(-1))


def speckle(images: Images) -> PerImage:
    """Energy of single pixels against their surroundings, over that of the gradients, [...].

    mean (x - median of the 8 neighbours)^2 / mean squared difference of neighbours. An edge has 0,
    photographs 0.4, 1/f noise and single bright pixels on a flat ground 0.55, white noise 0.6.
    """
    height, width = images.shape[-2:]
    around = [
        images[..., i : height - 2 + i, j : width - 2 + j]
        for i in range(3)
        for j in range(3)
        if (i, j) != (1, 1)
    ]
    for i, j in SORTING:
        around[i], around[j] = (
            torch.minimum(around[i], around[j]),
            torch.maximum(around[i], around[j]),
        )
    median = (around[3] + around[4]) / 2
    single = (images[..., 1:-1, 1:-1] - median).square().mean((-2, -1))
    down, across = images.diff(dim=-2), images.diff(dim=-1)
    gradient = (down.square().mean((-2, -1)) + across.square().mean((-2, -1))) / 2
    return single / gradient.clamp(min=FLOOR**2)


def correlation_within(latent: Latent) -> Float[Tensor, " channel"]:
    """Mean |correlation| of a channel with each other one within a sentence, mean over sentences.

    Six independent fields with P(f) = f^-2 have 0.115, since 1,024 neighbours are no independent
    pixels. Signs that change by sentence do not lower it.
    """
    pixels = standardized(latent.double()).flatten(1, 2)
    size = (pixels.mT @ pixels).abs() / pixels.shape[1]
    own = torch.diagonal(size, dim1=-2, dim2=-1)
    return ((size.sum(-1) - own) / max(size.shape[-1] - 1, 1)).mean(0)


def _details(images: Images) -> list[Smaller]:
    """Haar details of two levels, finest first, of what is a multiple of 4 pixels wide."""
    height, width = (side - side % 2**HAAR_LEVELS for side in images.shape[-2:])
    latent = images[..., None, :height, :width, None]
    return [band[..., 0, :, :, 0] for band in haar_details(latent, HAAR_LEVELS)]


def _sparsity(bands: list[Smaller]) -> PerImage:
    """log(mean|c| / rms c), mean over the orientations of a level."""
    return _mean(
        band.abs().mean((-2, -1)).clamp(min=FLOOR).log()
        - band.square().mean((-2, -1)).clamp(min=FLOOR**2).log() / 2
        for band in bands
    )


def _products(images: Images) -> tuple[Smaller, Smaller, Smaller]:
    """Products of centred differences: across, down, and of both."""
    across = (images[..., 1:-1, 2:] - images[..., 1:-1, :-2]) / 2
    down = (images[..., 2:, 1:-1] - images[..., :-2, 1:-1]) / 2
    return across * across, down * down, across * down


def _blurred(images: Images, deviation: float) -> Images:
    """Gaussian blur; beyond the border lies what lies on it."""
    height, width = images.shape[-2:]
    down, across = (_gaussian(side, deviation).to(images) for side in (height, width))
    return down @ images @ across.mT


@lru_cache(maxsize=8)
def _gaussian(side: int, deviation: float) -> Float[Tensor, "side side"]:
    """Row i has the weights of all places along a side in the blurred value at place i."""
    reach = math.ceil(3 * deviation)
    offset = torch.arange(-reach, reach + 1)
    weight = torch.softmax(-0.5 * (offset.double() / deviation).square(), dim=0)
    place = (torch.arange(side)[:, None] + offset).clamp(0, side - 1)
    empty = torch.zeros(side, side, dtype=torch.float64)
    return empty.scatter_add(1, place, weight.expand_as(place))


def _shifted(values: Images, by: int) -> PerImage:
    """Correlation of values with those so many places down and across, mean of both."""
    down = _correlation(values[..., by:, :], values[..., :-by, :])
    return (down + _correlation(values[..., by:], values[..., :-by])) / 2


def _correlation(one: Images, other: Images) -> PerImage:
    """Pearson correlation over the pixels; 0 where one of both is constant."""
    one = one - one.mean((-2, -1), keepdim=True)
    other = other - other.mean((-2, -1), keepdim=True)
    scale = one.square().sum((-2, -1)) * other.square().sum((-2, -1))
    return (one * other).sum((-2, -1)) / scale.sqrt().clamp(min=1e-12)


def _mean(values: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean(0)
