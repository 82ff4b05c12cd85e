"""Statistics of anybody's latents with intervals, beside what photographs have.

Latents are read once, chunk by chunk: what is kept are sums over consecutive groups of latents, and
intervals come from leaving out one group after the other (the jackknife).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vlatent.evaluation import likeness
from vlatent.evaluation.latent_sums import (
    SET,
    WAVELET,
    Sums,
    estimates,
    has_wavelets,
    of_images,
    of_sets,
    of_size,
    sets_of,
)
from vlatent.evaluation.measure import in_band
from vlatent.evaluation.photographs import SIZES, Photographs, photographs
from vlatent.intervals import bracket
from vlatent.priors.wavelet import generalized_gaussian_ratio
from vlatent.shapes import Latents
from vlatent.spectra import residual, whittle_slope
from vlatent.statistics import ANY, LIKE_PHOTOGRAPHS, MOSTLY, STATISTICS, Limits, Statistic
from vlatent.tables import as_html

VALUES = 2**19  # numbers in a chunk: what is made of them still fits into a cache
FLAT = 1e-12  # variance of a channel that shows nothing

# What crops of photographs have at 32 x 32 (`python -m analysis.natural_images`), by the docstring
# of the prior: kurtosis from medians to nine tenths, shapes of wavelet coefficients, coherence.
AT_32: Mapping[str, Limits] = {
    "kurtosis": (3.9, 31.0),
    "wavelet": (generalized_gaussian_ratio(0.6), generalized_gaussian_ratio(1.1)),
    "contours": (0.45, 0.80),
}

MODES = Statistic(
    "modes", "independent channels", form=".2f", possible=(1.0, math.inf), counts="channels"
)
SHOWN = (
    *("likeness", "share_alike", "spectrum", "residual", "expected_in_band", "alpha_deviation"),
    *("alpha_radial", "alpha_all_frequencies", "gradient_size", "total_variation_normalized"),
    *("total_variation", "wavelet", "wavelet_finest", "kurtosis", "magnitude_dependency"),
    *("weaker_half", "coherence", "contours", "anisotropy", "speckle", "seams"),
    *("checkerboard_largest", "checkerboard_mean", "correlation_within", "decorrelation"),
    *("modes", "variance"),
)


@dataclass(frozen=True)
class Row:
    """One statistic of all latents.

    Attributes:
        statistic: Its name, label and format.
        value: Over all latents, mean over channels.
        low: Lower end of the 95 % interval; infinite where a single latent leaves it open.
        high: Upper end.
        channels: Value of every channel, where it has one for each.
        photographs: Lowest and highest value of photographs, where it is known.
    """

    statistic: Statistic
    value: float
    low: float
    high: float
    channels: list[float]
    photographs: Limits | None

    @property
    def measured(self) -> str:
        """Value and interval in words."""
        if not math.isfinite(self.high - self.low):
            return f"{self.value:{self.statistic.form}}".replace("%", " %")
        return bracket(self.value, self.low, self.high, self.statistic.form)

    @property
    def wanted(self) -> str:
        """What photographs have, in words."""
        low, high = self.photographs or ANY
        below, above = (f"{end:{self.statistic.form}}".replace("%", " %") for end in (low, high))
        if math.isinf(low):
            return "" if math.isinf(high) else f"at most {above}"
        return f"at least {below}" if math.isinf(high) else f"{below} to {above}"

    @property
    def inside(self) -> bool | None:
        """Whether the value is one that photographs have; None where theirs is not known."""
        if self.photographs is None:
            return None
        return self.photographs[0] <= self.value <= self.photographs[1]


@dataclass(frozen=True)
class LatentStatistics:
    """Every statistic of the latents.

    Attributes:
        shape: Number of latents, height, width and channels.
        rows: The statistics in the order in which they are shown.
        power: Mean power spectrum, [channel, height, width].
        correlation: Correlation between channels, pooled, [channel, channel].
        shown: A few latents, from the first to the last.
        flat: Channels that are constant in every latent.
        notes: What was not measured, and why.
    """

    shape: tuple[int, int, int, int]
    rows: list[Row]
    power: Tensor
    correlation: Tensor
    shown: Latents
    flat: list[int]
    notes: list[str]

    @property
    def channels_in_band(self) -> int:
        """Channels whose mean spectrum falls as in photographs."""
        return int(in_band(whittle_slope(self.power), residual(self.power)).sum())

    def _repr_html_(self) -> str:
        """The same as a table, for notebooks."""
        places = {True: "inside", False: "outside", None: ""}
        rows = [
            (row.statistic.label, row.measured, row.wanted, places[row.inside]) for row in self.rows
        ]
        count, height, width, channels = self.shape
        return as_html(
            f"{count:,} latents of {height} x {width} x {channels}",
            ("statistic", "value [95 % interval]", "photographs", ""),
            rows,
        )


def chunk_size(height: int, width: int, channels: int) -> int:
    """Latents in a chunk: a multiple of six."""
    return max(VALUES // (height * width * channels) // SET, 1) * SET


@torch.no_grad()
def latent_statistics(
    chunks: Iterable[Latents], shape: tuple[int, int, int, int]
) -> LatentStatistics:
    """Measure every statistic of latents that come in chunks of any number.

    Latents of six channels are compared with photographs as they are. Of others the channels of six
    consecutive latents make a set of six, each from another latent, as the crops of a set come from
    different photographs.

    Args:
        chunks: Finite latents, [batch, height, width, channel] each, of any number.
        shape: Number of all latents, height, width and channels.
    """
    count, height, width, channels = shape
    images = Sums(count)
    total = count if channels == SET else count // SET * channels
    sets = Sums(total)
    known = height == width and height in SIZES
    reference = photographs(height, width) if known else None
    wanted = torch.linspace(0, count - 1, min(count, 4)).round().long()
    shown = []
    for latent in of_size(chunks, chunk_size(height, width, channels)):
        here = wanted[(wanted >= images.seen) & (wanted < images.seen + len(latent))]
        shown.append(latent[here - images.seen].float())
        of = likeness.features(latent)
        images.add(of_images(latent, of))
        planes = sets_of(latent.movedim(-1, 1))
        if len(planes):
            sets.add(of_sets(planes.movedim(1, -1), sets_of(of), reference))
    return _result(shape, images, sets, reference, torch.cat(shown))


def _result(
    shape: tuple[int, int, int, int],
    images: Sums,
    sets: Sums,
    reference: Photographs | None,
    shown: Latents,
) -> LatentStatistics:
    _, height, width, channels = shape
    means = images.means()
    values = {**means, **estimates(means)}
    sets_found = sets.means() if sets.seen else {}
    if reference is not None and sets_found:
        away = sets_found["distance"] / reference.distance
        sets_found["likeness"] = 1 / (1 + away.square())
    limits = _of_photographs(height, width, reference)
    rows = []
    for name in SHOWN:
        sums, found = (sets, sets_found) if name in sets_found else (images, values)
        if name not in found or (channels == 1 and name == "correlation_within"):
            continue
        each = found[name]
        statistic = STATISTICS.get(f"statistic/{name}") or STATISTICS.get(name) or MODES
        statistic = replace(
            statistic,
            label=statistic.label.replace("sentence", "latent"),
            possible=statistic.limits(channels, 0),
        )
        ends = sums.interval(each if each.ndim == 1 else each.mean(-1), statistic)
        by_channel = each[0].tolist() if each.ndim == 2 else []
        rows.append(Row(statistic, *ends, by_channel, limits.get(name)))
    flat = (means["variance"][0] <= FLAT).nonzero().flatten().tolist()
    power, correlation = means["power"][0], values["correlation_matrix"][0]
    return LatentStatistics(shape, rows, power, correlation, shown, flat, _notes(shape))


def _of_photographs(height: int, width: int, reference: Photographs | None) -> dict[str, Limits]:
    """What photographs have: lowest and highest value of each statistic that was measured."""
    names = ("spectrum", "residual", "checkerboard_largest", "checkerboard_mean")
    limits = {name: STATISTICS[f"statistic/{name}"].accepted for name in names}
    if reference is None:
        return limits
    low, high = reference.ranges["gradient_size"]
    pairs = likeness.pairs(height, width)
    return {
        **limits,
        **reference.ranges,
        "likeness": LIKE_PHOTOGRAPHS,
        "share_alike": MOSTLY,
        "total_variation_normalized": (low * pairs, high * pairs),
        "weaker_half": (reference.weaker_half, math.inf),
        **{
            name: (-math.inf, getattr(reference, name))
            for name in ("anisotropy", "seams", "alpha_deviation", "correlation_within")
        },
        **(AT_32 if height == 32 else {}),
    }


def _notes(shape: tuple[int, int, int, int]) -> list[str]:
    """What cannot be measured of latents of this shape."""
    count, height, width, channels = shape
    notes = []
    if height != width or height not in SIZES:
        sides = ", ".join(f"{side} x {side}" for side in SIZES)
        notes.append(
            f"Photographs were measured at {sides}, not at {height} x {width}: there is no "
            "likeness to them, and only what does not depend on the size stands beside them."
        )
    if channels != SET and count < SET:
        notes.append(
            f"{count} latents of {channels} channels are too few for a set of six channels of "
            "different latents, which is what is compared with six photographs."
        )
    if not has_wavelets(height, width):
        notes.append(
            f"The wavelet ratio needs sides that are multiples of {2**WAVELET.levels}, and has "
            f"none at {height} x {width}."
        )
    if count == 1:
        notes.append("A single latent says nothing about the spread: there are no intervals.")
    return notes
