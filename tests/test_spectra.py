"""Spectra and slopes: against references, on pictures of known slope, on pictures of none."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import references
import torch
from fields import power_law
from scipy import fft, ndimage
from torch import Tensor

from vlatent.spectra import (
    RESIDUAL_LIMIT,
    all_frequency_slope,
    checkerboard,
    curve_slope,
    dct_matrix,
    frequencies,
    log_curve,
    mean_power,
    power_spectrum,
    radial_slope,
    residual,
    whittle_slope,
)

SHAPES = [(32, 32), (24, 40), (40, 16)]
CPU = torch.device("cpu")


@lru_cache
def crops(alpha: float, height: int = 32, width: int = 32) -> Tensor:
    """200 crops of known slope, [200, height, width, 1]."""
    return torch.tensor(power_law(alpha, 200, height, width, seed=11))[..., None]


def oblong(height: int, width: int) -> Tensor:
    """Two sentences, three channels of slopes 0.5, 1.5 and 2.5."""
    fields = [power_law(alpha, 2, height, width, seed=2) for alpha in (0.5, 1.5, 2.5)]
    return torch.tensor(np.stack(fields, axis=-1))


# --- the fields that everything below is measured with -------------------------------------------


@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.0, 3.0])
def test_fields_are_what_they_claim(alpha: float) -> None:
    # not cropped, the field is periodic: its FFT does not leak and shows the slope as it was made
    whole = power_law(alpha, 20, 64, 64, seed=0, oversize=1)
    power = (np.abs(np.fft.fft2(whole)) ** 2).mean(0).ravel()
    radius = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64)[None, :]).ravel()
    slope = np.polyfit(np.log(radius[1:]), np.log(power[1:]), 1)[0]
    assert -slope == pytest.approx(alpha, abs=0.03)
    cropped = power_law(alpha, 3, 16, 24, seed=0)
    assert cropped.shape == (3, 16, 24)
    np.testing.assert_allclose(cropped.std((1, 2)), 1)
    np.testing.assert_allclose(cropped.mean((1, 2)), 0, atol=1e-12)
    assert np.array_equal(cropped, power_law(alpha, 3, 16, 24, seed=0))
    assert not np.allclose(cropped, power_law(alpha, 3, 16, 24, seed=1))


# --- the parts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_dct_is_scipys(height: int, width: int) -> None:
    picture = np.random.default_rng(0).standard_normal((height, width))
    rows, columns = (dct_matrix(size, torch.float64, CPU).numpy() for size in (height, width))
    wanted = fft.dctn(picture, type=2, norm="ortho")
    np.testing.assert_allclose(rows @ picture @ columns.T, wanted, atol=1e-12)
    np.testing.assert_allclose(rows @ rows.T, np.eye(height), atol=1e-12)


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_power_is_the_references(height: int, width: int) -> None:
    pictures = oblong(height, width)
    power = power_spectrum(pictures)
    assert power.shape == (2, 3, height, width)
    for sentence, channel, picture in references.pictures_of(pictures.numpy()):
        np.testing.assert_allclose(
            power[sentence, channel].numpy(), references.power_of(picture), atol=1e-9
        )
    torch.testing.assert_close(power.mean((-2, -1)), torch.ones(2, 3, dtype=torch.float64))
    assert (power[..., 0, 0] == 0).all()
    torch.testing.assert_close(mean_power(pictures), power.mean(0))


def test_every_sentence_counts_the_same_in_the_mean() -> None:
    pictures = oblong(24, 40)
    loud = pictures * torch.tensor([1.0, 100.0])[:, None, None, None]
    torch.testing.assert_close(mean_power(loud), mean_power(pictures))


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_rings_are_the_references(height: int, width: int) -> None:
    found = frequencies(height, width, torch.float64, CPU)
    members = references.rings(height, width)
    assert found.mean.shape == (height * width, len(members))
    counts = np.array([len(ring) for ring in members.values()])
    np.testing.assert_allclose(found.weight, np.sqrt(counts) / np.sqrt(counts).sum())
    for column, (number, ring) in enumerate(members.items()):
        averaging = found.mean[:, column].reshape(height, width)
        inside = torch.zeros(height, width, dtype=torch.float64)
        for u, v in ring:
            inside[u, v] = 1 / len(ring)
            assert found.bins[u, v] == number
            assert found.cycles[u, v].item() == pytest.approx(
                references.frequency(u, v, height, width)
            )
        torch.testing.assert_close(averaging, inside)
    if height == width == 32:
        assert max(members) == 22 or max(members) == 23  # the corner lies at 22.6 - 0.7


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_curve_slope_and_residual_are_the_references(height: int, width: int) -> None:
    power = mean_power(oblong(height, width))
    fit = frequencies(height, width, torch.float64, CPU)
    slopes, left = curve_slope(log_curve(power), fit)
    for channel in range(3):
        alpha, level, rms = references.line(power[channel].numpy())
        x, y, _ = references.log_curve(power[channel].numpy())
        assert slopes[channel].item() == pytest.approx(alpha)
        np.testing.assert_allclose(left[channel], y - level + alpha * x, atol=1e-9)
        assert residual(power)[channel].item() == pytest.approx(rms)


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_estimators_are_the_references(height: int, width: int) -> None:
    pictures = oblong(height, width)
    power = mean_power(pictures)
    for channel in range(3):
        one = power[channel].numpy()
        # bracketing finds a minimum to about the root of the machine's precision
        whittle = references.whittle(one) + 0.08
        assert whittle_slope(power)[channel].item() == pytest.approx(whittle, abs=1e-6)
        everywhere = references.all_frequency_slope(one)
        assert all_frequency_slope(power)[channel].item() == pytest.approx(everywhere)
        radial = references.radial_slope(pictures[..., channel].numpy())
        assert radial_slope(pictures)[channel].item() == pytest.approx(radial)


def test_whittle_converges_from_far_away() -> None:
    for alpha in (-3.0, 0.0, 6.0):
        f = frequencies(24, 40, torch.float64, CPU).cycles.clamp(min=1e-3)
        noise = torch.from_numpy(np.random.default_rng(0).exponential(size=(24, 40)))
        power = (f**-alpha * noise)[None]
        wanted = references.whittle(power[0].numpy()) + 0.08
        assert whittle_slope(power).item() == pytest.approx(wanted, abs=1e-5)
        assert whittle_slope(power, iterations=40).item() == pytest.approx(wanted, abs=1e-5)


def test_whittle_is_not_led_astray_by_nulls() -> None:
    # least squares, where the search begins, sees deep nulls at low frequencies as a rising line
    cycles = frequencies(32, 32, torch.float64, CPU).cycles
    power = torch.from_numpy(np.random.default_rng(0).exponential(size=(1, 32, 32)))
    power[0, (cycles > 0) & (cycles < 0.1) & (torch.arange(32) % 3 > 0)] = 1e-8
    assert all_frequency_slope(power).item() < -3
    wanted = references.whittle(power[0].numpy()) + 0.08
    assert abs(wanted) < 0.5
    assert whittle_slope(power).item() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_nothing_depends_on_the_scale(scale: float) -> None:
    pictures = oblong(24, 40)
    other = scale * pictures - 2 * scale
    for number in (whittle_slope, residual, all_frequency_slope):
        torch.testing.assert_close(number(mean_power(other)), number(mean_power(pictures)))
    torch.testing.assert_close(radial_slope(other), radial_slope(pictures))
    for one, two in zip(
        checkerboard(power_spectrum(other)), checkerboard(power_spectrum(pictures)), strict=True
    ):
        torch.testing.assert_close(one, two)


def test_single_precision_reads_the_same() -> None:
    pictures = oblong(24, 40)
    single, double = mean_power(pictures.float()), mean_power(pictures)
    assert whittle_slope(single).dtype == torch.float64
    torch.testing.assert_close(whittle_slope(single), whittle_slope(double), atol=1e-4, rtol=0)
    torch.testing.assert_close(residual(single).double(), residual(double), atol=1e-4, rtol=0)


def test_leading_axes_are_a_loop() -> None:
    rows = torch.stack([oblong(24, 40), oblong(24, 40).flip(0) + oblong(24, 40)])
    for row in range(2):
        for number in (whittle_slope, residual, all_frequency_slope):
            torch.testing.assert_close(number(mean_power(rows))[row], number(mean_power(rows[row])))
        torch.testing.assert_close(radial_slope(rows)[row], radial_slope(rows[row]))
        found, one = checkerboard(power_spectrum(rows)), checkerboard(power_spectrum(rows[row]))
        torch.testing.assert_close(found.largest[row], one.largest)
        torch.testing.assert_close(found.mean[row], one.mean)


# --- calibration ---------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0, 2.5, 3.0])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (24, 40), (16, 24)])
def test_slope_of_record(alpha: float, height: int, width: int) -> None:
    """The acceptance: within 0.1 of the truth; the sd of a mean of 200 is about 0.007."""
    single = whittle_slope(power_spectrum(crops(alpha, height, width))).squeeze(1)
    assert single.mean().item() == pytest.approx(alpha, abs=0.1)
    if (height, width) == (32, 32):
        assert single.mean().item() == pytest.approx(alpha, abs=0.04)  # as its docstring says
        assert single.std().item() == pytest.approx(0.1, abs=0.02)
    pooled = whittle_slope(mean_power(crops(alpha, height, width)))
    assert pooled.item() == pytest.approx(alpha, abs=0.1)


def test_white_noise_reads_a_little_above_zero() -> None:
    assert whittle_slope(power_spectrum(crops(0))).mean().item() == pytest.approx(0.07, abs=0.03)


def test_pooling_makes_the_slope_of_record_surer() -> None:
    batches = crops(2).unflatten(0, (25, 8))
    assert whittle_slope(mean_power(batches)).std().item() == pytest.approx(0.1 / 8**0.5, rel=0.5)


@pytest.mark.parametrize(("alpha", "bias"), [(1.0, -0.11), (2.0, -0.10), (3.0, -0.31)])
def test_bias_of_the_radial_slope(alpha: float, bias: float) -> None:
    single = radial_slope(crops(alpha)[:, None]).squeeze(1)
    # sd of one is 0.14, of the mean of 200 0.01
    assert single.mean().item() == pytest.approx(alpha + bias, abs=0.04)
    assert single.std().item() == pytest.approx(0.14, abs=0.04)


def test_the_dct_does_not_saturate_and_the_periodogram_does() -> None:
    steep = crops(4)
    assert whittle_slope(power_spectrum(steep)).mean() > 3.6
    assert radial_slope(steep[:, None]).mean() < 2.9


def test_a_constant_has_no_power_and_no_slope_in_the_band() -> None:
    zero = torch.zeros(2, 24, 40, 1)
    assert (power_spectrum(zero) == 0).all()
    assert whittle_slope(mean_power(zero)).item() == pytest.approx(0.08)
    # rounding errors of another constant are no power law either
    left = residual(mean_power(torch.full((2, 24, 40, 1), 7.3)))
    assert left.item() > RESIDUAL_LIMIT


# --- the residual gate ---------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [1.5, 2.0, 2.5])
def test_power_laws_pass_the_gate(alpha: float) -> None:
    left = residual(power_spectrum(crops(alpha)))
    assert (left < RESIDUAL_LIMIT).double().mean() >= 0.97
    assert left.median().item() == pytest.approx(0.24, abs=0.02)
    assert residual(mean_power(crops(alpha))).item() < 0.1


def upsampled(factor: int) -> np.ndarray:
    noise = np.random.default_rng(1).standard_normal((200, 32 // factor, 32 // factor))
    return noise.repeat(factor, 1).repeat(factor, 2)


def smoothed(deviation: float) -> np.ndarray:
    noise = np.random.default_rng(2).standard_normal((200, 64, 64))
    return ndimage.gaussian_filter(noise, (0, deviation, deviation))[:, 16:48, 16:48]


ARTEFACTS = {
    "upsampled by 2": (upsampled(2), 1.6),
    "upsampled by 4": (upsampled(4), None),
    "blurred by 0.8": (smoothed(0.8), 1.5),
    "blurred by 1": (smoothed(1.0), None),
    "blurred by 1.5": (smoothed(1.5), None),
}


@pytest.mark.parametrize("name", ARTEFACTS)
def test_artefacts_never_pass_the_gate(name: str) -> None:
    noise, typical = ARTEFACTS[name]
    pictures = torch.tensor(noise.copy())[..., None]
    left = residual(power_spectrum(pictures))
    assert (left > RESIDUAL_LIMIT).all()
    assert residual(mean_power(pictures)).item() > RESIDUAL_LIMIT  # nor does their mean spectrum
    if typical is not None:
        assert left.median().item() == pytest.approx(typical, abs=0.15)


def test_slope_alone_would_let_artefacts_in() -> None:
    def share_in_band(name: str) -> float:
        pictures = torch.tensor(ARTEFACTS[name][0].copy())[..., None]
        alpha = radial_slope(pictures[:, None]), whittle_slope(power_spectrum(pictures))
        return max(float(((a >= 1.5) & (a <= 2.5)).double().mean()) for a in alpha)

    assert max(map(share_in_band, ARTEFACTS)) > 0.8


# --- checkerboards -------------------------------------------------------------------------------


def planted(alpha: float, share: float, pattern: str) -> Tensor:
    """Crops with a checkerboard or column stripes of this share of their deviation."""
    column = 1 - 2 * (torch.arange(32) % 2).double()
    sign = column[:, None] * column if pattern == "checkerboard" else column.expand(32, 32)
    return crops(alpha) + share * sign[None, :, :, None]


def medians(pictures: Tensor) -> tuple[float, float]:
    """Median over pictures of the largest and of the mean excess."""
    found = checkerboard(power_spectrum(pictures[:, None]))
    return found.largest.median().item(), found.mean.median().item()


# Medians of 200 heavy-tailed maxima: 10 % of sampling on each side.
@pytest.mark.parametrize(
    ("alpha", "share", "pattern", "largest", "mean"),
    [
        (1.5, 0, "checkerboard", 6.6, 1.0),
        (2, 0, "checkerboard", 6.6, 1.0),
        (3, 0, "checkerboard", 6.6, 1.0),
        (2, 0.1, "checkerboard", 61, 2.2),
        (2, 0.2, "checkerboard", 199, 5.2),
        (2, 0.1, "stripes", 43, 1.7),
        (1.5, 0.1, "checkerboard", 27, 1.5),
    ],
)
def test_calibration_of_checkerboards(
    alpha: float, share: float, pattern: str, largest: float, mean: float
) -> None:
    found = medians(planted(alpha, share, pattern))
    assert found == (pytest.approx(largest, rel=0.2), pytest.approx(mean, rel=0.2))


@pytest.mark.parametrize("pattern", ["checkerboard", "stripes"])
def test_planted_patterns_are_told_from_clean_pictures(pattern: str) -> None:
    clean = checkerboard(power_spectrum(crops(2)[:, None])).largest
    dirty = checkerboard(power_spectrum(planted(2, 0.1, pattern)[:, None])).largest
    assert clean.quantile(0.99) < dirty.quantile(0.05)
    # and in the mean over sentences, which is what is judged
    assert checkerboard(power_spectrum(crops(2))).largest < 10
    assert checkerboard(power_spectrum(planted(2, 0.1, pattern))).largest > 40


def test_checkerboard_is_the_references() -> None:
    pictures = oblong(24, 40)
    found = checkerboard(power_spectrum(pictures))
    for channel in range(3):
        wanted = np.mean([references.checkerboard(p[..., channel]) for p in pictures.numpy()], 0)
        assert found.largest[channel].item() == pytest.approx(wanted[0])
        assert found.mean[channel].item() == pytest.approx(wanted[1])
