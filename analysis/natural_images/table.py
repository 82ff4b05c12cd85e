"""Statistics of photographs and synthetic images, one entry a kind of image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from rich.progress import Progress
from torch import Generator

from analysis.natural_images import fields, periodogram
from analysis.natural_images.photographs import SCALES, TONES, Crops, Photograph, crops
from vlatent.evaluation import Verdict, judge
from vlatent.evaluation import measure as measured_as_latent
from vlatent.priors import Decorrelation, Kurtosis, Priors, TotalVariation, Wavelet
from vlatent.priors.decorrelation import correlation_matrix
from vlatent.spectra import (
    all_frequency_slope,
    checkerboard,
    mean_power,
    power_spectrum,
    radial_slope,
    residual,
    whittle_slope,
)

Numbers = Float[NDArray[np.float64], " number"]

SIZE = (32, 32)  # of the latent that the documented encoder produces
CHANNELS = 6
ALPHAS = (0.0, 1.0, 1.5, 2.0, 2.5, 3.0)
UPSAMPLED = (2, 4)  # factors
BLURRED = (0.8, 1.0, 1.5)  # standard deviations in pixels
# Along which axes of a image a pattern alternates, and which are planted: slope, height, pattern.
PATTERNS = {"checkerboard": (1, 2), "stripes": (2,)}
PLANTED = (
    (2.0, 0.1, "checkerboard"),
    (2.0, 0.2, "checkerboard"),
    (2.0, 0.1, "stripes"),
    (1.5, 0.1, "checkerboard"),
)

# Estimators of the slope, by the name of their statistic.
ESTIMATORS = {
    "spectrum": "Whittle, DCT-II (of record)",
    "alpha_all_frequencies": "all frequencies, DCT-II",
    "alpha_radial": "radial",
    "alpha_periodogram_whittle": "Whittle, periodogram",
    "alpha_periodogram": "all frequencies, periodogram",
    "alpha_hann": "radial, Hann window",
}


@dataclass(frozen=True, eq=False)
class Origin:
    """Origin of crops of photographs.

    Attributes:
        scale: Pixels of the photograph along a side that became one.
        tone: Of the photograph.
        sources: Name of every crop's photograph.
        alpha: Slope of record of the mean spectrum of every photograph's crops.
        flat: Share of the crops that were left out, since they have no contrast.
        disjoint: How many crops would fit beside each other: more overlap.
        colors: Mean |correlation| of red, green and blue; NaN where there are none.
    """

    scale: int
    tone: str
    sources: NDArray[np.str_]
    alpha: Mapping[str, float]
    flat: float
    disjoint: int
    colors: float


@dataclass(frozen=True, eq=False)
class ImageKind:
    """Images of one kind, measured one by one and as if an encoder had produced them.

    Attributes:
        kind: `field`, `reference`, `planted` or `photograph`.
        name: What they are.
        alpha: Slope of the field; NaN where it has none.
        values: A number for every image by statistic; of `decorrelation` the correlation of
            two images, a number for every pair.
        pooled: By statistic a number for every channel of a latent made of all images.
        verdict: On that latent, had the run ended with it three times over.
        origin: Of crops of photographs.
    """

    kind: str
    name: str
    alpha: float
    values: Mapping[str, Numbers]
    pooled: Mapping[str, Numbers]
    verdict: Verdict
    origin: Origin | None = None

    @property
    def count(self) -> int:
        return len(self.values["spectrum"])

    @property
    def violated(self) -> list[str]:
        """Names of the criteria that the images would not pass as a latent."""
        return [criterion.name for criterion in self.verdict.criteria if not criterion.holds]


@torch.no_grad()
def measure(images: fields.Images) -> dict[str, Numbers]:
    """Every statistic of every image by itself; variance is relative to the mean over images.

    The names are those of `Evaluation.channels`; `decorrelation` is the correlation of neighbours
    in the list, one for two images.
    """
    single = images[:, None]  # batches of one image
    power = power_spectrum(images)
    stripes = checkerboard(power[:, None])
    half = len(images) // 2
    pairs = torch.cat([single[:half], single[half : 2 * half]], -1)
    variance = images.var((1, 2), correction=0)
    statistics = {
        "spectrum": whittle_slope(power),
        "alpha_all_frequencies": all_frequency_slope(power),
        "alpha_radial": radial_slope(single),
        "alpha_periodogram_whittle": periodogram.whittle(images),
        "alpha_periodogram": periodogram.least_squares(images),
        "alpha_hann": periodogram.hann(images),
        "residual": residual(power),
        "total_variation_normalized": TotalVariation().normalized(single),
        "wavelet": Wavelet().statistic(single),
        "kurtosis": Kurtosis().statistic(single),
        "decorrelation": correlation_matrix(pairs)[:, 0, 1],
        "variance": variance / variance.mean(),
        "checkerboard_largest": stripes.largest,
        "checkerboard_mean": stripes.mean,
    }
    return {name: value.flatten().double().numpy() for name, value in statistics.items()}


def as_latent(images: fields.Images) -> tuple[dict[str, Numbers], Verdict]:
    """Channels and verdict of an evaluation, had an encoder produced these images.

    The images become the channels of len // 6 sentences, scaled together so that their mean
    variance is 1; the run ends with the same images three evaluations in a row.
    """
    latent = torch.stack(images[: len(images) // CHANNELS * CHANNELS, ..., 0].chunk(CHANNELS))
    latent = latent.movedim(0, -1)
    latent = latent - latent.mean((1, 2), keepdim=True)
    evaluation = measured_as_latent(0, latent / latent.square().mean().sqrt(), Priors())
    history = [type(evaluation)(step, evaluation.metrics, evaluation.channels) for step in range(3)]
    return (
        {name: np.array(values) for name, values in evaluation.channels.items()},
        judge(history, 2, Priors()),
    )


def synthetic(patches: int, seed: int = 0, progress: Progress | None = None) -> list[ImageKind]:
    """Fields of known slope, references and planted patterns, `patches` images of each."""
    total = len(ALPHAS) + 1 + len(UPSAMPLED) + len(BLURRED) + len(PLANTED)
    bar = None if progress is None else progress.add_task("synthetic images", total=total)
    cells = []
    for kind, name, alpha, images in _synthetic(patches, Generator().manual_seed(seed)):
        channels, verdict = as_latent(images)
        cells.append(ImageKind(kind, name, alpha, measure(images), channels, verdict))
        if progress is not None and bar is not None:
            progress.advance(bar)
    return cells


def natural(
    photographs: list[Photograph], patches: int, seed: int = 0, progress: Progress | None = None
) -> list[ImageKind]:
    """About `patches` crops of the photographs at every scale, the same ones in every tone.

    Raises:
        UserError: The photographs are too small or have no contrast.
    """
    total = len(SCALES) * len(TONES)
    bar = None if progress is None else progress.add_task("photographs", total=total)
    cells = []
    for scale in SCALES:
        taken = crops(photographs, scale, patches, *SIZE, seed)
        for tone, images in taken.tones.items():
            channels, verdict = as_latent(images)
            cell = ImageKind(
                "photograph",
                f"photographs 1/{scale}",
                np.nan,
                measure(images),
                channels,
                verdict,
                _origin(taken, tone),
            )
            cells.append(cell)
            if progress is not None and bar is not None:
                progress.advance(bar)
    return cells


def _origin(taken: Crops, tone: str) -> Origin:
    alpha = {
        str(name): float(
            whittle_slope(mean_power(taken.tones[tone][torch.from_numpy(taken.sources == name)]))
        )
        for name in np.unique(taken.sources)
    }
    colors = float(Decorrelation().statistic(taken.colors).mean()) if len(taken.colors) else np.nan
    return Origin(taken.scale, tone, taken.sources, alpha, taken.flat, taken.disjoint, colors)


def _synthetic(
    patches: int, generator: Generator
) -> Iterator[tuple[str, str, float, fields.Images]]:
    """Kind, name, slope and images of every synthetic cell; patterns stand on the same fields."""
    clean = {}
    for alpha in ALPHAS:
        clean[alpha] = fields.power_law(alpha, patches, *SIZE, generator)
        yield "field", f"alpha = {alpha:g}", alpha, clean[alpha]
    yield "reference", "half-plane edges", np.nan, fields.half_plane_edges(patches, *SIZE)
    for factor in UPSAMPLED:
        noise = fields.upsampled_noise(factor, patches, *SIZE, generator)
        yield "reference", f"noise upsampled by {factor}", np.nan, noise
    for deviation in BLURRED:
        noise = fields.blurred_noise(deviation, patches, *SIZE, generator)
        yield "reference", f"noise blurred by {deviation:g}", np.nan, noise
    for alpha, share, pattern in PLANTED:
        name = f"{pattern} of {100 * share:.0f} % on alpha = {alpha:g}"
        yield "planted", name, alpha, fields.planted(clean[alpha], share, PATTERNS[pattern])
