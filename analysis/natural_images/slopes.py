"""Evidence for the slope's band, for the residual's limit and for the limits of checkerboards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.natural_images.evidence import (
    RECORD,
    Evidence,
    field_of,
    holds,
    over_photographs,
    percent,
    percents,
    photographs_of,
    span,
)
from analysis.natural_images.photographs import TONES
from analysis.natural_images.table import ImageKind
from vlatent.formatting import bounds
from vlatent.intervals import bracket, proportion
from vlatent.priors import Spectrum
from vlatent.spectra import CHECKERBOARD_LIMITS, RESIDUAL_LIMIT, WHITTLE_BIAS
from vlatent.statistics import BAND


def targets(cells: Sequence[ImageKind]) -> list[Evidence]:
    """The numbers of `vlatent/spectra.py`, and the band and the target of the slope."""
    return [
        _bias(cells),
        _gate_passes(cells),
        _gate_stops(cells),
        _gate_photographs(cells),
        _band(cells),
        _alpha(cells),
        _checkerboard(cells),
    ]


def _bias(cells: Sequence[ImageKind]) -> Evidence:
    steep = [cell for cell in cells if cell.kind == "field" and cell.alpha >= 1]
    needed = [cell.alpha - float(cell.values["spectrum"].mean()) + WHITTLE_BIAS for cell in steep]
    errors = [float(cell.values["spectrum"].std() / np.sqrt(cell.count)) for cell in steep]
    mean = float(np.mean(needed))
    error = float(np.sqrt(np.sum(np.square(errors))) / len(errors))
    left = max(abs(each - WHITTLE_BIAS) for each in needed)
    flat = float(field_of(cells, 0).values["spectrum"].mean())
    return Evidence(
        "WHITTLE_BIAS",
        "spectra.py",
        f"the slope of the DCT-II lacks {WHITTLE_BIAS:g} from alpha 1 to 3",
        f"lacks {mean:.3f} ± {1.96 * error:.3f} on average, {min(needed):.2f} to "
        f"{max(needed):.2f} by alpha; with it, at most {left:.2f} off (white noise reads "
        f"{flat:.2f})",
        holds(abs(mean - WHITTLE_BIAS) <= 0.02 and left <= 0.1),
    )


def _gate_passes(cells: Sequence[ImageKind]) -> Evidence:
    parts, consistent = [], True
    for alpha in (BAND[0], 2.0, BAND[1]):
        cell = field_of(cells, alpha)
        passed = int((cell.values["residual"] < RESIDUAL_LIMIT).sum())
        low, high = proportion(passed, cell.count)
        consistent &= high >= 0.99
        parts.append(f"{bracket(passed / cell.count, low, high, '.1%')} at alpha {alpha:g}")
    return Evidence(
        "RESIDUAL_LIMIT: power laws pass",
        "spectra.py",
        f"99 % of single crops of power laws in the band stay below {RESIDUAL_LIMIT:g}",
        ", ".join(parts),
        holds(consistent),
    )


def _gate_stops(cells: Sequence[ImageKind]) -> Evidence:
    noise = [cell for cell in cells if cell.name.startswith("noise")]
    left = np.concatenate([cell.values["residual"] for cell in noise])
    passed = int((left < RESIDUAL_LIMIT).sum())
    most = bounds(*proportion(passed, len(left)), ".2%")[1]
    slopes = ("spectrum", "alpha_radial", "alpha_periodogram_whittle")
    in_band = max(
        float(((cell.values[name] >= BAND[0]) & (cell.values[name] <= BAND[1])).mean())
        for cell in noise
        for name in slopes
    )
    return Evidence(
        "RESIDUAL_LIMIT: artefacts fail",
        "spectra.py",
        "no upsampled or blurred noise stays below it",
        f"{passed} of {len(left)} crops do (at most {most} with 95 % confidence), smallest "
        f"residual {left.min():.2f}; by slope alone up to {percent(in_band)} of a kind would be in "
        "the band",
        holds(passed == 0),
    )


def _gate_photographs(cells: Sequence[ImageKind]) -> Evidence:
    shown = photographs_of(cells)
    pooled = np.concatenate([cell.pooled["residual"] for cell in shown])
    single = [float((cell.values["residual"] < RESIDUAL_LIMIT).mean()) for cell in shown]
    return Evidence(
        "RESIDUAL_LIMIT: photographs pass",
        "spectra.py",
        f"mean spectra of photographs stay below {RESIDUAL_LIMIT:g}",
        f"{span(pooled, 2)} in mean spectra; of single crops only {percents(single)} do, by "
        "scale: one crop of a photograph is often no power law",
        holds(bool((pooled < RESIDUAL_LIMIT).all())),
    )


def _band(cells: Sequence[ImageKind]) -> Evidence:
    shown = photographs_of(cells)
    pooled = np.array([cell.pooled["spectrum"].mean() for cell in shown])
    single = [
        float(((cell.values["spectrum"] >= BAND[0]) & (cell.values["spectrum"] <= BAND[1])).mean())
        for cell in shown
    ]
    return Evidence(
        "BAND",
        "priors/spectrum.py",
        f"alpha of photographs' mean spectra lies between {BAND[0]:g} and {BAND[1]:g}",
        f"{span(pooled, 2)} in mean spectra over all photographs, by scale; {percents(single)} of "
        "single crops",
        holds(bool(((pooled >= BAND[0]) & (pooled <= BAND[1])).all())),
    )


def _alpha(cells: Sequence[ImageKind]) -> Evidence:
    wanted = Spectrum().alpha
    mean, low, high = over_photographs(photographs_of(cells))
    every = [
        alpha
        for cell in photographs_of(cells)
        if cell.origin is not None
        for alpha in cell.origin.alpha.values()
    ]
    names = {name for cell in cells if cell.origin is not None for name in cell.origin.alpha}
    others = [
        f"{tone} {over_photographs(photographs_of(cells, tone))[0]:.2f}"
        for tone in TONES
        if tone != RECORD
    ]
    decided = holds(low <= wanted <= high)
    return Evidence(
        "Spectrum.alpha",
        "priors/spectrum.py",
        f"photographs have alpha {wanted:g} on average",
        f"{bracket(mean, low, high, '.2f')} over {len(names)} photographs, {min(every):.2f} to "
        f"{max(every):.2f} by photograph and scale (tone {', '.join(others)})",
        "not decided" if len(names) < 2 else decided,
    )


def _checkerboard(cells: Sequence[ImageKind]) -> Evidence:
    clean = [cell for cell in cells if cell.kind == "field" and BAND[0] <= cell.alpha <= BAND[1]]
    planted = [cell for cell in cells if cell.kind == "planted"]
    shown = photographs_of(cells)
    parts = [f"clean {_stripes(clean)}", f"photographs {_stripes(shown)}"]
    parts += [f"{cell.name} {_stripes([cell])}" for cell in planted]
    stopped = [not _clean(cell) for cell in planted if cell.alpha == 2]
    return Evidence(
        "CHECKERBOARD_LIMITS",
        "spectra.py",
        f"at most {CHECKERBOARD_LIMITS[0]:g} (mean {CHECKERBOARD_LIMITS[1]:g}) passes clean "
        "images and stops a pattern of 10 % on alpha = 2",
        "; ".join(parts),
        holds(all(map(_clean, clean + shown)) and all(stopped)),
    )


def _clean(cell: ImageKind) -> bool:
    """Tell whether no channel made of these images violates a limit."""
    largest, mean = (cell.pooled[f"checkerboard_{name}"].max() for name in ("largest", "mean"))
    return bool(largest <= CHECKERBOARD_LIMITS[0] and mean <= CHECKERBOARD_LIMITS[1])


def _stripes(cells: Sequence[ImageKind]) -> str:
    """The largest channel of a latent made of the images: largest and mean excess."""
    largest = max(float(cell.pooled["checkerboard_largest"].max()) for cell in cells)
    mean = max(float(cell.pooled["checkerboard_mean"].max()) for cell in cells)
    return f"{largest:.0f} ({mean:.1f})"
