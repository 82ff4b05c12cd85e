"""Layers of the encoder that know none of its sizes: attention heads, feed-forward, smoothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from vlatent.annotations import Bool, Float
from vlatent.shapes import Latent

Hidden = Float[Tensor, "batch position hidden"]
Heads = Float[Tensor, "batch head position depth"]


class FeedForward(nn.Module):
    """Residual pre-norm GELU network."""

    def __init__(self, hidden: int, inner: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.widen = nn.Linear(hidden, inner)
        self.narrow = nn.Linear(inner, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Hidden) -> Hidden:
        return states + self.dropout(self.narrow(self.inner(states)))

    def inner(self, states: Hidden) -> Float[Tensor, "batch position inner"]:
        return functional.gelu(self.widen(self.norm(states)))


class Window(nn.Module):
    """Residual convolution over neighbouring tokens: who stands before a verb, and who after it.

    Attention over states without order would have to learn that from rotations alone.
    """

    def __init__(self, hidden: int, reach: int) -> None:
        super().__init__()
        self.neighbours = nn.Conv1d(hidden, hidden, 2 * reach + 1, padding=reach)
        self.narrow = nn.Linear(hidden, hidden)

    def forward(self, states: Hidden, mask: Bool[Tensor, "batch position"]) -> Hidden:
        """Padding counts as nothing, as beyond the sentence's ends."""
        seen = self.neighbours((states * mask[..., None]).mT).mT
        return states + self.narrow(functional.gelu(seen))


class Smoothing(nn.Module):
    """3x3 depthwise and 1x1 convolution of the latent, started as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.neighbours = nn.Conv2d(
            channels, channels, 3, padding=1, padding_mode="replicate", groups=channels
        )
        self.mix = nn.Conv2d(channels, channels, 1)
        nn.init.dirac_(self.neighbours.weight, groups=channels)
        nn.init.dirac_(self.mix.weight)
        nn.init.zeros_(self.neighbours.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]

    def forward(self, latent: Latent) -> Latent:
        return self.mix(self.neighbours(latent.movedim(-1, -3))).movedim(-3, -1)


def split_heads(states: Hidden, heads: int) -> Heads:
    return states.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(states: Heads) -> Hidden:
    return states.transpose(1, 2).flatten(-2)


def rotary_angles(length: int, depth: int, device: torch.device) -> Float[Tensor, "2 length half"]:
    """Cosine and sine of position x 10000^(-2 i / depth), for every pair i of a head."""
    pair = torch.arange(0, depth, 2, device=device, dtype=torch.float32)
    position = torch.arange(length, device=device, dtype=torch.float32)
    angle = torch.outer(position, 10_000.0 ** (-pair / depth))
    return torch.stack([angle.cos(), angle.sin()])


def rotate(states: Heads, rotation: Float[Tensor, "2 length half"]) -> Heads:
    """Turn the pairs (i, i + depth / 2) of every head by their position's angle (Su et al. 2021).

    The product of a rotated query and key depends only on how far apart they stand.
    """
    cosine, sine = rotation.to(states.dtype)
    first, second = states.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)


def mean_and_variance(latent: Latent) -> Float[Tensor, "batch feature"]:
    """Mean and variance of every channel of a latent, one after the other."""
    mean, variance = latent.mean((-3, -2)), latent.var((-3, -2), correction=0)
    return torch.cat([mean, variance], dim=-1)


def first_weights(initialisation: str) -> Callable[[nn.Module], None]:
    """What gives a module its first weights: normal or fan_in."""
    return _fan_in if initialisation == "fan_in" else _normal


def _normal(module: nn.Module) -> None:
    """Normal weights of standard deviation 0.02, no biases, as is usual for transformers."""
    if isinstance(module, nn.Linear | nn.Embedding | nn.Conv1d):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear | nn.Conv1d) and module.bias is not None:
        nn.init.zeros_(module.bias)


def _fan_in(module: nn.Module) -> None:
    """Normal weights that keep the size of what they are given (LeCun et al. 1998), no biases."""
    if isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight)
    if isinstance(module, nn.Linear | nn.Conv1d):
        nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
