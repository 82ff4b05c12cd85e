"""Base of the priors: a weight, a range worth searching, a statistic and a penalty."""

from __future__ import annotations

import math
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar

from torch import Tensor

from vlatent.annotations import Float, NonNegativeFloat
from vlatent.bounds import require_bounds
from vlatent.parts import part_name
from vlatent.shapes import HEIGHT, WIDTH, Latent, PerBatch, PerChannel, check_axes

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
    least: ClassVar[Mapping[str, float]] = {}  # smallest and largest values that make sense
    most: ClassVar[Mapping[str, float]] = {}

    # The statistic, wherever it is shown (vlatent/statistics.py).
    label: ClassVar[str] = ""  # "" is the prior's own name
    form: ClassVar[str] = ".3g"  # format of its numbers
    possible: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    accepted: ClassVar[tuple[float, float]] = (-math.inf, math.inf)  # limits of the criterion
    criterion: ClassVar[str | None] = None  # the criterion in words; None: reported, not judged

    def __init_subclass__(cls, **settings: Any) -> None:
        """Let statistic and penalty check the axes of what they are given."""
        super().__init_subclass__(**settings)
        for name in ("statistic", "penalty"):
            if name in vars(cls):
                setattr(cls, name, _checked(vars(cls)[name]))

    def __post_init__(self) -> None:
        name = part_name(type(self))
        require_bounds(f"priors.{name}", self, {"weight": 0, **self.least}, self.most)

    @property
    def unused(self) -> bool:
        """Whether it is off as declared and not judged: no result depends on it."""
        declared = type(self).__dataclass_fields__["weight"].default
        return self.weight == declared == 0 and self.criterion is None

    @abstractmethod
    def statistic(self, latent: Latent) -> PerChannel:
        """Measure what is logged: one number per channel, independent of the weight.

        Args:
            latent: [..., batch, height, width, channel].

        Returns:
            [..., channel].
        """

    @abstractmethod
    def penalty(self, latent: Latent) -> PerBatch:
        """Compute what is trained: one number per batch, 0 or more.

        Args:
            latent: [..., batch, height, width, channel].

        Returns:
            [...]: the batch is reduced, leading axes are kept.
        """

    def margin(self, statistic: PerChannel) -> float | None:
        """Signed distance to the criterion in units of its tolerance; it holds when <= 0.

        That of the mean over channels to `accepted`, unless a prior has its own.

        Args:
            statistic: [channel].

        Returns:
            The margin; None where the prior is reported and not judged.
        """
        low, high = self.accepted
        if self.criterion is None or (math.isinf(low) and math.isinf(high)):
            return None
        mean = float(statistic.mean())
        if math.isinf(high):
            return (low - mean) / (abs(low) or 1.0)
        if math.isinf(low):
            return (mean - high) / (abs(high) or 1.0)
        return abs(2 * mean - low - high) / (high - low) - 1


def _checked(method: Callable[[Any, Tensor], Tensor]) -> Callable[[Any, Tensor], Tensor]:
    """The method, which from now on refuses what is no latent, by shape and type alone."""

    @wraps(method)
    def checked(prior: Any, latent: Tensor) -> Tensor:
        check_axes(latent.shape, latent.dtype)
        return method(prior, latent)

    return checked


def standardized(latent: Latent) -> Latent:
    """Standardise each channel of each sentence to mean 0 and standard deviation 1.

    This makes a prior blind to the latent's scale, gradient included. Standard deviations below
    0.001 count as 0.001, so a constant channel becomes zero.

    >>> import torch
    >>> standardized(torch.tensor([[1.0, 3.0]])[None, ..., None]).flatten().tolist()
    [-1.0, 1.0]
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
    """Forward differences between neighbours, down and across: one row, one column fewer.

    >>> import torch
    >>> down, across = gradients(torch.tensor([[1.0, 3.0], [2.0, 7.0]])[None, ..., None])
    >>> down.flatten().tolist(), across.flatten().tolist()
    ([1.0, 4.0], [2.0, 5.0])
    """
    return latent.diff(dim=HEIGHT), latent.diff(dim=WIDTH)
