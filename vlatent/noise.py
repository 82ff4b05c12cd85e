"""What is done to latents before a decoder reads them: noise, or their pixels in another order."""

from __future__ import annotations

import numpy as np
import torch

from vlatent.shapes import Latent


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
