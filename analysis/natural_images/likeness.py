"""Measure what photographs have: the reference of `vlatent/evaluation/photographs.py`.

Half of the photographs gives the limits, the other half is judged by them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from jsonargparse.typing import NonNegativeInt, PositiveInt
from rich.table import Table
from torch import Tensor

from analysis import files
from analysis.natural_images.photographs import Photograph, scenes
from analysis.natural_images.sets import Views, halves, sets_of_crops, views
from vlatent.command_line import Parser, run
from vlatent.console import console, progress_display
from vlatent.evaluation.likeness import (
    FEATURES,
    RANGES,
    anisotropy,
    correlation_within,
    distance,
    features,
    natural,
)
from vlatent.evaluation.photographs import REFERENCE, SIZES, Photographs
from vlatent.evaluation.unevenness import seams, weaker_half
from vlatent.spectra import power_spectrum, whittle_slope

SHARE = 0.99  # of the sets of crops lie within the limits
SENTENCES = 64  # of a latent, in which slopes and correlations vary
LATENTS = 50  # of them, at each scale


def main(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog="python -m analysis.natural_images.likeness",
        description="What do photographs have? Measures, on six crops at a time, the features by "
        f"which latents are compared with photographs, and writes {REFERENCE}. One half of the "
        "photographs gives the limits, the other is judged by them.",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/natural_images"), help=f"Folder for {REFERENCE}."
    )
    parser.add_argument("--sets", type=PositiveInt, default=4000, help="Sets of six crops.")
    parser.add_argument("--seed", type=NonNegativeInt, default=0, help="Of the crops.")
    given = parser.checked(arguments)
    limiting, judged = halves(scenes())
    sizes: dict[str, Photographs] = {}
    table = Table("size", "feature, mean of six crops", "mean", "deviation", "within limits")
    with progress_display() as progress:
        for size in progress.track(SIZES, description="Measuring crops"):
            generator = np.random.default_rng([given["seed"], size])
            sizes[str(size)] = measured(views(limiting, size, size), given["sets"], size, generator)
            _add_rows(table, sizes[str(size)], judged, given["sets"] // 4, size, generator)
    record = {
        "measured_by": "python -m analysis.natural_images.likeness",
        "sets": given["sets"],
        "limits_from": [photograph.name for photograph in limiting],
        "judged": [photograph.name for photograph in judged],
        "features": FEATURES,
        "sizes": {size: asdict(reference) for size, reference in sizes.items()},
    }
    files.write(given["out"], {REFERENCE: json.dumps(record, indent=1) + "\n"}, {})
    console.print(table)
    console.print(f"Written to {given['out'] / REFERENCE}.")
    return 0


def measured(
    seen: list[Views], count: int, size: int, generator: np.random.Generator
) -> Photographs:
    """Mean, covariance and limits of the features over so many sets of crops."""
    latents = sets_of_crops(seen, count, size, size, generator)
    of = features(latents)
    mean = of.mean(1)
    reference = Photographs(
        mean=_rounded(mean.mean(0)),
        covariance=tuple(_rounded(row) for row in torch.cov(mean.T)),
        ranges={},
        distance=0.0,
        anisotropy=_quantile(anisotropy(latents), SHARE),
        seams=_quantile(seams(latents), SHARE),
        weaker_half=_quantile(weaker_half(of), 1 - SHARE),
        **_of_latents(seen, size, generator),
    )
    ends = ((1 - SHARE) / 2, (1 + SHARE) / 2)
    by_name = natural(of).mean(1)
    ranges = {
        name: tuple(_quantile(by_name[:, FEATURES.index(name)], end) for end in ends)
        for name in RANGES
    }
    within = _quantile(distance(of, reference), SHARE)
    return Photographs(**(asdict(reference) | {"ranges": ranges, "distance": within}))


def _of_latents(seen: list[Views], size: int, generator: np.random.Generator) -> dict[str, float]:
    """What latents of many sets of crops have at the scale at which they have most of it."""
    limits: dict[str, list[float]] = {"alpha_deviation": [], "correlation_within": []}
    for scale in sorted({view.scale for view in seen}):
        same = [view for view in seen if view.scale == scale]
        latents = [sets_of_crops(same, SENTENCES, size, size, generator) for _ in range(LATENTS)]
        slopes = [whittle_slope(power_spectrum(latent)).std(0).mean() for latent in latents]
        within = [correlation_within(latent).mean() for latent in latents]
        limits["alpha_deviation"].append(_quantile(torch.stack(slopes), SHARE))
        limits["correlation_within"].append(_quantile(torch.stack(within), SHARE))
    return {name: max(values) for name, values in limits.items()}


def _add_rows(
    table: Table,
    reference: Photographs,
    photographs: list[Photograph],
    count: int,
    size: int,
    generator: np.random.Generator,
) -> None:
    """What photographs that gave no limit have, and the share of their sets within the limits."""
    latents = sets_of_crops(views(photographs, size, size), count, size, size, generator)
    of = features(latents)
    rows = {name: natural(of).mean(1)[:, FEATURES.index(name)] for name in RANGES}
    within = {name: _inside(values, *reference.ranges[name]) for name, values in rows.items()}
    rows["distance"], rows["anisotropy"] = distance(of, reference), anisotropy(latents)
    rows["seams"], rows["weaker_half"] = seams(latents), weaker_half(of)
    within["distance"] = _inside(rows["distance"], 0, reference.distance)
    within["anisotropy"] = _inside(rows["anisotropy"], 0, reference.anisotropy)
    within["seams"] = _inside(rows["seams"], 0, reference.seams)
    within["weaker_half"] = _inside(rows["weaker_half"], reference.weaker_half, 1)
    for name, values in rows.items():
        found = (f"{values.mean():.3g}", f"{values.std():.2g}", f"{within[name]:.1%}")
        table.add_row(f"{size}x{size}", name.replace("_", " "), *found)


def _inside(values: Tensor, low: float, high: float) -> float:
    return float(((values >= low) & (values <= high)).double().mean())


def _quantile(values: Tensor, share: float) -> float:
    return round(float(values.quantile(share)), 5)


def _rounded(values: Tensor) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)


if __name__ == "__main__":
    run(main)
