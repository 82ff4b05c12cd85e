"""What is summed over latents, so that they are read once and statistics still have intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from vlatent.annotations import Float
from vlatent.evaluation import likeness, unevenness
from vlatent.evaluation.likeness import FEATURES, RANGES, Features
from vlatent.evaluation.measure import in_band
from vlatent.evaluation.photographs import Photographs
from vlatent.intervals import interval
from vlatent.priors import Contours, Decorrelation, Kurtosis, TotalVariation, Variance, Wavelet
from vlatent.priors.base import STANDARD_DEVIATION_FLOOR, standardized
from vlatent.priors.decorrelation import modes
from vlatent.priors.wavelet import haar_details
from vlatent.shapes import HEIGHT, WIDTH, Latents
from vlatent.spectra import (
    all_frequency_slope,
    checkerboard,
    power_spectrum,
    radial_fit,
    radial_power,
    residual,
    whittle_slope,
)
from vlatent.statistics import Statistic

GROUPS = 20  # for intervals; fewer than 40 latents are groups of their own
SET = 6  # channels that are compared with six crops of photographs
WAVELET = Wavelet()


class Sums:
    """Sums over consecutive groups of so many items."""

    def __init__(self, items: int) -> None:
        self.items = items
        self.groups = items if items < 2 * GROUPS else GROUPS
        self.counts = torch.zeros(self.groups, dtype=torch.float64)
        self.sums: dict[str, Tensor] = {}
        self.seen = 0

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add the values of the next items, [item, ...] each."""
        count = len(next(iter(values.values())))
        group = torch.arange(self.seen, self.seen + count) * self.groups // self.items
        self.counts.index_add_(0, group, torch.ones(count, dtype=torch.float64))
        for name, value in values.items():
            empty = torch.zeros(self.groups, *value.shape[1:], dtype=torch.float64)
            self.sums.setdefault(name, empty).index_add_(0, group, value.double())
        self.seen += count

    def means(self) -> dict[str, Tensor]:
        """Row 0 is the mean over all, row 1 + g that over all but group g."""
        left_out = self.groups > 1
        found = {}
        for name, sums in self.sums.items():
            counts = self.counts.reshape(-1, *[1] * (sums.ndim - 1))
            rows = [(sums.sum(0) / counts.sum(0))[None]]
            if left_out:
                rows.append((sums.sum(0) - sums) / (counts.sum(0) - counts))
            found[name] = torch.cat(rows)
        return found

    def interval(self, values: Tensor, statistic: Statistic) -> tuple[float, float, float]:
        """Value and 95 % interval of a statistic with one number a row of `means`.

        Student's t on the pseudo-values h x - (h - 1) x_g, where x is the statistic of all, x_g of
        all but group g, and 1 / h that group's share (Tukey 1958; Busing et al. 1999); for a mean
        over latents these are the means of the groups. Groups are consecutive, so frames of a video
        or crops of a photograph that follow each other do not make an interval too narrow.
        """
        value = float(values[0])
        share = self.items / self.counts[: len(values) - 1]
        pseudo = share * value - (share - 1) * values[1:]
        around = (pseudo - pseudo.mean() + value).tolist() if len(pseudo) else [value]
        return value, *interval(around, statistic.possible)[1:]


def of_size(chunks: Iterable[Latents], size: int) -> Iterator[Latents]:
    """The latents in chunks of exactly this size, but for the last one."""
    rest: list[Latents] = []
    for chunk in chunks:
        latents = torch.cat([*rest, chunk])
        whole = len(latents) // size * size
        yield from latents[:whole].split(size) if whole else ()
        rest = [latents[whole:]] if whole < len(latents) else []
    yield from rest


def sets_of(planes: Float[Tensor, "latent channel *rest"]) -> Float[Tensor, "set 6 *rest"]:
    """Sets of six channels: those of a latent that has six, or each of another latent."""
    count, channels = planes.shape[:2]
    if channels == SET:
        return planes
    place = torch.arange(SET)
    blocks = planes[: count // SET * SET].unflatten(0, (-1, SET))
    sets = [blocks[:, place, (place + first) % channels] for first in range(channels)]
    return torch.stack(sets, 1).flatten(0, 1)


def of_images(latent: Latents, of: Features) -> dict[str, Tensor]:
    """What is summed over latents, [latent, channel, ...] each."""
    each = latent[:, None]  # every latent is a batch of its own
    height, width = latent.shape[1:3]
    power = power_spectrum(latent)
    alpha, left = whittle_slope(power), residual(power)
    stripes = checkerboard(power[:, None])
    centred = (latent - latent.mean((1, 2), keepdim=True)).flatten(1, 2)
    values = {
        "power": power,
        "moments": centred.mT @ centred / (height * width),
        "radial": radial_power(each),
        "alpha": alpha,
        "alpha_squared": alpha.square(),
        "expected_in_band": in_band(alpha, left),
        "kurtosis": Kurtosis().of_each(latent),
        "total_variation": TotalVariation().statistic(each),
        "total_variation_normalized": TotalVariation().normalized(each),
        "variance": Variance().statistic(each),
        "contours": Contours().statistic(each),
        "checkerboard_largest": stripes.largest,
        "checkerboard_mean": stripes.mean,
        "correlation_within": Decorrelation().statistic(each),
    }
    natural = likeness.natural(of)
    values |= {name: natural[..., FEATURES.index(name)] for name in RANGES}
    if has_wavelets(height, width):
        bands = haar_details(standardized(latent), WAVELET.levels)
        size = [band.abs().mean((HEIGHT, WIDTH)) for band in bands]
        squared = [band.square().mean((HEIGHT, WIDTH)) for band in bands]
        values |= {"wavelet_size": torch.stack(size, -1), "wavelet_power": torch.stack(squared, -1)}
    return values


def of_sets(planes: Latents, of: Features, reference: Photographs | None) -> dict[str, Tensor]:
    """What is summed over sets of six channels, [set] each."""
    values = {
        "anisotropy": likeness.anisotropy(planes),
        "seams": unevenness.seams(planes),
        "weaker_half": unevenness.weaker_half(of),
    }
    if reference is not None:
        away = likeness.distance(of, reference)
        values |= {"distance": away, "share_alike": away <= reference.distance}
    return values


def has_wavelets(height: int, width: int) -> bool:
    return not (height % 2**WAVELET.levels or width % 2**WAVELET.levels)


def estimates(means: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Statistics that are no means over latents, by name, [row, channel] or [row] each."""
    moments = means["moments"]
    deviation = torch.diagonal(moments, dim1=-2, dim2=-1).sqrt().clamp(min=STANDARD_DEVIATION_FLOOR)
    correlation = moments / (deviation[:, :, None] * deviation[:, None, :])
    others = correlation.shape[-1] - 1
    found = {
        "spectrum": whittle_slope(means["power"]),
        "residual": residual(means["power"]),
        "alpha_all_frequencies": all_frequency_slope(means["power"]),
        "alpha_radial": radial_fit(means["radial"]),
        "alpha_deviation": (means["alpha_squared"] - means["alpha"].square()).clamp(min=0).sqrt(),
        "expected_in_band": means["expected_in_band"].sum(-1),
        "correlation_matrix": correlation,
    }
    if others:
        off = correlation - torch.diag_embed(torch.diagonal(correlation, dim1=-2, dim2=-1))
        squared = off.square().sum((-2, -1)) / (others * (others + 1))
        found |= {"decorrelation": off.abs().sum(-1) / others, "modes": modes(squared, others + 1)}
    if "wavelet_size" in means:
        size = means["wavelet_size"].clamp(min=STANDARD_DEVIATION_FLOOR)
        power = means["wavelet_power"].clamp(min=STANDARD_DEVIATION_FLOOR**2)
        found["wavelet"] = (size.log() - power.log() / 2).mean(-1).exp()
    return found
