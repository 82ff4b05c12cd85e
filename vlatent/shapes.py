"""The only place where axes are named, and the one error that users see."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
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

HALF = (torch.float16, torch.bfloat16)
SINGLE = (torch.float32, torch.float64)  # in which statistics and penalties are computed
ELONGATED = 2.0  # times as long as wide: then the axes may be swapped


class UserError(ValueError):
    """Bad input: one line that names the thing, its place and the way out."""


def as_latent(values: Tensor | np.ndarray, channels_first: bool | None = None) -> Latents:
    """Anybody's latents as the priors take them: [batch, height, width, channel], fp32 or fp64.

    With `channels_first` the axes are [channel, height, width], [batch, channel, height, width] or
    [batch, channel, frame, height, width]; without, [height, width, channel],
    [batch, height, width, channel] or [batch, frame, height, width, channel]. Frames of a video
    and slices of a volume count as images of the batch: nothing is measured along them. Gradients
    pass, and half precision becomes single.

    >>> as_latent(torch.rand(16, 4, 32, 32), channels_first=True).shape
    torch.Size([16, 32, 32, 4])

    Args:
        values: A tensor of PyTorch or an array of NumPy.
        channels_first: Where the channels are. If nothing is said they are last, and a shape that
            looks otherwise is an error; if something is said, such a shape is a warning.

    Raises:
        UserError: Another number of axes, nothing along one, integers, a value that is not finite,
            or axes that look swapped.
    """
    latent = values if isinstance(values, Tensor) else _tensor(values)
    axes = list(latent.shape)
    if len(axes) not in (3, 4, 5):
        raise UserError(
            "latents must have 3 axes (a single one), 4 (a batch) or 5 (a batch of frames), but "
            f"have {len(axes)}: {axes}."
        )
    if 0 in axes:
        raise UserError(f"latents must not be empty, but have the shape {axes}.")
    latent = latent.float() if latent.dtype in HALF else latent
    _require_single(latent.dtype)
    if channels_first:
        latent = latent.movedim(0 if len(axes) == 3 else 1, -1)
    latent = latent[None] if len(axes) == 3 else latent.flatten(0, len(axes) - 4)
    _look_for_swapped_axes(latent.shape[1:], channels_first)
    finite = torch.isfinite(latent)
    if not finite.all():
        broken = (~finite).flatten(1).any(1).nonzero().flatten().tolist()
        raise UserError(
            f"latents must be finite, but {len(broken)} of {len(latent)} have NaN or infinite "
            f"values, the first one at index {broken[0]}."
        )
    return latent


@lru_cache(maxsize=256)
def check_axes(shape: Sequence[int], dtype: torch.dtype) -> None:
    """Check what a statistic or a penalty is given, once a shape; no value is looked at.

    Raises:
        UserError: Too few axes, or no fp32 or fp64. Axes that look swapped are a warning.
    """
    if len(shape) < -BATCH:
        raise UserError(
            "a latent must have the axes [batch, height, width, channel], but has the shape "
            f"{list(shape)}; vlatent.priors.as_latent takes others."
        )
    _require_single(dtype)
    if _swapped(shape[HEIGHT], shape[WIDTH], shape[CHANNEL]):
        warnings.warn(f"{_of_height(*shape[HEIGHT:])}: give {WAY_OUT}.", stacklevel=3)


WAY_OUT = "as_latent(latent, channels_first=True)"


def _look_for_swapped_axes(image: Sequence[int], channels_first: bool | None) -> None:
    height, width, channel = image
    if channels_first is None and _swapped(height, width, channel):
        raise UserError(
            f"{_of_height(height, width, channel)}: say channels_first=True, or False if they do "
            "not."
        )
    if channels_first is False and _swapped(height, width, channel):
        warnings.warn(f"{_of_height(height, width, channel)}.", stacklevel=3)
    if channels_first and _swapped(width, height, channel):
        warnings.warn(
            f"latents of {channel} channels, height {height} and width {width} look as if their "
            "channels came last.",
            stacklevel=3,
        )


def _swapped(outer: int, inner: int, channel: int) -> bool:
    """Whether images are elongated, and less so if the channels lay at the other end."""
    elongation = _elongation(outer, inner)
    return elongation >= ELONGATED and _elongation(inner, channel) < elongation


def _elongation(one: int, other: int) -> float:
    return max(one, other) / max(min(one, other), 1)


def _of_height(height: int, width: int, channel: int) -> str:
    return (
        f"latents of height {height}, width {width} and {channel} channels look as if their "
        "channels came first"
    )


def _require_single(dtype: torch.dtype) -> None:
    if dtype not in SINGLE:
        way = "latent.float()" if dtype in HALF else "floating-point numbers, pixels / 255"
        kind = f"{dtype}".removeprefix("torch.")
        raise UserError(f"latents must be fp32 or fp64, but are {kind}: give {way}.")


def _tensor(values: np.ndarray) -> Tensor:
    """A tensor of the same memory, or a copy where PyTorch cannot share it."""
    if values.dtype.kind != "f" or values.dtype.itemsize > 8:
        raise UserError(
            f"latents must be fp32 or fp64, but are {values.dtype}: give floating-point numbers, "
            "pixels / 255."
        )
    native = values.astype(values.dtype.newbyteorder("="), order="C", copy=False)
    return torch.from_numpy(native if native.flags.writeable else native.copy())
