"""Synthetic images of which everything is known: power laws, edges, artefacts, planted patterns.

Every function returns images as a latent of one channel, [count, height, width, 1], in float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn.functional import conv2d

Images = Float[Tensor, "count height width 1"]

OVERSIZE = 8  # a crop shows this part of a periodic field's side: its own edges do not match
CHUNK = 32  # fields made at once; more would only take memory


def power_law(
    alpha: float,
    count: int,
    height: int,
    width: int,
    generator: Generator,
    oversize: int = OVERSIZE,
) -> Images:
    """Non-periodic crops of Gaussian fields with P(f) = f^-alpha, one crop a field.

    The fields have variance 1, the crops less: what varies over more than a crop is in its mean.

    Args:
        alpha: Exponent of the power spectrum.
        count: How many crops.
        height: Of a crop, in pixels.
        width: Of a crop, in pixels.
        generator: Of the noise.
        oversize: Side of the periodic field in longer sides of a crop; 1 gives the whole field of
            a square one.
    """
    side = oversize * max(height, width)
    frequency = torch.fft.fftfreq(side, dtype=torch.float64)
    cycles = torch.hypot(frequency[:, None], frequency[None, :])
    cycles[0, 0] = math.inf  # no mean
    amplitude = cycles ** (-alpha / 2)
    # White complex noise has independent real and imaginary parts: two fields a transform.
    amplitude = amplitude * side / amplitude.square().mean().sqrt()
    crops: list[Tensor] = []
    for begin in range(0, math.ceil(count / 2), CHUNK):
        size = (min(CHUNK, math.ceil(count / 2) - begin), side, side)
        noise = torch.complex(*torch.randn(2, *size, generator=generator, dtype=torch.float64))
        rows = torch.fft.ifft(noise * amplitude, dim=1)[:, :height]
        fields = torch.fft.ifft(rows, dim=2)[:, :, :width]
        crops += [fields.real, fields.imag]
    return torch.cat(crops)[:count, :, :, None]


def half_plane_edges(count: int, height: int, width: int) -> Images:
    """Straight edges through the middle, one in each of so many directions; upright first."""
    angle = torch.arange(count, dtype=torch.float64)[:, None, None] * (math.pi / count)
    down = torch.arange(height, dtype=torch.float64)[:, None] - (height - 1) / 2
    across = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    side = across * angle.cos() + down * angle.sin()
    return torch.where(side > 0, 1.0, -1.0).double()[..., None]


def upsampled_noise(
    factor: int, count: int, height: int, width: int, generator: Generator
) -> Images:
    """White noise whose every value became a square of factor x factor pixels."""
    size = (count, math.ceil(height / factor), math.ceil(width / factor))
    noise = torch.randn(size, generator=generator, dtype=torch.float64)
    large = noise.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    return large[:, :height, :width, None]


def blurred_noise(
    deviation: float, count: int, height: int, width: int, generator: Generator
) -> Images:
    """White noise under a Gaussian blur of this many pixels; crops of more, so no edge is seen."""
    reach = math.ceil(4 * deviation)
    place = torch.arange(-reach, reach + 1, dtype=torch.float64)
    kernel = (-0.5 * (place / deviation).square()).exp()
    kernel = kernel / kernel.sum()
    size = (count, 1, height + 2 * reach, width + 2 * reach)
    noise = torch.randn(size, generator=generator, dtype=torch.float64)
    blurred = conv2d(conv2d(noise, kernel[None, None, None]), kernel[None, None, :, None])
    return blurred[:, 0, :, :, None]


def planted(images: Images, share: float, axes: Sequence[int]) -> Images:
    """The images with +1, -1 times this share of their own standard deviation on top.

    Args:
        images: Clean images.
        share: Height of the pattern in standard deviations of the image.
        axes: Along which it alternates: (1, 2) is a checkerboard, (2,) are stripes of columns.
    """
    sign = torch.ones_like(images[:1])
    for axis in axes:
        alternating = 1.0 - 2.0 * (torch.arange(images.shape[axis]) % 2)
        sign = sign * alternating.double().reshape([-1 if at == axis else 1 for at in range(4)])
    return images + share * images.std((1, 2), correction=0, keepdim=True) * sign
