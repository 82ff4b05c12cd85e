"""Adaptive balancing: methods that set the weights in force anew in every step.

Each method gives every loss a factor f_k, and sum_k f_k w_k L_k is minimised, with the penalty L_k
and the config's weight w_k: all that a method sees, values and gradients, is multiplied by w_k.

Gradients are taken with respect to the latent, not the parameters: every loss reaches the encoder
through its latent alone, so sum_k f_k w_k dL_k/dV is carried on by one backward pass, whatever the
method (the feature-level form of Sener and Koltun 2018). It costs a pass through each penalty, and
none through the encoder; angles and norms are those at the latent. A loss without a gradient there,
such as a hinge that is satisfied, has no say in that step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from vlatent.gradnorm import SMALLEST, GradNorm, Gramian, Losses
from vlatent.objective import Loss, Method
from vlatent.priors import Priors
from vlatent.shapes import UserError
from vlatent.terms import Terms

EPOCH = 10  # steps over which dwa averages, since a run may be shorter than a pass over its text
CONFLICT_AVERSION = 0.4  # c of cagrad, the paper's


class Balance(nn.Module):
    """A method with its state, and the weights that were in force since they were last asked for.

    Fixed weights leave a loss as it is, to the last bit.

    Args:
        method: Its name.
        names: The losses, in their order.

    Raises:
        UserError: The package that has it is missing.
    """

    def __init__(self, method: Method, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        try:
            self.rule = None if method == "fixed" else _rule(method, len(names))
        except ImportError as error:
            raise UserError(
                f"objective.balance {method} needs torchjd and its solvers: pip install "
                f"'vlatent[balance]', or take gradnorm or fixed ({error})."
            ) from error
        self.steps = 0
        self.summed = torch.zeros(len(names), dtype=torch.float64)

    def forward(self, loss: Loss, features: Sequence[Tensor]) -> Loss:
        """The loss with the weights of the method in force.

        Args:
            loss: With the config's weights.
            features: What all penalties are functions of: the latents, before any blur.
        """
        if self.rule is None:
            return loss
        shares = [loss.weighted[name] for name in self.names]
        losses = torch.stack(shares).detach().double()
        factors = torch.ones_like(losses)
        if torch.isfinite(losses).all():  # else the step is not taken
            factors = self.rule(losses, lambda: _gramian(shares, features)).detach()
        weights = {
            name: factor.to(loss.total.dtype) * loss.weights[name]
            for name, factor in zip(self.names, factors, strict=True)
        }
        self.summed += torch.stack(list(weights.values())).double().cpu()
        self.steps += 1
        weighted = {name: weights[name] * loss.penalties[name] for name in self.names}
        total = torch.stack(list(weighted.values())).sum()
        return Loss(total, loss.penalties, weights, weighted)

    @property
    def learned(self) -> list[nn.Parameter]:
        """What a method learns with the encoder's parameters, by the same optimizer."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def in_force(self) -> dict[str, float]:
        """Mean weights of the steps since the last call, as metrics; none before the first step."""
        means = (self.summed / self.steps).tolist() if self.steps else []
        self.summed.zero_()
        self.steps = 0
        return {f"weight/{name}": mean for name, mean in zip(self.names, means, strict=False)}


def weighed(priors: Priors, terms: Terms) -> list[str]:
    """The losses that are trained, in their order."""
    trained = [name for name, prior in priors if prior.weight > 0]
    return trained + [name for name, term in terms if term.weight > 0]


def balance_of(method: Method, priors: Priors, terms: Terms) -> Balance:
    """The method over all losses that have a weight.

    Raises:
        UserError: It cannot be had, or balances nothing.
    """
    names = weighed(priors, terms)
    if method == "fixed":
        return Balance(method, names)
    if len(names) < 2:
        raise UserError(
            f"objective.balance {method} weighs losses against each other, but "
            f"{names[0] if names else 'none'} alone has a weight above 0."
        )
    for name, term in terms:
        if term.weight > 0 and getattr(term, "start", 0) > 0:
            raise UserError(
                f"objective.balance {method} weighs the same losses in every step: set "
                f"terms.{name}.start to 0."
            )
    return Balance(method, names)


def _gramian(losses: Sequence[Tensor], features: Sequence[Tensor]) -> Gramian:
    """Products of the gradients with respect to the latent, divided by their mean square norm."""
    rows = []
    for value in losses:
        parts = torch.autograd.grad(
            value, features, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        rows.append(torch.cat([part.flatten() for part in parts]).double())
    jacobian = torch.stack(rows)
    gramian = (jacobian @ jacobian.T).nan_to_num(0.0, 0.0, 0.0)  # such a step is not taken
    return gramian / gramian.diagonal().mean().clamp(min=torch.finfo(gramian.dtype).tiny)


class _ByGradients(nn.Module):
    """One of torchjd's weightings, which keep nothing from one step to the next."""

    def __init__(self, weighting: Callable[[Gramian], Tensor]) -> None:
        super().__init__()
        self.weighting = weighting

    def forward(self, losses: Losses, gramian: Callable[[], Gramian]) -> Losses:
        products = gramian()
        factors = torch.ones_like(losses)
        asked = products.diagonal() > 0
        if asked.any():
            factors[asked] = self.weighting(products[asked][:, asked])
        return factors


class _ByLosses(nn.Module):
    """One of torchjd's scalarizers: the factors are its derivatives with respect to the losses.

    Parameters that it learns get their gradient, and are trained with the encoder's.
    """

    def __init__(self, scalarizer: nn.Module) -> None:
        super().__init__()
        self.scalarizer = scalarizer

    def forward(self, losses: Losses, gramian: Callable[[], Gramian]) -> Losses:
        values = losses.clamp(min=SMALLEST).requires_grad_()
        learned = list(self.scalarizer.parameters())
        factors, *gradients = torch.autograd.grad(self.scalarizer(values), [values, *learned])
        for parameter, gradient in zip(learned, gradients, strict=True):
            parameter.grad = gradient
        return factors


class _ByRates(_ByLosses):
    """Dynamic weight average; its history is the losses of the last epochs, played again."""

    def __init__(self, scalarizer: Any) -> None:
        super().__init__(scalarizer)
        self.seen: list[Tensor] = []

    def forward(self, losses: Losses, gramian: Callable[[], Gramian]) -> Losses:
        factors = super().forward(losses, gramian)
        self.seen.append(losses)
        if len(self.seen) % EPOCH == 0:
            cast(Any, self.scalarizer).step()
            self.seen = self.seen[-2 * EPOCH :]
        return factors

    def get_extra_state(self) -> list[Tensor]:
        return self.seen

    def set_extra_state(self, state: list[Tensor]) -> None:
        for losses in state:
            self(losses, dict)


def _rule(method: Method, count: int) -> nn.Module:
    """The method's rule: factors from the losses and their Gramian."""
    if method == "gradnorm":
        return GradNorm(count)
    from torchjd import aggregation, scalarization

    def nash(gramian: Gramian) -> Tensor:
        """G f = 1 / f, the bargaining solution: FairGrad with alpha 1, on gradients of length 1."""
        norms = gramian.diagonal().sqrt()
        fair = aggregation.FairGradWeighting(alpha=1.0)
        return fair(gramian / torch.outer(norms, norms)) / norms

    rules: Mapping[str, Callable[[], nn.Module]] = {
        "uncertainty": lambda: _ByLosses(scalarization.UW(count)),
        "dwa": lambda: _ByRates(scalarization.DWA()),
        "random": lambda: _ByLosses(scalarization.Random()),
        "pcgrad": lambda: _ByGradients(aggregation.PCGradWeighting()),
        "mgda": lambda: _ByGradients(aggregation.MGDAWeighting()),
        "cagrad": lambda: _ByGradients(aggregation.CAGradWeighting(c=CONFLICT_AVERSION)),
        "imtl_g": lambda: _ByGradients(aggregation.IMTLGWeighting()),
        "nash_mtl": lambda: _ByGradients(nash),
        "upgrad": lambda: _ByGradients(aggregation.UPGradWeighting()),
    }
    return rules[method]()
