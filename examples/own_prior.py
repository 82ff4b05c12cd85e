"""A prior of your own. In this folder, with sentences as the smoke config makes them:

vlatent study loss_weights --config smoke --priors.sharpness.class_path own_prior.Sharpness
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from vlatent import Prior


@dataclass(frozen=True, kw_only=True)
class Sharpness(Prior):
    """Energy of second differences over that of first ones: white noise has 3, a ramp 0.

    Attributes:
        weight: Factor of the penalty in the training loss.
        target: Sharpness that is wanted.
    """

    weight: float = 0.1
    target: float = 1.0

    search: ClassVar[tuple[float, float]] = (0.01, 1.0)  # weights that a study tries
    accepted: ClassVar[tuple[float, float]] = (0.5, 2.0)
    criterion: ClassVar[str] = "mean over channels from 0.5 to 2"  # without it, it is not judged

    def statistic(self, latent: Tensor) -> Tensor:
        """What is recorded: [batch, height, width, channel] to one number a channel."""
        first = latent.diff(dim=-2)
        energy = first.diff(dim=-2).square().mean((-4, -3, -2))
        return energy / (first.square().mean((-4, -3, -2)) + 1e-6)

    def penalty(self, latent: Tensor) -> Tensor:
        """What is trained: one number for the batch."""
        return (self.statistic(latent) - self.target).square().mean(-1)
