"""Evidence for the targets of the priors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.natural_images.evidence import (
    CENTRAL,
    Evidence,
    field_of,
    holds,
    medians,
    percent,
    percents,
    photographs_of,
    span,
)
from analysis.natural_images.table import ALPHAS, CHANNELS, ImageKind
from vlatent.intervals import proportion
from vlatent.priors import Decorrelation, Kurtosis, Wavelet
from vlatent.priors.wavelet import generalized_gaussian_ratio, generalized_gaussian_shape

ONE_EDGE, CORRELATION = 64.0, Decorrelation.accepted[1]
GAUSSIAN = Kurtosis.accepted[0]


def targets(cells: Sequence[ImageKind]) -> list[Evidence]:
    """The numbers of `vlatent/priors`, and what all criteria together say of photographs."""
    return [
        _one_edge(cells),
        _no_variation(cells),
        _wavelet(cells),
        _gaussian_kurtosis(cells),
        _kurtosis_target(cells),
        _kurtosis_ceiling(cells),
        _correlation(cells),
        _variance(cells),
        _all_criteria(cells),
    ]


def _one_edge(cells: Sequence[ImageKind]) -> Evidence:
    name = "total_variation_normalized"
    edges = next(cell for cell in cells if cell.name == "half-plane edges").values[name]
    low = min(float(np.quantile(cell.values[name], 0.01)) for cell in photographs_of(cells))
    return Evidence(
        "total variation, criterion",
        "priors/total_variation.py",
        f"{ONE_EDGE:g} is the flattest image of one edge, below every photograph",
        f"edges {span(edges, 0)} by direction, upright flattest; 99 % of crops above {low:.0f} "
        "at every scale",
        holds(abs(float(edges.min()) - ONE_EDGE) < 0.5 and low > ONE_EDGE),
    )


def _no_variation(cells: Sequence[ImageKind]) -> Evidence:
    medians_of = medians(cells, "total_variation_normalized")
    field = float(field_of(cells, 2).values["total_variation_normalized"].mean())
    return Evidence(
        "total variation, no target",
        "priors/total_variation.py",
        "photographs differ too much for one target",
        f"medians {span(medians_of, 0)} by photograph and scale, a factor "
        f"{medians_of.max() / medians_of.min():.1f} (field of alpha 2: {field:.0f})",
        holds(float(medians_of.max() / medians_of.min()) > 2),
    )


def _wavelet(cells: Sequence[ImageKind]) -> Evidence:
    prior = Wavelet()
    wanted = generalized_gaussian_ratio(prior.shape)
    shown = photographs_of(cells)
    ends = [np.quantile(cell.values["wavelet"], CENTRAL) for cell in shown]
    single = [float(np.median(cell.values["wavelet"])) for cell in shown]
    pooled = [float(cell.pooled["wavelet"].mean()) for cell in shown]
    shapes = np.array([generalized_gaussian_shape(ratio) for ratio in (*single, *pooled)])
    half = len(shown)
    return Evidence(
        "Wavelet.shape",
        "priors/wavelet.py",
        f"photographs have shape {prior.shape:g}, a mean|c| / rms c of {wanted:.3f}",
        f"ratio {span(np.array(single), 3)} (shape {span(shapes[:half], 2)}) in the median "
        f"crop by scale, {span(np.array(pooled), 3)} (shape {span(shapes[half:], 2)}) over "
        f"all crops together; Gaussian field {field_of(cells, 2).pooled['wavelet'].mean():.3f}",
        holds(all(low <= wanted <= high for low, high in ends)),
    )


def _gaussian_kurtosis(cells: Sequence[ImageKind]) -> Evidence:
    gaussian = [field_of(cells, alpha).values["kurtosis"] for alpha in ALPHAS]
    above = [float((values > GAUSSIAN).mean()) for values in gaussian]
    every = float(np.mean(above)) ** CHANNELS
    tail = float((np.concatenate(gaussian) > 3.5).mean())
    pooled = np.concatenate([field_of(cells, a).pooled["kurtosis"] for a in ALPHAS])
    shown = np.concatenate([cell.pooled["kurtosis"] for cell in photographs_of(cells)])
    return Evidence(
        "kurtosis, criterion",
        "priors/kurtosis.py",
        f"above {GAUSSIAN:g} tells photographs from Gaussian fields",
        f"photographs {span(shown, 1)} as a latent, Gaussian fields {span(pooled, 2)}; a "
        f"single Gaussian crop exceeds {GAUSSIAN:g} in {percents(above)} of cases, all six "
        f"channels in {percent(every, 1)}; 3.5 in {percent(tail, 1)}",
        holds(shown.min() > GAUSSIAN and every < 0.05),
    )


def _kurtosis_target(cells: Sequence[ImageKind]) -> Evidence:
    wanted = Kurtosis().target
    shown = photographs_of(cells)
    middle = np.array([np.median(cell.values["kurtosis"]) for cell in shown])
    above = [float((cell.values["kurtosis"] >= wanted).mean()) for cell in shown]
    consistent = [
        proportion(int((cell.values["kurtosis"] >= wanted).sum()), cell.count)[1] >= 0.5
        for cell in shown
    ]
    return Evidence(
        "Kurtosis.target",
        "priors/kurtosis.py",
        f"most crops of photographs have gradients of kurtosis {wanted:g} or more",
        f"{percents(above)} have, by scale; medians {span(middle, 1)} by scale, "
        f"{span(medians(cells, 'kurtosis'), 1)} by photograph and scale",
        holds(all(consistent)),
    )


def _kurtosis_ceiling(cells: Sequence[ImageKind]) -> Evidence:
    ceiling = Kurtosis().ceiling
    shown = photographs_of(cells)
    above = [float((cell.values["kurtosis"] > ceiling).mean()) for cell in shown]
    highest = [float(np.quantile(cell.values["kurtosis"], CENTRAL[1])) for cell in shown]
    edges = next(cell for cell in cells if cell.name == "half-plane edges").values["kurtosis"]
    return Evidence(
        "Kurtosis.ceiling",
        "priors/kurtosis.py",
        f"nine of ten crops of photographs stay below {ceiling:g}",
        f"{percents(above)} exceed it, by scale; nine of ten stay below "
        f"{max(highest):.0f} at every scale (median half-plane edge {np.median(edges):.0f})",
        holds(max(above) <= 1 - CENTRAL[1]),
    )


def _correlation(cells: Sequence[ImageKind]) -> Evidence:
    independent = [
        *(cell for cell in cells if cell.kind == "field"),
        *photographs_of(cells),
    ]
    pooled = np.array([cell.pooled["decorrelation"].mean() for cell in independent])
    deviation = float(np.sqrt(np.square(field_of(cells, 2).values["decorrelation"]).mean()))
    colors = np.array(
        [cell.origin.colors for cell in photographs_of(cells) if cell.origin is not None]
    )
    colors = colors[np.isfinite(colors)]
    rgb = (
        f"; red, green and blue {span(colors, 2)}: no photograph asks for it" if len(colors) else ""
    )
    sentences = independent[0].count // CHANNELS
    return Evidence(
        "correlation, criterion",
        "priors/decorrelation.py",
        f"channels without relation stay below {CORRELATION:g}",
        f"independent images {span(pooled, 3)} over {sentences} sentences, of one sentence sd "
        f"{deviation:.3f} at alpha 2{rgb}",
        holds(float(pooled.max()) < CORRELATION),
    )


def _variance(cells: Sequence[ImageKind]) -> Evidence:
    shown = photographs_of(cells)
    near = [float((np.abs(np.log2(cell.values["variance"])) <= 1).mean()) for cell in shown]
    return Evidence(
        "Variance.target",
        "priors/variance.py",
        "1, within a factor 2",
        f"a image has no unit; {percents(near)} of crops lie within a factor 2 "
        "of their mean, by scale: equal variances are a demand, no property",
        "a convention",
    )


def _all_criteria(cells: Sequence[ImageKind]) -> Evidence:
    shown = photographs_of(cells)
    others = [cell for cell in cells if cell.kind in ("field", "reference", "planted")]
    passed = [cell.name for cell in shown if cell.verdict.passed]
    wrong = [cell.name for cell in others if cell.verdict.passed]
    failed = sorted({name for cell in shown for name in cell.violated})
    return Evidence(
        "all criteria together",
        "evaluation/criteria.py",
        "a latent made of photographs passes, one of anything else fails",
        f"photographs pass at {len(passed)} of {len(shown)} scales"
        + (f" (violated: {', '.join(failed)})" if failed else "")
        + f"; {len(wrong)} of {len(others)} synthetic kinds pass"
        + (f" ({', '.join(wrong)})" if wrong else ""),
        holds(len(passed) == len(shown) and not wrong),
    )
