"""Whether a user's own priors and terms do what they must: tried on a tiny random latent.

What fails here would fail at the first step, or be recorded as a wrong number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from vlatent.evaluation import Evaluation, judge
from vlatent.priors import Prior, Priors
from vlatent.shapes import UserError
from vlatent.statistics import STATISTICS, of_priors
from vlatent.terms import Term, Terms, Views

BATCH = 3


def require_sound_priors(priors: Priors, size: Sequence[int], built_in: Evaluation) -> None:
    """Try every prior of the user's own.

    Args:
        priors: All priors.
        size: Height, width and channels of the latent.
        built_in: An evaluation by the declared priors alone, for the names that are taken.

    Raises:
        UserError: One is named as something else that is measured, or its statistic, its penalty
            or its margin is not what it must be: says how.
    """
    criteria = judge([built_in], built_in.step, Priors()).criteria
    taken = {*built_in.channels, *(line.name for line in criteria), *(n for n, _ in Terms())}
    labels = {statistic.label for statistic in STATISTICS.values()}
    for name, statistic in of_priors(priors).items():
        if name not in priors.own:
            continue
        key = f"priors.{name}"
        if name in taken:
            raise UserError(f"{key}: something else that is recorded has this name; take another.")
        if statistic.label in labels:
            raise UserError(
                f"{key}: {statistic.label!r} is the label of another statistic; give its class "
                "another one, label = ..."
            )
        labels.add(statistic.label)
        _require_sound_prior(getattr(priors, name), key, size)


def require_sound_terms(terms: Terms, size: Sequence[int]) -> None:
    """Try every term of the user's own.

    Args:
        terms: All terms.
        size: Height, width and channels of the latent.

    Raises:
        UserError: One is named as a prior, or its penalty is not what it must be: says how.
    """
    for name in terms.own:
        if name in dict(Priors()):
            raise UserError(f"terms.{name}: there is a prior of this name; take another.")
        term = getattr(terms, name)
        assert isinstance(term, Term)
        count = max(terms.counterfactuals, getattr(term, "counterfactuals", 0))
        views = Views(
            _noise(size).requires_grad_(),
            _noise(size, seed=1),
            _noise(size, seed=2).repeat_interleave(count, dim=0),
            torch.eye(BATCH, dtype=torch.bool),
            terms.on,
            lambda latent: latent.flatten(1, 2).mean(1),
        )
        _require_penalty(partial(term.penalty, views), views.sentences, f"terms.{name}")


def require_leading_axes(priors: Priors, size: Sequence[int]) -> None:
    """Look whether own priors keep independent batches apart, as a screening without encoder needs.

    Raises:
        UserError: A penalty of several batches is not one number for each.
    """
    batches = torch.stack([_noise(size), _noise(size, seed=1)])
    for name in priors.own:
        both = getattr(priors, name).penalty(batches)
        if both.shape != (2,):
            raise UserError(
                f"priors.{name}: the penalty of 2 batches, {_shape(batches)}, must be one number "
                f"for each, [2], but is {_shape(both)}: count axes from the end, mean((-4, -3, -2, "
                "-1)) for instance; or omit study.rehearse."
            )


def _require_sound_prior(prior: Prior, key: str, size: Sequence[int]) -> None:
    latent = _noise(size).requires_grad_()
    _require_penalty(partial(prior.penalty, latent), latent, key)
    statistic = _returned(partial(prior.statistic, latent.detach()), f"{key}: its statistic")
    if statistic.shape != (size[-1],):
        raise UserError(
            f"{key}: its statistic of a latent {_shape(latent)} must be one number a channel, "
            f"[{size[-1]}], but is {_shape(statistic)}; mean((-4, -3, -2)) leaves the channels."
        )
    if not torch.isfinite(statistic).all():
        raise UserError(f"{key}: its statistic of random numbers is not finite.")
    try:
        margin = prior.margin(statistic.float())
    except Exception as error:
        raise UserError(f"{key}: its margin failed ({_said(error)}).") from error
    if not isinstance(margin, float | int | None) or (margin is not None and math.isnan(margin)):
        raise UserError(f"{key}: its margin must be a number or None, but is {margin!r:.60}.")


def _require_penalty(compute: Callable[[], Tensor], latent: Tensor, key: str) -> None:
    what = f"{key}: its penalty"
    penalty = _returned(compute, what)
    if penalty.shape != ():
        raise UserError(
            f"{what} of a latent {_shape(latent)} must be one number for the batch, [], but is "
            f"{_shape(penalty)}; end it with .mean((-2, -1)) or the like."
        )
    if not torch.isfinite(penalty):
        raise UserError(f"{what} of random numbers is {penalty.item()}.")
    gradient = None
    if penalty.requires_grad:
        [gradient] = torch.autograd.grad(penalty, latent, allow_unused=True)
    if gradient is None:
        raise UserError(
            f"{what} has no gradient: compute it from the latent by PyTorch, without detach(), "
            "item() or NumPy."
        )
    if not torch.isfinite(gradient).all():
        raise UserError(f"{what} of random numbers has a gradient that is not finite.")


def _returned(compute: Callable[[], Tensor], what: str) -> Tensor:
    """The tensor of floats that the user's code returns."""
    try:
        value = compute()
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{what} failed on a latent of random numbers ({_said(error)}).") from error
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise UserError(f"{what} must be a tensor of floats, but is of type {kind}.")
    return value


def _noise(size: Sequence[int], seed: int = 0) -> Tensor:
    return torch.randn(BATCH, *size, generator=torch.Generator().manual_seed(seed))


def _shape(value: Tensor) -> str:
    return f"{list(value.shape)}"


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split()):.200}"
