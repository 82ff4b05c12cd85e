"""The only place where axes are named, and the one error that users see."""

from __future__ import annotations

from torch import Tensor

from vlatent.annotations import Float

Latent = Float[Tensor, "*rows batch height width channel"]
"""A batch of latents, one a sentence. Leading axes, where there are any, hold independent batches:
hundreds of them can be scored in one call."""

Latents = Float[Tensor, "batch height width channel"]
"""Latents of sentences: one batch, without leading axes."""

# One number for each channel of a batch, and one for the whole batch.
PerChannel = Float[Tensor, "*rows channel"]
PerBatch = Float[Tensor, "*rows"]

# One number for each channel of every latent of a batch.
PerLatent = Float[Tensor, "*rows batch channel"]

BATCH, HEIGHT, WIDTH, CHANNEL = -4, -3, -2, -1


class UserError(ValueError):
    """Bad input: one line that names the thing, its place and the way out."""
