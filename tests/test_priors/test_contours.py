"""Contours: eigenvalues of every window as the reference; photographs, noise, edges as scale."""

from __future__ import annotations

import math
from functools import partial

import contract
import numpy as np
import pytest
import references
import torch
from fields import power_law
from torch import Tensor

from analysis.natural_images.photographs import Photograph, bundled, crops
from vlatent.evaluation.likeness import coherence
from vlatent.priors import Contours
from vlatent.shapes import UserError

PRIOR = Contours()
FIELDS = power_law(2, 384, 32, 32, seed=4)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_contract(check: contract.Check) -> None:
    check(PRIOR)


def test_reference() -> None:
    contract.agrees(PRIOR, references.contours_statistic, references.contours_penalty)
    for target, ceiling in ((0.2, 0.3), (0.4, 0.41)):  # both sides of the interval
        contract.agrees(
            Contours(target=target, ceiling=ceiling),
            references.contours_statistic,
            partial(references.contours_penalty, target=target, ceiling=ceiling),
        )


def latent_of(images: np.ndarray, channels: int = 6) -> Tensor:
    return torch.tensor(images).unflatten(0, (-1, channels)).movedim(1, -1)


def found(latent: Tensor) -> float:
    return PRIOR.statistic(latent).mean().item()


def test_calibration_on_fields() -> None:
    # mean of 384 pictures, of which one has a deviation of 0.03
    noise, natural = latent_of(power_law(0, 384, 32, 32, seed=4)), latent_of(FIELDS)
    assert found(noise) == pytest.approx(0.33, abs=0.005)
    assert found(natural) == pytest.approx(0.39, abs=0.005)
    assert PRIOR.penalty(natural).item() == pytest.approx(0.51, abs=0.02)


def test_calibration_on_photographs() -> None:
    """Six crops at a time, of the photographs that come with scikit-learn and PyWavelets."""
    sparse = [Photograph(name, light[::4, ::4]) for name, light in bundled()]
    seen = crops(bundled(), 4, 480, 32, 32, seed=0), crops(sparse, 1, 480, 32, 32, seed=0)
    areas, points = (latent_of(of.tones["display"][..., 0].numpy()) for of in seen)
    # 480 crops, of which one has a deviation of 0.12
    assert found(areas) == pytest.approx(0.68, abs=0.015)
    assert found(points) == pytest.approx(0.57, abs=0.015)
    sets = torch.stack([PRIOR.statistic(one).mean() for one in torch.cat([areas, points])[:, None]])
    assert ((sets > 0.45) & (sets < 0.80)).double().mean() > 0.97
    assert PRIOR.penalty(areas) < 0.25 * PRIOR.penalty(latent_of(FIELDS))


def across(degrees: float, side: int = 32) -> np.ndarray:
    """Distance of every pixel from a line through the middle, in pixels, with a sign."""
    place = np.arange(side) - (side - 1) / 2
    angle = math.radians(degrees)
    distance: np.ndarray = math.cos(angle) * place[None, :] + math.sin(angle) * place[:, None]
    return distance


def test_edges_of_all_directions_are_alike() -> None:
    edges = [found(latent_of(np.tanh(across(a))[None], 1)) for a in range(0, 180, 15)]
    assert edges == pytest.approx([0.99] * 12, abs=0.01)
    assert max(edges) - min(edges) < 0.01


def test_no_diagonal_is_preferred() -> None:
    """Steps on noise lean its gradients to neither diagonal: forward differences would."""
    start = latent_of(power_law(1, 24, 24, 24, seed=2)).requires_grad_()
    optimizer = torch.optim.Adam([start], lr=0.05)
    for _ in range(30):
        optimizer.zero_grad()
        PRIOR.penalty(start).backward()
        optimizer.step()
    images = start.detach().numpy()
    down, right = np.gradient(images, axis=(1, 2))
    lean = 2 * (down * right).mean((1, 2)) / (down**2 + right**2).mean((1, 2))
    deviation = lean.std(ddof=1) / math.sqrt(lean.size)
    assert abs(lean.mean()) < 3 * deviation
    assert abs(lean.mean()) < 0.05


def test_stripes_are_above_the_ceiling() -> None:
    for degrees in (0, 30, 45, 135):
        stripes = latent_of(np.sin(across(degrees) * 2 * np.pi / 8)[None], 1)
        assert found(stripes) > 0.999
        assert PRIOR.penalty(stripes) == pytest.approx(math.log(0.2 / 1e-3) ** 2)
        noise = torch.tensor(power_law(0, 1, 32, 32, seed=3))[..., None]
        assert found(stripes + 0.1 * noise) > PRIOR.ceiling


def test_faint_contours_count() -> None:
    """The right half is a tenth as strong: its energy is a hundredth, its gradients are a tenth."""
    strong, noise = np.sin(across(30) * 2 * np.pi / 8), power_law(0, 1, 32, 32, seed=3)[0]
    lined, mixed = (
        latent_of(np.where(np.arange(32) < 16, strong, 0.1 * right)[None], 1)
        for right in (strong, noise)
    )
    by_energy = coherence(lined[..., 0]) - coherence(mixed[..., 0])
    assert found(lined) - found(mixed) > 3 * by_energy.item() > 0


def test_between_target_and_ceiling_nothing_pulls() -> None:
    natural = latent_of(power_law(2, 1, 24, 24, seed=1), 1)
    coherence = found(natural)
    inside = Contours(target=coherence - 0.1, ceiling=coherence + 0.1)
    assert inside.penalty(natural) == 0
    assert (contract.gradient(inside, natural) == 0).all()


def test_steps_raise_noise_and_lower_streaks() -> None:
    noise = latent_of(power_law(1, 6, 16, 24, seed=1), 3)
    contract.moves(PRIOR, noise, lambda x: float((0.7 - PRIOR.statistic(x)).clamp(min=0).mean()))
    streaks = torch.tensor(np.sin(across(30, 24) * 2 * np.pi / 8))[None, ..., None]
    streaks = streaks + 0.1 * torch.tensor(power_law(0, 1, 24, 24, seed=1))[..., None]
    assert PRIOR.statistic(streaks) > 0.9
    contract.moves(PRIOR, streaks, lambda x: float((PRIOR.statistic(x) - 0.8).clamp(min=0).mean()))


def test_too_small_for_a_window() -> None:
    small = torch.randn(2, 3, 6, 12, 4, generator=torch.Generator().manual_seed(0))
    assert PRIOR.statistic(small).shape == (2, 4)
    assert PRIOR.statistic(small).isnan().all()
    with pytest.raises(UserError, match=r"6x12 has no contours.*at least 7.*contours\.weight"):
        PRIOR.penalty(small)
    assert torch.isfinite(PRIOR.penalty(torch.randn(1, 7, 7, 1)))


def test_target_above_the_ceiling_is_refused() -> None:
    with pytest.raises(UserError, match=r"target must be at most .*ceiling, but got 0\.8 and 0\.7"):
        Contours(target=0.8, ceiling=0.7)
