"""What every prior must satisfy: a fixed list of checks, each a function of one prior."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch
from fields import power_law
from torch import Tensor

from vlatent.priors import Prior, Variance
from vlatent.shapes import UserError

Check = Callable[[Prior], None]


def latent(
    batch: int = 3,
    height: int = 16,
    width: int = 24,
    channels: int = 3,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Channels that resemble each other a little, of different slopes, means and deviations."""
    fields = [power_law(1 + 0.4 * c, batch, height, width, seed + c) for c in range(channels)]
    stacked = torch.tensor(np.stack(fields, axis=-1))
    stacked = stacked + 0.3 * stacked.roll(1, dims=-1)
    deviation = torch.linspace(0.5, 1.5, channels, dtype=torch.float64)
    return (stacked * deviation + torch.arange(channels)).to(dtype)


def gradient(prior: Prior, point: Tensor) -> Tensor:
    point = point.detach().clone().requires_grad_()
    return torch.autograd.grad(prior.penalty(point).sum(), point)[0]


def agrees(
    prior: Prior, statistic: Callable[[np.ndarray], object], penalty: Callable[[np.ndarray], float]
) -> None:
    """Statistic and penalty equal an independent reference's, on oblong pictures."""
    for batch, height, width, channels in ((3, 24, 40, 4), (1, 16, 24, 2), (2, 40, 16, 1)):
        pictures = latent(batch, height, width, channels, seed=7)
        expected = torch.tensor(np.asarray(statistic(pictures.numpy())))
        torch.testing.assert_close(prior.statistic(pictures).double(), expected, **TOLERANCE)
        expected = torch.tensor(penalty(pictures.numpy()), dtype=torch.float64)
        torch.testing.assert_close(prior.penalty(pictures), expected, **TOLERANCE)


# Both sides work in float64 and differ in the order of their sums only; bracketing the minimum of
# a likelihood is good for about the square root of the machine's precision.
TOLERANCE = {"rtol": 1e-6, "atol": 1e-7}


def moves(
    prior: Prior, start: Tensor, distance: Callable[[Tensor], float], steps: int = 20
) -> None:
    """Optimiser steps on the penalty alone bring the statistic nearer to its target."""
    free = start.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([free], lr=0.05 * float(start.std()))
    before, penalty = distance(start), float(prior.penalty(start))
    for _ in range(steps):
        optimizer.zero_grad()
        prior.penalty(free).backward()
        optimizer.step()
    after = free.detach()
    assert float(prior.penalty(after)) < 0.95 * penalty
    assert distance(after) < 0.95 * before


# --- the list ------------------------------------------------------------------------------------


def shapes(prior: Prior) -> None:
    pictures = latent(batch=2, channels=4)
    assert prior.statistic(pictures).shape == (4,)
    assert prior.penalty(pictures).shape == ()
    rows = pictures.expand(5, 1, *pictures.shape)
    assert prior.statistic(rows).shape == (5, 1, 4)
    assert prior.penalty(rows).shape == (5, 1)
    assert prior.penalty(pictures.float()).dtype == torch.float32


def leading_axes_are_a_loop(prior: Prior) -> None:
    rows = torch.stack([latent(seed=10 * row) * (1 + row) for row in range(4)]).unflatten(0, (2, 2))
    statistic, penalty = prior.statistic(rows), prior.penalty(rows)
    for row in np.ndindex(2, 2):
        torch.testing.assert_close(statistic[row], prior.statistic(rows[row]))
        torch.testing.assert_close(penalty[row], prior.penalty(rows[row]))
    assert penalty.unique().numel() == 4  # or nothing was tested


def repeated_batch_is_the_same(prior: Prior) -> None:
    one = latent(batch=1)
    twice = torch.cat([one, one])
    torch.testing.assert_close(prior.statistic(twice), prior.statistic(one))
    torch.testing.assert_close(prior.penalty(twice), prior.penalty(one))


def order_of_sentences_is_nothing(prior: Prior) -> None:
    pictures = latent(batch=4)
    torch.testing.assert_close(prior.statistic(pictures.flip(0)), prior.statistic(pictures))
    torch.testing.assert_close(prior.penalty(pictures.flip(0)), prior.penalty(pictures))


def channels_permute(prior: Prior) -> None:
    pictures, order = latent(channels=4), [2, 0, 3, 1]
    shuffled = pictures[..., order]
    torch.testing.assert_close(prior.statistic(shuffled), prior.statistic(pictures)[order])
    torch.testing.assert_close(prior.penalty(shuffled), prior.penalty(pictures))


def mirrors_and_transposes_are_nothing(prior: Prior) -> None:
    pictures = latent()
    for same in (pictures.flip(1), pictures.flip(2), pictures.transpose(1, 2)):
        torch.testing.assert_close(prior.statistic(same), prior.statistic(pictures))
        torch.testing.assert_close(prior.penalty(same), prior.penalty(pictures))


def gradients_are_right(prior: Prior) -> None:
    pictures = latent(batch=2, height=8, width=16, channels=2).requires_grad_()

    def summed(point: Tensor) -> Tensor:  # not a mean over pixels: its slopes would drown in atol
        return point.numel() * prior.penalty(point)

    assert torch.autograd.gradcheck(summed, (pictures,), fast_mode=True, atol=1e-6, rtol=1e-4)


def gradients_differ_between_pictures(prior: Prior) -> None:
    slope = gradient(prior, latent())
    assert (slope.square().mean((1, 2)) > 0).all()  # every sentence and channel is pulled


def scale_is_the_variance_priors_business(prior: Prior) -> None:
    pictures = latent()
    value, slope = prior.penalty(pictures), gradient(prior, pictures)
    if isinstance(prior, Variance):
        assert abs(prior.penalty(2 * pictures) - value) > 0.1
        return
    for scale in (1e-2, 1.0, 1e2):
        other = scale * pictures - 3 * scale
        torch.testing.assert_close(prior.penalty(other), value)
        torch.testing.assert_close(gradient(prior, other) * scale, slope, rtol=1e-5, atol=1e-9)


def offsets_are_nothing(prior: Prior) -> None:
    pictures = latent()
    torch.testing.assert_close(prior.statistic(pictures - 3), prior.statistic(pictures))
    torch.testing.assert_close(prior.penalty(pictures - 3), prior.penalty(pictures))
    torch.testing.assert_close(gradient(prior, pictures - 3), gradient(prior, pictures))


def single_precision_is_enough(prior: Prior) -> None:
    pictures = latent(dtype=torch.float32)
    double = pictures.double()
    torch.testing.assert_close(
        prior.penalty(pictures).double(), prior.penalty(double), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(
        prior.statistic(pictures).double(), prior.statistic(double).double(), rtol=1e-4, atol=1e-5
    )
    slope = gradient(prior, double)
    error = (gradient(prior, pictures).double() - slope).norm() / slope.norm()
    assert error < 1e-3


def extremes() -> dict[str, Tensor]:
    noise = latent(2, 16, 24, 2, dtype=torch.float32)
    one_pixel = torch.zeros_like(noise)
    one_pixel[0, 3, 5, 1] = 1.0
    half = noise.clone()
    half[..., 0] = 0.0
    edge = torch.ones_like(noise)
    edge[:, 7:] = -1.0
    return {
        "zero": torch.zeros_like(noise),
        "constant": torch.full_like(noise, 7.3),
        "one pixel": one_pixel,
        "one dead channel": half,
        "an edge": edge,
        "checkerboard": 1
        - 2.0
        * (torch.arange(16)[:, None] + torch.arange(24))
        .remainder(2)[None, :, :, None]
        .expand_as(noise),
        "huge": 1e4 * noise,
        "tiny": 1e-8 * noise,
        "tiny on an offset": 1e-8 * noise + 1,
    }


def finite_everywhere(prior: Prior) -> None:
    for name, pictures in extremes().items():
        assert torch.isfinite(prior.statistic(pictures)).all(), name
        assert torch.isfinite(prior.penalty(pictures)), name
        assert prior.penalty(pictures) >= 0, name
        assert torch.isfinite(gradient(prior, pictures)).all(), name


def no_side_effects(prior: Prior) -> None:
    pictures = latent()
    before = pictures.clone()
    states = torch.get_rng_state(), random.getstate(), repr(np.random.get_state())  # noqa: NPY002
    prior.statistic(pictures)
    gradient(prior, pictures)
    assert torch.equal(pictures, before)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert repr(np.random.get_state()) == states[2]  # noqa: NPY002


def weights_do_not_matter_inside(prior: Prior) -> None:
    pictures = latent()
    heavy = replace(prior, weight=17.0)
    assert torch.equal(heavy.penalty(pictures), prior.penalty(pictures))
    assert torch.equal(heavy.statistic(pictures), prior.statistic(pictures))


def wrong_weights_are_named(prior: Prior) -> None:
    for weight in (-1, -1e-9, math.nan, math.inf):
        with pytest.raises(UserError, match=rf"^priors\.\w+\.weight .*{weight}\.$"):
            replace(prior, weight=weight)
    assert replace(prior, weight=0).weight == 0


def is_frozen(prior: Prior) -> None:
    with pytest.raises(FrozenInstanceError):
        prior.weight = 1.0  # type: ignore[misc]


def search_holds_the_documented_weight(prior: Prior) -> None:
    low, high = prior.search
    assert 0 < low <= high < math.inf
    declared = type(prior)().weight
    assert declared == 0 or low <= declared <= high


def margins_are_signed(prior: Prior) -> None:
    margin = prior.margin(prior.statistic(latent()))
    assert (margin is None) == (prior.criterion is None)
    if margin is not None:
        assert math.isfinite(margin)
        assert math.isnan(prior.margin(torch.full((4,), math.nan)) or 0.0)


CHECKS: list[Check] = [
    shapes,
    leading_axes_are_a_loop,
    repeated_batch_is_the_same,
    order_of_sentences_is_nothing,
    channels_permute,
    mirrors_and_transposes_are_nothing,
    gradients_are_right,
    gradients_differ_between_pictures,
    scale_is_the_variance_priors_business,
    offsets_are_nothing,
    single_precision_is_enough,
    finite_everywhere,
    no_side_effects,
    weights_do_not_matter_inside,
    wrong_weights_are_named,
    is_frozen,
    search_holds_the_documented_weight,
    margins_are_signed,
]
