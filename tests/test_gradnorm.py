"""GradNorm against three steps worked by hand, and against what it promises."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vlatent.gradnorm import ASYMMETRY, RATE, GradNorm

NORMS = (3.0, 1.0)  # of the gradients of two losses that are orthogonal


def gramian() -> Tensor:
    return torch.diag(torch.tensor(NORMS).double().square())


def losses(*values: float) -> Tensor:
    return torch.tensor(values).double()


def settled(method: GradNorm, values: Tensor) -> Tensor:
    """Mean factors once they swing around where they end."""
    return torch.stack([method(values, gramian) for _ in range(300)])[200:].mean(0)


def test_three_steps_by_hand() -> None:
    method = GradNorm(2)
    assert method(losses(2, 1), gramian).tolist() == [1, 1]
    # Both stand where they began. Norms 3 and 1, wanted 2: |3 - 2| + |1 - 2| has the derivatives
    # +3 and -1, and the first step of Adam is the rate, whatever they are.
    assert method.factors.tolist() == pytest.approx([1 - RATE, 1 + RATE], abs=1e-7)
    # The first loss is halved, the second where it was: progress .5 and 1 is 2/3 and 4/3 of their
    # mean. Norms 2.925 and 1.025, mean 1.975, wanted 1.975 (2/3)^1.5 = 1.075 and
    # 1.975 (4/3)^1.5 = 3.041: again +3 and -1, again the rate, and the sum is 2 already.
    assert ASYMMETRY == 1.5
    assert method(losses(1, 1), gramian).tolist() == pytest.approx([0.975, 1.025], abs=1e-7)
    assert method.factors.tolist() == pytest.approx([0.95, 1.05], abs=1e-6)
    # Then the second falls to a tenth, so the first is behind: its norm is 2.85, and wanted are
    # 1.95 (5/3)^1.5 = 4.2; of the second, which has 1.05, 1.95 / 3^1.5 = .38. The derivatives turn,
    # -3 and +1, but Adam has the moments of three steps: of the first m = .1 (.81 + .9 - 1) 3, by
    # its correction m / (1 - .9^3) = .786, and the root of the other moment is 3 all along.
    step = RATE * (0.1 * (0.81 + 0.9 - 1) * 3 / (1 - 0.9**3)) / 3
    method(losses(1, 0.1), gramian)
    assert step == pytest.approx(0.00655, abs=1e-5)
    assert method.factors.tolist() == pytest.approx([0.95 - step, 1.05 + step], abs=1e-5)


def test_without_asymmetry_gradients_get_equal_norms() -> None:
    method = GradNorm(2, asymmetry=0.0)
    factors = settled(method, losses(2, 1))
    assert factors.tolist() == pytest.approx([0.5, 1.5], rel=0.1)


def test_the_loss_that_has_come_less_far_gets_the_larger_gradient() -> None:
    method = GradNorm(2)
    method(losses(1, 1), gramian)
    first, second = settled(method, losses(0.5, 1)) * torch.tensor(NORMS)
    wanted = math.pow(2, ASYMMETRY)  # 1 / .5
    assert float(second / first) == pytest.approx(wanted, rel=0.25)


def test_a_satisfied_hinge_leaves_every_factor_finite() -> None:
    method = GradNorm(2)
    for first in (0.0, 0.0, 0.3, 0.0):
        one = torch.diag(torch.tensor([9.0 * (first > 0), 1.0]).double())
        factors = method(losses(first, 1), lambda of=one: of)
    assert torch.isfinite(factors).all()
    assert (factors >= 0).all()
