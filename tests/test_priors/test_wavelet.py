"""Wavelet sparsity: PyWavelets as the oracle, generalized Gaussians as the scale."""

from __future__ import annotations

from functools import partial

import contract
import numpy as np
import pytest
import pywt
import references
import torch
from fields import power_law
from scipy import stats

from vlatent.priors import Wavelet
from vlatent.priors.wavelet import (
    generalized_gaussian_ratio,
    generalized_gaussian_shape,
    haar_details,
)
from vlatent.shapes import UserError

PRIOR, SHALLOW = Wavelet(), Wavelet(levels=2, shape=1.0)
RATIOS = [(2.0, 0.798), (1.0, 0.707), (0.7, 0.634), (0.5, 0.548)]


@pytest.mark.parametrize("prior", [PRIOR, SHALLOW], ids=["3 levels", "2 levels"])
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_contract(prior: Wavelet, check: contract.Check) -> None:
    check(prior)


def test_reference() -> None:
    contract.agrees(PRIOR, references.wavelet_statistic, references.wavelet_penalty)
    contract.agrees(
        SHALLOW,
        partial(references.wavelet_statistic, levels=2),
        partial(references.wavelet_penalty, levels=2, shape=1.0),
    )


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_details_are_those_of_pywavelets(levels: int) -> None:
    pictures = contract.latent(2, 24, 40, 3)
    found = haar_details(pictures, levels)
    _, *wanted = pywt.wavedec2(pictures.numpy(), "haar", level=levels, axes=(1, 2))
    flat = [band for level in reversed(wanted) for band in level]  # finest first
    assert len(found) == len(flat) == 3 * levels
    for one, other in zip(found, flat, strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=0, atol=1e-12)


def test_details_by_hand() -> None:
    a, b, c, d = 7.0, 3.0, 2.0, 1.0
    picture = torch.tensor([[a, b], [c, d]])[None, :, :, None]
    down, across, diagonal = haar_details(picture, 1)
    assert down.item() == (a + b - c - d) / 2
    assert across.item() == (a - b + c - d) / 2
    assert diagonal.item() == (a - b - c + d) / 2


def test_sides_that_cannot_be_halved() -> None:
    with pytest.raises(UserError, match=r"12x24 has no 3 Haar levels.*multiples of 8"):
        PRIOR.penalty(contract.latent(1, 12, 24, 1))
    with pytest.raises(UserError, match=r"24x12"):
        PRIOR.penalty(contract.latent(1, 24, 12, 1))
    assert Wavelet(levels=2).penalty(contract.latent(1, 12, 24, 1)) >= 0


@pytest.mark.parametrize(("shape", "ratio"), RATIOS)
def test_generalized_gaussian(shape: float, ratio: float) -> None:
    assert generalized_gaussian_ratio(shape) == pytest.approx(ratio, abs=5e-4)
    density = stats.gennorm(shape)
    assert generalized_gaussian_ratio(shape) == pytest.approx(
        density.expect(abs) / density.std(), rel=1e-6
    )
    assert generalized_gaussian_shape(generalized_gaussian_ratio(shape)) == pytest.approx(shape)


def test_shape_beyond_its_range_is_the_end_of_it() -> None:
    assert generalized_gaussian_shape(0.0) == pytest.approx(0.1)
    assert generalized_gaussian_shape(1.0) == pytest.approx(10.0)


@pytest.mark.parametrize(("shape", "ratio"), RATIOS)
def test_calibration_of_the_statistic(shape: float, ratio: float) -> None:
    # pictures whose Haar coefficients are drawn from the density, put together by PyWavelets
    generator = np.random.default_rng(0)
    density = stats.gennorm(shape)

    def bands(height: int, width: int) -> tuple[np.ndarray, ...]:
        return tuple(density.rvs((40, height, width), random_state=generator) for _ in range(3))

    coefficients = [np.zeros((40, 8, 8)), bands(8, 8), bands(16, 16), bands(32, 32)]
    pictures = pywt.waverec2(coefficients, "haar", axes=(1, 2))
    found = PRIOR.statistic(torch.tensor(pictures)[..., None]).item()
    # pictures are divided by their own deviation before they are pooled, which is within 2 %
    assert found == pytest.approx(ratio, rel=0.02)


def test_calibration_of_the_penalty() -> None:
    gaussian = torch.tensor(power_law(2, 300, 32, 32, seed=2))[..., None]
    assert PRIOR.penalty(gaussian).item() == pytest.approx(0.053, rel=0.1)


def test_steps_make_coefficients_sparse_and_no_sparser_than_wanted() -> None:
    def distance(pictures: torch.Tensor) -> float:
        return float((PRIOR.statistic(pictures) - 0.634).abs().mean())

    gaussian = torch.tensor(power_law(1, 6, 16, 24, seed=1)).unflatten(0, (2, 3)).movedim(1, -1)
    contract.moves(PRIOR, gaussian, distance)
    spikes = torch.zeros(2, 16, 24, 3, dtype=torch.float64)
    spikes[0, 4, 5] = spikes[1, 11, 14] = 4.0
    spikes += 0.1 * gaussian
    assert (PRIOR.statistic(spikes) < 0.58).all()
    contract.moves(PRIOR, spikes, distance)
