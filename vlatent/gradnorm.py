"""GradNorm: weights by which the gradients of all losses get the norms that their progress asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from vlatent.annotations import Float

Losses = Float[Tensor, " loss"]
Gramian = Float[Tensor, "loss loss"]

ASYMMETRY = 1.5  # how much faster the slowest loss is to be trained; the paper's on NYUv2
RATE = 0.025  # of the Adam that learns the factors; the paper's
SMALLEST = 1e-8  # a loss below this, a hinge that is satisfied for instance, counts as this


class GradNorm(nn.Module):
    """Factors of losses, learned beside the model (Chen et al. 2018, algorithm 1).

    With G_k the norm of the gradient of f_k L_k, and the relative progress
    r_k = (L_k(t) / L_k(0)) / mean_j(L_j(t) / L_j(0)), a step of Adam lowers
    sum_k |G_k - mean_j(G_j) r_k^asymmetry| over the factors f_k, the wanted norms held constant;
    then negative ones are cut to 0, and all are divided by their mean. They begin at 1.

    Calibration: asymmetry 0 gives every loss the same norm. Two losses at their first values whose
    gradients have norms 3 and 1 get factors .975 and 1.025 after one step, 1/2 and 3/2 in the end.

    Args:
        count: Number of losses.
        asymmetry: How much larger the norms of losses shall be that have come less far.
    """

    def __init__(self, count: int, asymmetry: float = ASYMMETRY) -> None:
        super().__init__()
        self.asymmetry = asymmetry
        self.factors = nn.Parameter(torch.ones(count, dtype=torch.float64), requires_grad=False)
        self.first = nn.Parameter(torch.zeros(count, dtype=torch.float64), requires_grad=False)
        self.optimizer = torch.optim.Adam([self.factors], lr=RATE)

    def forward(self, losses: Losses, gramian: Callable[[], Gramian]) -> Losses:
        """The factors of this step; those of the next are learned from it.

        Args:
            losses: Before their factors.
            gramian: Products of the gradients of these losses, in any unit.
        """
        in_force = self.factors.clone()
        if not self.first.any():
            self.first.copy_(losses.clamp(min=SMALLEST))
        norms = gramian().diagonal().sqrt()
        progress = losses.clamp(min=SMALLEST) / self.first
        now = in_force * norms
        wanted = now.mean() * (progress / progress.mean()) ** self.asymmetry
        self.factors.grad = (now - wanted).sign() * norms
        self.optimizer.step()
        self.factors.clamp_(min=0)
        self.factors.div_(self.factors.mean())
        return in_force

    def get_extra_state(self) -> dict[str, Any]:
        """The moments of Adam, for a checkpoint."""
        return self.optimizer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state)
