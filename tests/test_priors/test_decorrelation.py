"""Decorrelation: NumPy's correlation matrix as the reference, independent fields as the scale."""

from __future__ import annotations

import math

import contract
import numpy as np
import pytest
import references
import torch
from fields import power_law

from vlatent.priors import Decorrelation
from vlatent.priors.decorrelation import correlation_matrix, modes
from vlatent.shapes import UserError

PRIOR = Decorrelation()


SENTENCE_BY_SENTENCE = Decorrelation(over="sentence")


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("prior", [PRIOR, SENTENCE_BY_SENTENCE], ids=lambda prior: prior.over)
def test_contract(check: contract.Check, prior: Decorrelation) -> None:
    check(prior)


def test_sentence_by_sentence_is_the_mean_of_each_ones_correlations() -> None:
    pictures = contract.latent(5, 24, 40, 4)
    squared = [
        np.corrcoef(each.reshape(-1, 4).numpy().T)[np.triu_indices(4, 1)] ** 2 for each in pictures
    ]
    assert SENTENCE_BY_SENTENCE.penalty(pictures).item() == pytest.approx(np.mean(squared))


def test_signs_that_change_with_the_sentence_hide_nothing_sentence_by_sentence() -> None:
    one = contract.latent(8, 16, 24, 1)
    signs = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(4)[:, None, None, None]
    pair = torch.cat([one, signs * one], dim=-1)
    assert PRIOR.penalty(pair) < 0.1
    assert SENTENCE_BY_SENTENCE.penalty(pair).item() == pytest.approx(1.0)


def test_reference() -> None:
    pictures = contract.latent(3, 24, 40, 4)
    found = PRIOR.statistic(pictures).numpy()
    np.testing.assert_allclose(found, references.decorrelation_statistic(pictures.numpy()))
    penalty = references.decorrelation_penalty(pictures.numpy())
    assert PRIOR.penalty(pictures).item() == pytest.approx(penalty)
    one = pictures[:1]  # of one picture it is Pearson's
    np.testing.assert_allclose(
        correlation_matrix(one).numpy(), np.corrcoef(one.reshape(-1, 4).numpy().T)
    )


def test_means_that_differ_between_sentences_are_no_way_out() -> None:
    alike = contract.latent(8, 16, 24, 1).expand(-1, -1, -1, 3)
    generator = torch.Generator().manual_seed(0)
    shifted = alike + 10 * torch.randn(8, 1, 1, 3, dtype=torch.float64, generator=generator)
    pooled = np.abs(np.corrcoef(shifted.reshape(-1, 3).numpy().T))
    assert pooled[np.triu_indices(3, 1)].max() < 0.9  # how it is escaped when means count
    torch.testing.assert_close(PRIOR.statistic(shifted), torch.ones(3, dtype=torch.float64))
    assert PRIOR.penalty(shifted).item() == pytest.approx(1.0)


def test_one_channel_has_none_to_resemble() -> None:
    pictures = contract.latent(channels=1)
    assert PRIOR.statistic(pictures).item() == pytest.approx(0.0, abs=1e-12)
    assert PRIOR.penalty(pictures).item() == pytest.approx(0.0, abs=1e-12)


def test_equal_opposite_and_orthogonal() -> None:
    one = contract.latent(channels=1)
    equal = torch.cat([one, 2 * one + 1, -0.5 * one], dim=-1)
    torch.testing.assert_close(PRIOR.statistic(equal), torch.ones(3, dtype=torch.float64))
    assert PRIOR.penalty(equal).item() == pytest.approx(1.0)
    rows, columns = torch.arange(16) < 8, torch.arange(24) < 12
    edges = torch.stack(torch.broadcast_tensors(rows[:, None], columns[None, :]), -1)[None].double()
    assert PRIOR.statistic(edges).abs().max() < 1e-12
    assert PRIOR.penalty(edges) < 1e-12


def test_modes_are_the_participation_ratio() -> None:
    pictures = contract.latent(3, 24, 40, 4)
    eigenvalues = np.linalg.eigvalsh(correlation_matrix(pictures).numpy())
    found = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    for wanted in (1, 2, 2.5, 4):
        penalty = Decorrelation(modes=wanted).penalty(pictures).item()
        assert penalty == pytest.approx(math.log(found / wanted) ** 2)
    one, other = contract.latent(channels=2, seed=3).split(1, -1)
    two = torch.cat([one, other], -1)
    groups = torch.cat([one, 3 * one, other, -other], -1)
    same = Decorrelation(modes=modes(PRIOR.penalty(two), 2).item())
    assert same.penalty(groups) == pytest.approx(0, abs=1e-10)  # two groups of equal channels


def test_steps_move_the_number_of_modes_to_its_target() -> None:
    start = torch.tensor(power_law(2, 24, 16, 24, seed=1)).unflatten(0, (4, 6)).movedim(1, -1)
    contract.moves(
        Decorrelation(modes=2),
        start,
        lambda x: abs(modes(PRIOR.penalty(x), 6).log().item() - math.log(2)),
        steps=60,
    )


def test_with_modes_nothing_is_judged_and_impossible_ones_are_refused() -> None:
    assert Decorrelation(modes=2).margin(torch.tensor([0.9, 0.9])) is None
    with pytest.raises(UserError, match=r"modes must be at least 1, or 0 .*, but got 0.5"):
        Decorrelation(modes=0.5)
    with pytest.raises(UserError, match=r"modes must be at least 0, but got -1"):
        Decorrelation(modes=-1)
    with pytest.raises(UserError, match=r"at most the number of channels, 3, but got 4"):
        Decorrelation(modes=4).penalty(contract.latent())


def test_mean_absolute_correlation_is_never_below_zero() -> None:
    for name, pictures in contract.extremes().items():
        assert (PRIOR.statistic(pictures) >= -1e-4).all(), (name, PRIOR.statistic(pictures))


def test_independent_fields_resemble_each_other_in_a_single_sample() -> None:
    pairs = torch.tensor(power_law(2, 1200, 32, 32, seed=8)).unflatten(0, (600, 2)).movedim(1, -1)
    correlation = correlation_matrix(pairs[:, None])[:, 0, 1]
    # 600 pairs: the deviation's own standard error is 3 %
    assert correlation.std().item() == pytest.approx(0.147, rel=0.1)
    assert abs(correlation.mean().item()) < 4 * 0.147 / 600**0.5
    pooled = correlation_matrix(pairs.unflatten(0, (20, 30)))[:, 0, 1]  # batches of 30
    assert pooled.std().item() == pytest.approx(0.147 / 30**0.5, rel=0.5)


def test_margin_is_the_mean() -> None:
    assert PRIOR.margin(torch.tensor([0.15, 0.05])) == pytest.approx(0, abs=1e-6)
    assert PRIOR.margin(torch.tensor([0.2, 0.2])) == pytest.approx(1)
    assert PRIOR.margin(torch.tensor([0.0, 0.0])) == pytest.approx(-1)


def test_steps_tell_channels_apart() -> None:
    shared = torch.tensor(power_law(2, 2, 16, 24, seed=1))[..., None]
    own = torch.tensor(power_law(2, 6, 16, 24, seed=2)).unflatten(0, (2, 3)).movedim(1, -1)
    start = shared + 0.5 * own
    assert (PRIOR.statistic(start) > 0.5).all()
    contract.moves(PRIOR, start, lambda x: float(PRIOR.statistic(x).mean()))
