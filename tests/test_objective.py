"""The training loss is the weighted sum of the penalties, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import contract
import pytest
import torch

from vlatent.objective import loss
from vlatent.priors import (
    Contours,
    Decorrelation,
    Kurtosis,
    Priors,
    Spectrum,
    TotalVariation,
    Variance,
    Wavelet,
)

WEIGHTS = {
    "spectrum": 0.5,
    "total_variation": 0.1,
    "wavelet": 0.1,
    "kurtosis": 0.05,
    "decorrelation": 0.05,
    "variance": 0.05,
    "contours": 0.0,
}


def test_documented_weights() -> None:
    assert {name: prior.weight for name, prior in Priors()} == WEIGHTS


def test_weighted_sum_by_hand() -> None:
    priors = Priors(
        spectrum=Spectrum(weight=2.0),
        total_variation=TotalVariation(weight=0.25),
        wavelet=Wavelet(weight=3.0),
        kurtosis=Kurtosis(weight=0.5),
        decorrelation=Decorrelation(weight=7.0),
        variance=Variance(weight=0.125),
        contours=Contours(weight=0.375),
    )
    pictures = contract.latent()
    terms = loss(priors, pictures)
    by_hand = (
        2.0 * Spectrum().penalty(pictures)
        + 0.25 * TotalVariation().penalty(pictures)
        + 3.0 * Wavelet().penalty(pictures)
        + 0.5 * Kurtosis().penalty(pictures)
        + 7.0 * Decorrelation().penalty(pictures)
        + 0.125 * Variance().penalty(pictures)
        + 0.375 * Contours().penalty(pictures)
    )
    torch.testing.assert_close(terms.total, by_hand)
    assert list(terms.penalties) == list(terms.weighted) == list(WEIGHTS)
    for name, prior in priors:
        torch.testing.assert_close(terms.penalties[name], prior.penalty(pictures))
        torch.testing.assert_close(terms.weighted[name], prior.weight * prior.penalty(pictures))


def test_prior_without_weight_is_not_evaluated() -> None:
    cannot_be_halved = contract.latent(height=10, width=14)
    with pytest.raises(ValueError, match="Haar"):
        loss(Priors(), cannot_be_halved)
    terms = loss(Priors(wavelet=Wavelet(weight=0.0)), cannot_be_halved)
    assert "wavelet" not in terms.penalties
    assert "wavelet" not in terms.weighted
    assert torch.isfinite(terms.total)


def test_no_priors_at_all() -> None:
    nothing = Priors(**{name: replace(prior, weight=0.0) for name, prior in Priors()})  # type: ignore[arg-type]
    pictures = contract.latent().requires_grad_()
    terms = loss(nothing, pictures)
    terms.total.backward()
    assert terms.total == 0
    assert pictures.grad is not None
    assert (pictures.grad == 0).all()


def test_leading_axes_hold_independent_batches() -> None:
    rows = torch.stack([contract.latent(seed=seed) for seed in (0, 10, 20)])
    terms = loss(Priors(), rows)
    assert terms.total.shape == (3,)
    for row in range(3):
        torch.testing.assert_close(terms.total[row], loss(Priors(), rows[row]).total)


def test_gradient_is_the_weighted_sum_of_gradients() -> None:
    pictures = contract.latent().requires_grad_()
    found = torch.autograd.grad(loss(Priors(), pictures).total, pictures)[0]
    by_hand = sum(prior.weight * contract.gradient(prior, pictures) for _, prior in Priors())
    torch.testing.assert_close(found, by_hand)
