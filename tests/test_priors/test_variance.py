"""Variance: NumPy as the reference; half and twice the target cost the same."""

from __future__ import annotations

import math
from functools import partial

import contract
import pytest
import references
import torch

from vlatent.priors import Variance

PRIOR, LARGE = Variance(), Variance(target=4.0)


@pytest.mark.parametrize("prior", [PRIOR, LARGE], ids=["target 1", "target 4"])
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_contract(prior: Variance, check: contract.Check) -> None:
    check(prior)


def test_reference() -> None:
    contract.agrees(PRIOR, references.variance_statistic, references.variance_penalty)
    contract.agrees(
        LARGE, references.variance_statistic, partial(references.variance_penalty, target=4.0)
    )


def unit_variance() -> torch.Tensor:
    pictures = contract.latent()
    return pictures / pictures.std((1, 2), correction=0, keepdim=True)


@pytest.mark.parametrize("target", [1.0, 4.0])
def test_calibration(target: float) -> None:
    prior, pictures = Variance(target=target), unit_variance() * target**0.5
    assert prior.penalty(pictures).item() == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(
        prior.statistic(pictures), torch.full((3,), target, dtype=torch.float64)
    )
    for factor in (0.5, 2.0):
        found = prior.penalty(pictures * factor**0.5).item()
        assert found == pytest.approx(math.log(2) ** 2, abs=1e-9)


def test_every_picture_counts_not_the_mean_variance() -> None:
    one = unit_variance()[:1]
    uneven = torch.cat([one * 0.1**0.5, one * 1.9**0.5])
    torch.testing.assert_close(PRIOR.statistic(uneven), torch.ones(3, dtype=torch.float64))
    wanted = (math.log(0.1) ** 2 + math.log(1.9) ** 2) / 2
    assert PRIOR.penalty(uneven).item() == pytest.approx(wanted)


def test_pull_does_not_vanish_at_collapse() -> None:
    # |gradient| = 4 |log deviation| / deviation per unit of deviation: it grows towards 0
    pulls = [float(contract.gradient(PRIOR, s * unit_variance()).norm()) for s in (0.5, 1e-2, 1e-4)]
    assert pulls[0] < pulls[1] < pulls[2]


def test_margin_is_in_octaves_of_the_farthest_channel() -> None:
    assert LARGE.margin(torch.tensor([4.0, 8.0])) == pytest.approx(0)
    assert LARGE.margin(torch.tensor([2.0, 4.0])) == pytest.approx(0)
    assert LARGE.margin(torch.tensor([4.0, 1.0])) == pytest.approx(1)
    assert LARGE.margin(torch.tensor([4.0, 4.0])) == pytest.approx(-1)
    assert PRIOR.margin(torch.tensor([1.0, 0.0])) > 10


def test_steps_reach_the_target_from_both_sides() -> None:
    for scale in (0.01, 100.0):
        start = unit_variance() * scale
        contract.moves(
            PRIOR, start, lambda x: float((PRIOR.statistic(x)).log().abs().mean()), steps=30
        )
