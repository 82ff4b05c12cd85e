"""Decorrelation: every channel shows something of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from vlatent.annotations import Float, NonNegativeFloat
from vlatent.priors.base import STANDARD_DEVIATION_FLOOR, Prior
from vlatent.shapes import Latent, PerBatch, PerChannel, UserError


@dataclass(frozen=True, kw_only=True)
class Decorrelation(Prior):
    """Squared correlation between channels, over the batch or in each sentence, or their modes.

    Each latent's own mean is taken away first: a channel's mean is free under every other prior,
    so channels that look alike could otherwise be told apart by means that differ from sentence
    to sentence.

    Calibration: 1 for equal or opposite channels, 0 for orthogonal ones. Two independent
    alpha = 2 fields correlate with standard deviation 0.147 in a single 32x32 sample (46
    effective pixels), which is why the batch is pooled; over 100 sentences independent crops of
    photographs have a mean |correlation| of at most 0.04 (`python -m analysis.natural_images`).

    Modes: for a diffusion model on latents, a few that all channels share may be wanted instead.
    Of C channels whose squared correlation is m on average, C^2 / sum r_cd^2 = C / (1 + (C - 1) m)
    count as independent, the participation ratio of the eigenvalues of the correlation matrix: 1
    where all are equal, C where they are orthogonal, k where they form k orthogonal groups of
    C / k equal ones.

    Attributes:
        weight: Factor of the penalty in the training loss.
        over: What correlations are computed over: batch and space together, or each sentence alone,
            where channels whose common content changes sign with the sentence are not uncorrelated.
            Independent fields then keep a penalty of 0.02.
        modes: Wanted number of independent modes, from 1 to the number of channels, and then the
            criterion is not judged; 0: as many as there are channels.
    """

    weight: NonNegativeFloat = 0.05
    over: Literal["batch", "sentence"] = "batch"
    modes: NonNegativeFloat = 0.0

    search: ClassVar[tuple[float, float]] = (0.05, 20.0)
    label: ClassVar[str] = "correlation"
    form: ClassVar[str] = ".3f"
    possible: ClassVar[tuple[float, float]] = (0.0, 1.0)
    accepted: ClassVar[tuple[float, float]] = (-math.inf, 0.1)  # of the mean over channels
    criterion: ClassVar[str] = f"mean |correlation| below {accepted[1]:g}"
    least: ClassVar = {"modes": 0}

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.modes < 1:
            raise UserError(
                "priors.decorrelation.modes must be at least 1, or 0 for as many as there are "
                f"channels, but got {self.modes}."
            )

    def statistic(self, latent: Latent) -> PerChannel:
        """Mean absolute correlation of a channel with each other channel, [..., channel]."""
        correlation = correlation_matrix(latent).abs()
        own = torch.diagonal(correlation, dim1=-2, dim2=-1)  # 1, but 0 for a constant channel
        return (correlation.sum(-1) - own) / max(correlation.shape[-1] - 1, 1)

    def penalty(self, latent: Latent) -> PerBatch:
        """Mean squared off-diagonal entry of the correlation matrix; equal channels have 1.

        With `modes` log(found / wanted)^2: with one of two it is (log 2)^2 = 0.48 for orthogonal
        channels and 0 for equal ones.

        >>> import torch
        >>> latent = torch.tensor([[-1.0, 1.0], [1.0, -1.0]])[None, ..., None]
        >>> round(Decorrelation().penalty(latent.repeat(1, 1, 1, 2)).item(), 6)
        1.0
        """
        channels = latent.shape[-1]
        if self.modes > channels:
            raise UserError(
                f"priors.decorrelation.modes must be at most the number of channels, {channels}, "
                f"but got {self.modes}."
            )
        if self.over == "sentence":
            return self._penalty(correlation_matrix(latent.unsqueeze(-4))).mean(-1)
        return self._penalty(correlation_matrix(latent))

    def _penalty(self, correlation: Float[Tensor, "*rows channel channel"]) -> PerBatch:
        channels = correlation.shape[-1]
        off_diagonal = correlation.square().sum((-2, -1)) - torch.diagonal(
            correlation.square(), dim1=-2, dim2=-1
        ).sum(-1)
        squared = off_diagonal / max(channels * (channels - 1), 1)
        if not self.modes:
            return squared
        return (modes(squared, channels).log() - math.log(self.modes)).square()

    def margin(self, statistic: PerChannel) -> float | None:
        """Mean over channels against the limit: (mean - limit) / limit; None with `modes`."""
        if self.modes:
            return None
        limit = self.accepted[1]
        return (float(statistic.mean()) - limit) / limit


def modes(squared: PerBatch, channels: int) -> PerBatch:
    """Number of independent modes of channels whose mean squared correlation is `squared`.

    >>> [round(modes(torch.tensor(m), 6).item(), 2) for m in (0.0, 0.2, 1.0)]
    [6.0, 3.0, 1.0]
    """
    return channels / (1 + (channels - 1) * squared)


def correlation_matrix(latent: Latent) -> Float[Tensor, "*rows channel channel"]:
    """Correlation of channels over batch x space, latents centred, [..., channel, channel].

    r_cd = sum x_c x_d / sqrt(sum x_c^2 sum x_d^2), x = latent minus its own mean by sentence.
    """
    pixels = (latent - latent.mean((-3, -2), keepdim=True)).flatten(-4, -2)
    deviation = pixels.square().mean(-2, keepdim=True)
    pixels = pixels / deviation.clamp(min=STANDARD_DEVIATION_FLOOR**2).sqrt()
    return pixels.mT @ pixels / pixels.shape[-2]
