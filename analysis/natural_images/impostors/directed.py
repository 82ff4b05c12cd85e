"""Impostors with directions and edges, and without anything that they would be the edges of."""

from __future__ import annotations

import math

import torch
from numpy.random import Generator
from torch import Tensor

from analysis.natural_images.impostors.noise import (
    angles,
    frequencies,
    half_planes,
    pink_noise,
    places,
    power_law,
    white_noise,
)
from analysis.natural_images.impostors.registry import (
    CHANNELS,
    Images,
    Latents,
    by_channel,
    impostor,
)


@impostor
def streaks(sentences: int, height: int, width: int, generator: Generator) -> Latents:
    """Noise drawn out along one direction that all channels share."""
    angle = angles(sentences, generator)[..., :1].expand(-1, -1, -1, CHANNELS)
    return _streaked(sentences, height, width, generator, angle)


@impostor
def streaks_by_channel(sentences: int, height: int, width: int, generator: Generator) -> Latents:
    """Noise drawn out along a direction that differs by channel."""
    return _streaked(sentences, height, width, generator, angles(sentences, generator))


@impostor
def modulated_streaks_by_channel(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """The same, strong here and weak there."""
    made = streaks_by_channel(sentences, height, width, generator)
    contrast = power_law(CHANNELS * sentences, height, width, generator, alpha=3)
    return made * by_channel(contrast).exp()


@impostor
def noise_along_a_flow(sentences: int, height: int, width: int, generator: Generator) -> Latents:
    """Noise averaged along curves: coherent like hair, with directions of every kind."""
    return by_channel(_along_a_flow(CHANNELS * sentences, height, width, generator))


@impostor
def modulated_noise_along_a_flow(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """The same, strong here and weak there."""
    count = CHANNELS * sentences
    made = _along_a_flow(count, height, width, generator)
    return by_channel(made * power_law(count, height, width, generator, alpha=3).exp())


@impostor
def noise_beside_edges(sentences: int, height: int, width: int, generator: Generator) -> Latents:
    """Three channels without any contour, three with nothing else: their mean is between."""
    rough = pink_noise(sentences, height, width, generator)[..., :3]
    edges = half_planes(sentences, height, width, generator)[..., :3]
    smooth = pink_noise(sentences, height, width, generator)[..., :3]
    return torch.cat([rough, edges + 0.3 * smooth], -1)


@impostor
def dead_leaves_of_tiny_disks(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """Disks of 1 to 2 pixels that hide one another."""
    return by_channel(dead_leaves(CHANNELS * sentences, height, width, generator, 0.7, 2.0))


def dead_leaves(
    count: int, height: int, width: int, generator: Generator, least: float, most: float
) -> Images:
    """Disks of random gray that hide one another, P(radius) = radius^-3 between the two radii."""
    reach = math.ceil(most)
    place = torch.arange(-reach, reach + 1, dtype=torch.float64)
    room = (height + 2 * reach, width + 2 * reach)
    images = torch.zeros(count, *room, dtype=torch.float64)
    every = torch.arange(count)[:, None, None]
    # Later disks hide earlier ones; every place is hidden some five times.
    for _ in range(math.ceil(5 * room[0] * room[1] / (math.pi * least * most))):
        share = torch.from_numpy(generator.random((count, 1, 1)))
        radius = (least**-2 - share * (least**-2 - most**-2)) ** -0.5
        top, left = (
            torch.from_numpy(generator.uniform(reach, side - reach - 1, (count, 1, 1)))
            for side in room
        )
        rows, columns = (
            top.round().long() + place[:, None].long(),
            left.round().long() + place.long(),
        )
        disk = torch.hypot(rows - top, columns - left) < radius
        gray = torch.from_numpy(generator.standard_normal((count, 1, 1)))
        images[every, rows, columns] = torch.where(disk, gray, images[every, rows, columns])
    return images[:, reach:-reach, reach:-reach]


def _streaked(
    sentences: int, height: int, width: int, generator: Generator, angle: Tensor
) -> Latents:
    """Noise whose power decays eight times as fast along the angle as across it."""
    down, across = (side[..., None] for side in frequencies(height, width))
    along = across * angle.cos() + down * angle.sin()
    aside = down * angle.cos() - across * angle.sin()
    radius = torch.hypot(8 * along, aside)
    radius[:, 0, 0] = math.inf
    white = white_noise(sentences, height, width, generator)
    return torch.fft.ifft2(torch.fft.fft2(white, dim=(1, 2)) / radius, dim=(1, 2)).real


def _along_a_flow(count: int, height: int, width: int, generator: Generator) -> Images:
    """Noise, smoothed along the level lines of smooth noise again and again."""
    made = power_law(count, height, width, generator, alpha=1.0)
    down, across = torch.gradient(power_law(count, height, width, generator, alpha=4), dim=(1, 2))
    size = torch.hypot(down, across).clamp(min=1e-9)
    place = torch.stack(places(height, width)[::-1], -1)
    step = torch.stack([-down, across], -1) / size[..., None]
    scale = 2 / torch.tensor([width - 1.0, height - 1.0], dtype=torch.float64)
    for _ in range(4):
        moved = [
            torch.nn.functional.grid_sample(
                made[:, None],
                (place + by * step) * scale,
                padding_mode="reflection",
                align_corners=True,
            )[:, 0]
            for by in (-1.0, 1.0)
        ]
        made = (made + moved[0] + moved[1]) / 3
    return made
