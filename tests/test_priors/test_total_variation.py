"""Total variation: its reference, its calibration, its margin."""

from __future__ import annotations

import contract
import numpy as np
import pytest
import references
import torch
from fields import power_law

from vlatent.priors import TotalVariation

PRIOR = TotalVariation()


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_contract(check: contract.Check) -> None:
    check(PRIOR)


def test_reference() -> None:
    contract.agrees(PRIOR, references.total_variation_statistic, references.total_variation_penalty)


def test_statistic_sees_the_scale_and_normalized_does_not() -> None:
    pictures = contract.latent()
    torch.testing.assert_close(PRIOR.statistic(3 * pictures), 3 * PRIOR.statistic(pictures))
    torch.testing.assert_close(PRIOR.normalized(3 * pictures), PRIOR.normalized(pictures))
    unit = (pictures - pictures.mean((1, 2), keepdim=True)) / pictures.std(
        (1, 2), correction=0, keepdim=True
    )
    torch.testing.assert_close(PRIOR.normalized(pictures), PRIOR.statistic(unit))


# A crop's total variation varies by 2 % (white) to 12 % (alpha = 3), mean of 300 crops by at most
# 0.7 %; the calibration itself was measured on other crops. Three of both is 3 %.
@pytest.mark.parametrize(
    ("alpha", "reads", "penalty"),
    [(0, 2247, 1.13), (1, 1899, None), (2, 1231, 0.62), (3, 567, None)],
)
def test_calibration(alpha: float, reads: float, penalty: float | None) -> None:
    pictures = torch.tensor(power_law(alpha, 300, 32, 32, seed=5))[..., None]
    assert PRIOR.statistic(pictures).item() == pytest.approx(reads, rel=0.03)
    assert PRIOR.normalized(pictures).item() == pytest.approx(reads, rel=0.03)
    if penalty is not None:
        assert PRIOR.penalty(pictures).item() == pytest.approx(penalty, rel=0.03)


def test_white_noise_by_formula() -> None:
    # the mean absolute difference of two independent unit Gaussians is 2 / sqrt(pi)
    pictures = torch.tensor(power_law(0, 100, 32, 32, seed=6))[..., None]
    pairs = 2 * 31 * 32
    assert PRIOR.statistic(pictures).item() == pytest.approx(pairs * 2 / np.sqrt(np.pi), rel=0.01)


def test_edge_and_constant_exactly() -> None:
    edge = torch.ones(1, 32, 32, 2, dtype=torch.float64)
    edge[:, 16:, :, 0] = -1  # across
    edge[:, :, 16:, 1] = -1  # down
    assert PRIOR.statistic(edge).tolist() == [64, 64]
    assert PRIOR.normalized(edge).tolist() == [64, 64]
    assert PRIOR.statistic(torch.full((1, 32, 32, 1), 7.3)).item() == 0
    assert PRIOR.penalty(torch.full((1, 32, 32, 1), 7.3)).item() == 0


def test_steps_flatten() -> None:
    start = torch.tensor(power_law(0, 6, 16, 24, seed=1)).unflatten(0, (2, 3)).movedim(1, -1)
    contract.moves(PRIOR, start, lambda x: float(PRIOR.normalized(x).mean()))
