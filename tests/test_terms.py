"""Contrast and invariance: independent formulas, limits, and the direction of descent."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torch import Tensor
from torch.nn.functional import normalize

from vlatent.objective import loss
from vlatent.priors import Priors
from vlatent.shapes import UserError
from vlatent.terms import Contrast, Invariance, Terms, Views, represent
from vlatent.terms.contrast import info_nce, spread

ROWS, OTHERS, FEATURES = 6, 3, 5


def rows(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


def views(scale: float = 1.0, counterfactuals: int = 2, on: str = "latent") -> Views:
    generator = torch.Generator().manual_seed(3)
    count = 4 + 4 + 4 * counterfactuals
    pictures = scale * torch.randn(count, 16, 16, 3, generator=generator)
    same = torch.eye(4, dtype=torch.bool)
    parts = pictures.tensor_split([4, 8])
    return Views(*parts, same, on, lambda latent: latent.mean((1, 2)))  # type: ignore[arg-type]


def by_loops(query: Tensor, right: Tensor, other: Tensor, same: Tensor, t: float) -> float:
    """Row by row and candidate by candidate, as the formula is written."""
    lost = []
    for i in range(len(query)):
        candidates = [right[j] for j in range(len(right)) if j == i or not same[i, j]]
        candidates += list(other[i])
        likeness = [math.exp(float(query[i] @ each) / t) for each in candidates]
        lost.append(-math.log(math.exp(float(query[i] @ right[i]) / t) / sum(likeness)))
    return float(np.mean(lost))


@pytest.mark.parametrize("others", [0, OTHERS])
def test_info_nce_is_the_formula(others: int) -> None:
    query, right = rows(ROWS, FEATURES), rows(ROWS, FEATURES, seed=1)
    other = rows(ROWS, others, FEATURES, seed=2)
    same = torch.eye(ROWS, dtype=torch.bool)
    same[0, 3] = same[3, 0] = True
    found = float(info_nce(query, right, other, same, 0.2))
    assert found == pytest.approx(by_loops(query, right, other, same, 0.2), rel=1e-12)


def test_info_nce_is_scikit_learns_log_loss() -> None:
    query, right = rows(ROWS, FEATURES), rows(ROWS, FEATURES, seed=1)
    chance = torch.softmax(query @ right.T / 0.07, dim=1).numpy()
    found = info_nce(query, right, rows(ROWS, 0, FEATURES), torch.eye(ROWS, dtype=torch.bool), 0.07)
    assert float(found) == pytest.approx(log_loss(np.arange(ROWS), chance), rel=1e-12)


def test_limits_of_info_nce() -> None:
    same = torch.eye(ROWS, dtype=torch.bool)
    equal = torch.ones(ROWS, FEATURES, dtype=torch.float64) / math.sqrt(FEATURES)
    other = equal[:, None].expand(-1, OTHERS, -1)
    found = info_nce(equal, equal, other, same, 0.07)
    assert float(found) == pytest.approx(math.log(ROWS + OTHERS))
    apart = torch.eye(2, dtype=torch.float64)[:, :1] * 2 - 1  # two rows, opposite to one another
    alone = torch.eye(2, dtype=torch.bool)
    perfect = info_nce(apart, apart, -apart[:, None], alone, 0.07)
    assert 0 <= float(perfect) < 1e-9


def test_who_means_the_same_is_not_held_against_a_sentence() -> None:
    query, right, none = rows(2, FEATURES), rows(2, FEATURES, seed=1), rows(2, 0, FEATURES)
    assert float(info_nce(query, right, none, torch.ones(2, 2, dtype=torch.bool), 0.1)) == 0
    assert float(info_nce(query, right, none, torch.eye(2, dtype=torch.bool), 0.1)) > 0


def test_contrast_is_the_mean_of_both_ways() -> None:
    seen = views()
    rows_of = [
        seen.represent(each) for each in (seen.sentences, seen.paraphrases, seen.counterfactuals)
    ]
    query, right, other = rows_of[0], rows_of[1], rows_of[2].unflatten(0, (4, 2))
    both = (
        by_loops(query, right, other, seen.same, 0.07),
        by_loops(right, query, other, seen.same, 0.07),
    )
    assert float(Contrast().penalty(seen)) == pytest.approx(np.mean(both), rel=1e-5)


def test_descent_draws_the_paraphrase_near_and_pushes_the_others_away() -> None:
    query, right = rows(ROWS, FEATURES), rows(ROWS, FEATURES, seed=1)
    other = rows(ROWS, OTHERS, FEATURES, seed=2)
    moved = query.clone().requires_grad_()
    same = torch.eye(ROWS, dtype=torch.bool)
    info_nce(moved, right, other, same, 0.5).backward()
    assert moved.grad is not None
    after = normalize(query - 0.1 * moved.grad, dim=-1)
    own = ((after - query) * right).sum(1)
    assert (own > 0).all()
    among = (after - query) @ right.T
    against = torch.einsum("rf,rnf->rn", after - query, other)
    assert among[~same].mean() < 0
    assert against.mean() < 0


def test_gradients_of_info_nce() -> None:
    inputs = (rows(3, 4), rows(3, 4, seed=1), rows(3, 2, 4, seed=2))
    same = torch.eye(3, dtype=torch.bool)
    assert torch.autograd.gradcheck(
        lambda *given: info_nce(*given, same, 0.3), [each.requires_grad_() for each in inputs]
    )


def test_spread_against_numpy_and_at_its_limits() -> None:
    embeddings = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)).double()
    covariance = np.cov(embeddings.numpy(), rowvar=False)
    hinge = np.maximum(0, 1 - np.sqrt(np.diag(covariance) + 1e-4)).mean()
    others = (covariance**2).sum() - (np.diag(covariance) ** 2).sum()
    assert float(spread(embeddings)) == pytest.approx(hinge + others / 4)
    assert float(spread(torch.ones(8, 4))) == pytest.approx(0.99)
    wide = 3 * torch.cat([torch.eye(4), -torch.eye(4)]).double()
    assert float(spread(wide)) == pytest.approx(0, abs=1e-12)
    spread_out = replace(Contrast(), spread=2.0).penalty(views(on="embedding"))
    seen = views(on="embedding")
    pooled = torch.cat([seen.embed(seen.sentences), seen.embed(seen.paraphrases)])
    expected = Contrast().penalty(seen) + 2 * spread(pooled)
    torch.testing.assert_close(spread_out, expected)


def test_invariance_by_hand() -> None:
    seen = views()
    still = Invariance(shift=0, blur=0.0, probability=0.0)
    cosine = (seen.represent(seen.sentences) * seen.represent(seen.paraphrases)).sum(1)
    assert float(still.penalty(seen)) == pytest.approx(float((2 - 2 * cosine).mean()), rel=1e-5)
    equal = replace(seen, paraphrases=seen.sentences)
    assert float(still.penalty(equal)) == pytest.approx(0, abs=1e-9)
    opposite = replace(seen, paraphrases=-seen.sentences)
    assert float(still.penalty(opposite)) == pytest.approx(4, rel=1e-5)
    torch.manual_seed(5)
    first = Invariance().penalty(equal)
    torch.manual_seed(5)
    assert torch.equal(Invariance().penalty(equal), first)
    assert float(first) > 0.05  # white noise is not what it was after a shift


@pytest.mark.parametrize("on", ["coarse", "latent", "embedding"])
def test_representations_have_length_1_and_are_what_they_say(on: str) -> None:
    latent = torch.randn(3, 32, 32, 2, generator=torch.Generator().manual_seed(0))
    found = represent(latent, on, lambda latent: latent.amax((1, 2)))  # type: ignore[arg-type]
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
    pixels = latent.numpy()
    blocks = pixels.reshape(3, 8, 4, 8, 4, 2).mean((2, 4)).transpose(0, 3, 1, 2)
    expected = {
        "coarse": blocks.reshape(3, -1),
        "latent": pixels.reshape(3, -1),
        "embedding": pixels.max((1, 2)),
    }[on]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["contrast", "invariance"])
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1.0, 1e6])
def test_terms_are_finite_whatever_the_pictures(name: str, scale: float) -> None:
    seen = views(scale)
    pictures = seen.sentences.clone().requires_grad_()
    penalty = dict(Terms())[name].penalty(replace(seen, sentences=pictures))
    penalty.backward()
    assert pictures.grad is not None
    assert torch.isfinite(penalty)
    assert torch.isfinite(pictures.grad).all()


def test_a_term_of_weight_zero_is_not_evaluated() -> None:
    broken = replace(views(), sentences=torch.full((4, 16, 16, 3), math.nan))
    latent = views().sentences
    terms = loss(Priors(), latent, Terms(), broken)
    assert list(terms.penalties) == [name for name, prior in Priors() if prior.weight > 0]
    assert torch.equal(terms.total, loss(Priors(), latent).total)


def test_terms_are_added_with_their_weights() -> None:
    chosen = Terms(
        on="latent",
        contrast=Contrast(weight=3.0),
        invariance=Invariance(weight=0.5, shift=0, blur=0.0, probability=0.0),
    )
    seen = views()
    found = loss(Priors(), seen.sentences, chosen, seen)
    by_hand = loss(Priors(), seen.sentences).total
    by_hand = by_hand + 3 * chosen.contrast.penalty(seen) + 0.5 * chosen.invariance.penalty(seen)
    torch.testing.assert_close(found.total, by_hand)
    assert list(found.weighted)[-2:] == ["contrast", "invariance"]


def test_terms_are_off_unless_a_weight_is_set() -> None:
    assert not Terms().active
    assert Terms().counterfactuals == 0
    assert Terms(invariance=Invariance(weight=0.1)).active
    assert Terms(invariance=Invariance(weight=0.1)).counterfactuals == 0
    assert Terms(contrast=Contrast(weight=0.1, counterfactuals=3)).counterfactuals == 3


def test_invariance_counts_from_its_start_on() -> None:
    terms = Terms(contrast=Contrast(weight=1.0), invariance=Invariance(weight=0.2, start=7))
    assert terms.at(6) == replace(terms, invariance=replace(terms.invariance, weight=0.0))
    assert terms.at(7) is terms.at(8) is terms


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_weights_are_numbers(weight: float) -> None:
    for term in (Contrast, Invariance):
        with pytest.raises(UserError, match=rf"^terms\.{term.__name__.lower()}\.weight"):
            term(weight=weight)
