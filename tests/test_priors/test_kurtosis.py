"""Gradient kurtosis: SciPy as the reference, constructed gradients as the scale."""

from __future__ import annotations

import math
from functools import partial

import contract
import numpy as np
import pytest
import references
import torch
from fields import power_law
from scipy import stats
from torch import Tensor

from vlatent.priors import Kurtosis

PRIOR = Kurtosis()


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_contract(check: contract.Check) -> None:
    check(PRIOR)


def test_reference() -> None:
    contract.agrees(PRIOR, references.kurtosis_statistic, references.kurtosis_penalty)
    for target, ceiling in ((2.0, 2.5), (3.0, 3.1)):  # both sides of the interval
        contract.agrees(
            Kurtosis(target=target, ceiling=ceiling),
            references.kurtosis_statistic,
            partial(references.kurtosis_penalty, target=target, ceiling=ceiling),
        )


def picture_with(density: object, size: int = 1025) -> Tensor:
    """A picture a(y) + b(x) whose differences, down and across, are quantiles of the density."""
    generator = np.random.default_rng(0)
    quantiles = density.ppf((np.arange(size - 1) + 0.5) / (size - 1))  # type: ignore[attr-defined]
    down, across = (np.append(0, generator.permutation(quantiles)).cumsum() for _ in range(2))
    return torch.tensor(down[:, None] + across[None, :])[None, :, :, None]


def test_calibration_on_constructed_gradients() -> None:
    # a thousand quantiles leave out the ends of the tails: 1 % of 3, and 4 % of 6
    gaussian = picture_with(stats.norm)
    assert PRIOR.statistic(gaussian).item() == pytest.approx(3.0, rel=0.02)
    assert PRIOR.penalty(gaussian).item() == pytest.approx(math.log(2) ** 2, abs=0.03)
    laplace = picture_with(stats.laplace)
    assert PRIOR.statistic(laplace).item() == pytest.approx(6.0, rel=0.06)
    assert PRIOR.penalty(laplace).item() < 0.005


def test_two_valued_gradients_are_flattest() -> None:
    height = width = 33  # 32 differences: as many up as down
    zigzag = torch.arange(height).remainder(2).double()
    picture = (zigzag[:, None] + zigzag[None, :])[None, :, :, None]
    assert PRIOR.statistic(picture).item() == pytest.approx(1.0)
    assert PRIOR.penalty(picture).item() == pytest.approx(math.log(6) ** 2)
    assert picture.shape[2] == width


def test_gaussian_patches_rarely_pass_three_and_a_half() -> None:
    patches = torch.tensor(power_law(2, 600, 32, 32, seed=4))[:, None, :, :, None]
    kurtosis = PRIOR.statistic(patches).squeeze(-1)
    assert 0.38 < (kurtosis > 3).double().mean() < 0.5  # 45 % +- three binomial deviations of 2 %
    assert (kurtosis > 3.5).double().mean() < 0.01


def test_between_target_and_ceiling_nothing_pulls() -> None:
    laplace = picture_with(stats.laplace, 65)
    found = PRIOR.statistic(laplace).item()
    inside = Kurtosis(target=0.5 * found, ceiling=2 * found)
    assert inside.penalty(laplace) == 0
    assert (contract.gradient(inside, laplace) == 0).all()


def test_margin_is_the_lightest_tails() -> None:
    assert PRIOR.margin(torch.tensor([9.0, 3.0])) == 0
    assert PRIOR.margin(torch.tensor([9.0, 1.5])) == 0.5
    assert PRIOR.margin(torch.tensor([6.0, 9.0])) == -1


def test_steps_raise_light_tails_and_lower_heavy_ones() -> None:
    gaussian = torch.tensor(power_law(2, 6, 16, 24, seed=1)).unflatten(0, (2, 3)).movedim(1, -1)
    contract.moves(PRIOR, gaussian, lambda x: float((6 - PRIOR.statistic(x)).clamp(min=0).mean()))
    spikes = 0.05 * gaussian
    spikes[:, 5, 7] += 10
    assert (PRIOR.statistic(spikes) > 25).all()
    contract.moves(PRIOR, spikes, lambda x: float((PRIOR.statistic(x) - 20).clamp(min=0).mean()))
