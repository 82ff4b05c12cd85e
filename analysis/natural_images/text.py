"""Tables of the statistics of natural images: console, CSV and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table
from rich.text import Text

from analysis.natural_images import priors as natural_images_priors
from analysis.natural_images import slopes as natural_images_slopes
from analysis.natural_images.evidence import (
    CENTRAL,
    RECORD,
    Evidence,
    Support,
    percent,
    photographs_of,
)
from analysis.natural_images.photographs import FLAT, TONES
from analysis.natural_images.table import ESTIMATORS, ImageKind
from vlatent.spectra import RESIDUAL_LIMIT
from vlatent.statistics import STATISTICS as REGISTRY
from vlatent.tables import as_csv, as_markdown

STATISTICS = (
    *("spectrum", "alpha_radial", "residual", "total_variation_normalized", "wavelet", "kurtosis"),
    *("decorrelation", "variance", "checkerboard_largest", "checkerboard_mean"),
)
COLORS: dict[Support, str] = {
    "supported": "green",
    "not supported": "bold red",
    "a convention": "cyan",
    "not decided": "yellow",
}
QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)
COLUMNS = (
    *("kind", "images", "scale", "tone", "statistic", "numbers", "mean", "standard_deviation"),
    *(f"quantile_{quantile:g}" for quantile in QUANTILES),
    *("channel_mean", "channel_lowest", "channel_highest"),
)


@dataclass(frozen=True)
class Sheet:
    """A table: its title, its headings, its rows, and how to read it."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def all_targets(cells: Sequence[ImageKind]) -> list[Evidence]:
    """Every target and threshold beside its evidence."""
    return natural_images_slopes.targets(cells) + natural_images_priors.targets(cells)


def sheets(cells: Sequence[ImageKind]) -> list[Sheet]:
    """All tables but that of the targets."""
    made = [_estimators(cells), _synthetic(cells)]
    if photographs_of(cells):
        made += [_photographs(cells), _tones(cells), _by_photograph(cells)]
    return made


def target_sheet(evidence: Sequence[Evidence]) -> Sheet:
    """The targets and thresholds of the code beside what was found."""
    rows = [
        [target.name, f"vlatent/{target.place}", target.says, target.found, target.verdict]
        for target in evidence
    ]
    return Sheet(
        "Targets and thresholds", ("number", "in", "takes for granted", "found", "verdict"), rows
    )


def summary(evidence: Sequence[Evidence]) -> list[str]:
    """Sentences that list the targets by verdict."""
    said = []
    for verdict in COLORS:
        named = [target.name for target in evidence if target.verdict == verdict]
        if named:
            said.append(f"{verdict.capitalize()} ({len(named)}): {', '.join(named)}.")
    return said


def on_screen(sheet: Sheet) -> Table:
    """For a terminal."""
    table = Table(title=sheet.title, title_justify="left", title_style="bold", caption=sheet.note)
    table.caption_justify = "left"
    for heading in sheet.headings:
        table.add_column(heading)
    for row in sheet.rows:
        verdict = next((name for name in COLORS if name == row[-1]), None)
        last = Text(row[-1], COLORS[verdict] if verdict else "")
        table.add_row(*row[:-1], last)
    return table


def targets_on_screen(evidence: Sequence[Evidence]) -> Table:
    """The targets in three columns, which a terminal has room for."""
    table = Table(title="Targets and thresholds", title_justify="left", title_style="bold")
    for heading in ("takes for granted", "found", "verdict"):
        table.add_column(heading)
    for target in evidence:
        table.add_row(
            Text.assemble((target.name, "bold"), f"\n{target.says}"),
            target.found,
            Text(target.verdict, COLORS[target.verdict]),
        )
        table.add_section()
    return table


def markdown(cells: Sequence[ImageKind], evidence: Sequence[Evidence]) -> str:
    """All tables as a page."""
    parts = ["# What natural images are like, and what the targets rest on", *summary(evidence)]
    for sheet in (target_sheet(evidence), *sheets(cells)):
        parts += [f"## {sheet.title}", as_markdown(sheet.headings, sheet.rows)]
        parts += [sheet.note] if sheet.note else []
    return "\n\n".join(parts) + "\n"


def csv(cells: Sequence[ImageKind]) -> str:
    """Every statistic of every kind of image, one a line; then those of every photograph."""
    rows = []
    for cell in cells:
        scale, tone = (cell.origin.scale, cell.origin.tone) if cell.origin else ("", "")
        for statistic, values in cell.values.items():
            channels = cell.pooled.get(statistic)
            pooled = (
                ["", "", ""]
                if channels is None
                else [channels.mean(), channels.min(), channels.max()]
            )
            moments = (len(values), values.mean(), values.std())
            quantiles = np.quantile(values, QUANTILES)
            where = (cell.kind, cell.name, scale, tone)
            rows.append([*where, statistic, *moments, *quantiles, *pooled])
    return as_csv(COLUMNS, rows)


def targets_csv(evidence: Sequence[Evidence]) -> str:
    """The targets, one a line."""
    sheet = target_sheet(evidence)
    return as_csv(sheet.headings, sheet.rows)


def _estimators(cells: Sequence[ImageKind]) -> Sheet:
    shown = [cell for cell in cells if cell.kind == "field"]
    rows = [
        [
            name,
            *(
                f"{values.mean() - cell.alpha + 0.0:+.2f} ({values.std():.2f})"
                for cell in shown
                for values in (cell.values[statistic],)
            ),
        ]
        for statistic, name in ESTIMATORS.items()
    ]
    return Sheet(
        "Slopes: bias (standard deviation of one crop)",
        ("estimator", *(f"α = {cell.alpha:g}" for cell in shown)),
        rows,
        f"{shown[0].count} crops of 32x32 a slope, each of a field of its own, 8 times as wide.",
    )


def _synthetic(cells: Sequence[ImageKind]) -> Sheet:
    shown = [cell for cell in cells if cell.origin is None]
    rows = [
        [
            cell.name,
            f"{np.median(cell.values['spectrum']):.2f}",
            f"{np.median(cell.values['residual']):.2f}",
            percent(float((cell.values["residual"] < RESIDUAL_LIMIT).mean())),
            f"{cell.values['total_variation_normalized'].mean():.0f}",
            f"{cell.pooled['wavelet'].mean():.3f}",
            f"{np.median(cell.values['kurtosis']):.2f}",
            f"{cell.pooled['decorrelation'].mean():.3f}",
            _quantiles(cell, "checkerboard_largest", 1),
            _quantiles(cell, "checkerboard_mean", 2),
            ", ".join(cell.violated) or "none",
        ]
        for cell in shown
    ]
    return Sheet(
        "Synthetic images",
        (
            "images",
            "α",
            "resid.",
            f"<{RESIDUAL_LIMIT:g}",
            "TV",
            "wavelet",
            "kurt.",
            "corr.",
            "finest, largest",
            "finest, mean",
            "violates",
        ),
        rows,
        "Medians of single crops; total variation: mean; wavelet and correlation: of a latent of "
        "all crops; finest: 1 % / 50 % / 99 %; violates: the criteria that a latent of these "
        "images fails.",
    )


def _photographs(cells: Sequence[ImageKind]) -> Sheet:
    shown = photographs_of(cells)
    rows = [
        [statistic.label, *(_spread(cell, name, int(statistic.form[1])) for cell in shown)]
        for name in STATISTICS
        for statistic in [REGISTRY[f"statistic/{name}"]]
    ]
    rows.append(["crops, and how many fit side by side", *(_crops(cell) for cell in shown)])
    rows.append(["as a latent violates", *(", ".join(cell.violated) or "none" for cell in shown)])
    return Sheet(
        f"Photographs by scale, tone: {RECORD}",
        ("statistic", *(f"1/{cell.origin.scale}" for cell in shown if cell.origin)),
        rows,
        f"Median of single crops [{percent(CENTRAL[0])}, {percent(CENTRAL[1])}] · mean of the six "
        f"channels of a latent made of all crops. Crops below {FLAT * 255:g} steps of contrast are "
        "left out.",
    )


def _tones(cells: Sequence[ImageKind]) -> Sheet:
    rows = []
    for tone in TONES:
        shown = photographs_of(cells, tone)
        means = {
            name: np.mean([cell.pooled[name].mean() for cell in shown])
            for name in ("spectrum", "residual", "total_variation_normalized", "wavelet")
        }
        rows.append(
            [
                tone,
                *(f"{mean:{REGISTRY[f'statistic/{name}'].form}}" for name, mean in means.items()),
                f"{np.mean([np.median(cell.values['kurtosis']) for cell in shown]):.1f}",
                f"{sum(cell.verdict.passed for cell in shown)} of {len(shown)}",
            ]
        )
    return Sheet(
        "Photographs by tone, mean over scales",
        ("tone", "α", "residual", "TV", "wavelet", "kurtosis", "scales that pass as a latent"),
        rows,
        "display: sRGB's curve, as files are; linear: light; log: its logarithm. Kurtosis: median "
        "crop; all others: of a latent of all crops.",
    )


def _by_photograph(cells: Sequence[ImageKind]) -> Sheet:
    shown = photographs_of(cells)
    names = list(dict.fromkeys(name for cell in shown if cell.origin for name in cell.origin.alpha))
    rows = []
    for name in names:
        slopes = [cell.origin.alpha.get(name) for cell in shown if cell.origin]
        rows.append([name, *("too small" if a is None else f"{a:.2f}" for a in slopes)])
    return Sheet(
        f"α of each photograph's mean spectrum by scale, tone: {RECORD}",
        ("photograph", *(f"1/{cell.origin.scale}" for cell in shown if cell.origin)),
        rows,
    )


def _quantiles(cell: ImageKind, statistic: str, digits: int) -> str:
    quantiles = np.quantile(cell.values[statistic], (0.01, 0.5, 0.99))
    return " / ".join(f"{value:.{digits if value < 100 else 0}f}" for value in quantiles)


def _spread(cell: ImageKind, statistic: str, digits: int) -> str:
    values = cell.values[statistic]
    low, middle, high = (
        f"{value + 0.0:.{digits}f}" for value in np.quantile(values, (CENTRAL[0], 0.5, CENTRAL[1]))
    )
    pooled = cell.pooled.get(statistic)
    text = f"{middle} [{low}, {high}]"
    if pooled is None or statistic == "variance":  # which is 1 by construction
        return text
    return f"{text} · {pooled.mean():.{digits}f}"


def _crops(cell: ImageKind) -> str:
    assert cell.origin is not None
    return f"{cell.count}, {cell.origin.disjoint}; {percent(cell.origin.flat)} left out"
