"""What means over channels and sentences hide: seams, channels of noise, sentences of noise."""

from __future__ import annotations

import torch
from torch import Tensor

from vlatent.annotations import Float
from vlatent.evaluation.likeness import FEATURES, Features, distance
from vlatent.evaluation.photographs import Photographs
from vlatent.priors.base import gradients, standardized
from vlatent.shapes import Latent

SHORTEST = 4  # pixels from seam to seam; shorter ones are seen as a wrong spectrum

PerSentence = Float[Tensor, " batch"]


def seams(latent: Latent) -> PerSentence:
    """How much stronger gradients are on the lines of a lattice than elsewhere, [batch].

    Mean |gradient| across all lines p, 2 p, ... + k pixels from the border over that of all lines,
    largest of all distances p from 4 pixels to half the side, all k, rows and columns; mean over
    the channels before. White noise has 1.1, photographs 1.4 and in 99 % of cases less than 2.0,
    blocks of photographs in any order 2.7 (32x32).
    """
    down, across = gradients(standardized(latent.double()))
    ratios = []
    for profile in (down.abs().mean((2, 3)), across.abs().mean((1, 3))):
        mean = profile.mean(1).clamp(min=1e-3)
        ratios += [
            profile[:, phase::period].mean(1) / mean
            for period in range(SHORTEST, max(SHORTEST, (profile.shape[1] + 1) // 2) + 1)
            for phase in range(min(period, profile.shape[1]))
        ]
    return torch.stack(ratios).amax(0)


def weaker_half(of: Features) -> PerSentence:
    """Magnitude dependency of the half of a sentence's channels that has least, mean, [batch].

    1/f noise has 0, photographs 0.3; three channels of noise beside three of photographs 0, where
    the mean of all is as in photographs.
    """
    each = of[..., FEATURES.index("magnitude_dependency")].sort(-1).values
    return each[:, : max(each.shape[1] // 2, 1)].mean(1)


def share_alike(of: Features, reference: Photographs) -> float:
    """Share of the sentences that are as near to photographs as 99 % of these are."""
    return float((distance(of, reference) <= reference.distance).double().mean())
