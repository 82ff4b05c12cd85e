"""What is done to latents before a decoder reads them: noise, another order, leading components."""

from __future__ import annotations

import numpy as np
import torch

from vlatent.shapes import Latent, Latents

LEADING = 0.9  # of the variance: what lies in the rest of a picture, nobody sees


def half_noisy(latent: Latent, strength: float, key: tuple[int, ...]) -> Latent:
    """Add noise to every second latent, `strength` times as strong as the latent varies."""
    if not strength:
        return latent
    noise = _noise(latent, strength, key)
    noise[::2] = 0
    return latent + noise


def noisy(latent: Latent, strength: float, key: tuple[int, ...]) -> Latent:
    """Add noise to all latents, `strength` times as strong as each varies."""
    return latent + _noise(latent, strength, key) if strength else latent


def _noise(latent: Latent, strength: float, key: tuple[int, ...]) -> Latent:
    drawn = np.random.default_rng(key).standard_normal(latent.shape, dtype=np.float32)
    spread = latent.flatten(1).std(1).view(-1, 1, 1, 1)
    return strength * spread * torch.from_numpy(drawn).to(latent)


def permuted(latent: Latent, seed: int = 0) -> Latent:
    """The pixels of all latents in one other order: what is left says whether place matters."""
    height, width = latent.shape[1:3]
    order = torch.from_numpy(np.random.default_rng(seed).permutation(height * width))
    return latent.flatten(1, 2)[:, order].unflatten(1, (height, width))


def leading(latents: Latents, share: float = LEADING) -> Latents:
    """Latents in their fewest principal components that hold a share of the variance.

    About the mean of each channel over all latents and pixels, so what every latent has in common
    is a component like any other: a small message on one picture is lost, and the picture stays.
    Latents that are not finite stay as they are.

    >>> picture = torch.arange(12.0).reshape(1, 2, 3, 2)
    >>> shown = leading(picture + 0.1 * torch.randn(8, 2, 3, 2))
    >>> int(torch.linalg.matrix_rank((shown - shown.mean((0, 1, 2))).flatten(1), rtol=1e-4))
    1
    """
    mean = latents.mean((0, 1, 2))
    if not torch.isfinite(mean).all():
        return latents
    rows = (latents - mean).flatten(1)
    left, size, right = torch.linalg.svd(rows, full_matrices=False)
    held = size.square().cumsum(0)
    count = int((held < share * held[-1]).sum()) + 1
    return ((left[:, :count] * size[:count]) @ right[:count]).view_as(latents) + mean
