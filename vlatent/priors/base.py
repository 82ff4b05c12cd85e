"""What every prior has: a weight, a range worth searching, a statistic and a penalty."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from vlatent.annotations import Float, NonNegativeFloat
from vlatent.bounds import require_bounds
from vlatent.shapes import HEIGHT, WIDTH, Latent, PerBatch, PerChannel

# Standard deviations below this count as this: gradients of scale-free penalties grow like
# 1 / sigma and must stay finite when a latent collapses.
STANDARD_DEVIATION_FLOOR = 1e-3


@dataclass(frozen=True, kw_only=True)
class Prior(metaclass=ABCMeta):
    """An analytic property of natural images that a latent is pulled towards.

    Attributes:
        weight: Factor of the penalty in the training loss.
    """

    weight: NonNegativeFloat

    search: ClassVar[tuple[float, float]]  # weights that a study tries, log-uniformly
    least: ClassVar[dict[str, float]] = {}  # smallest and largest values that make sense
    most: ClassVar[Mapping[str, float]] = {}
    criterion: ClassVar[str | None] = None  # what `margin` asks for, in words

    def __post_init__(self) -> None:
        name = type(self).__module__.rpartition(".")[2]
        require_bounds(f"priors.{name}", self, {"weight": 0} | self.least, self.most)

    @abstractmethod
    def statistic(self, latent: Latent) -> PerChannel:
        """What is logged: one number a channel, which never depends on the weight."""

    @abstractmethod
    def penalty(self, latent: Latent) -> PerBatch:
        """What is trained: one number for the whole batch, 0 or more."""

    def margin(self, statistic: PerChannel) -> float | None:
        """Signed distance to the pass criterion in units of its tolerance; it holds when <= 0.

        None: this prior is reported, not judged.
        """
        return None


def standardized(latent: Latent) -> Latent:
    """Every picture (sentence and channel) with mean 0 and standard deviation 1.

    This is what makes a prior blind to the latent's scale, gradient included. Standard
    deviations below 0.001 are taken as 0.001, so a constant picture stays zero.
    """
    centred = latent - latent.mean(dim=(HEIGHT, WIDTH), keepdim=True)
    variance = centred.square().mean(dim=(HEIGHT, WIDTH), keepdim=True)
    return centred / variance.clamp(min=STANDARD_DEVIATION_FLOOR**2).sqrt()


def gradients(
    latent: Latent,
) -> tuple[
    Float[Tensor, "*rows batch height-1 width channel"],
    Float[Tensor, "*rows batch height width-1 channel"],
]:
    """Forward differences between neighbours, down and across: one row, one column fewer."""
    return latent.diff(dim=HEIGHT), latent.diff(dim=WIDTH)
