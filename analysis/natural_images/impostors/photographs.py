"""Impostors made of photographs."""

from __future__ import annotations

from functools import lru_cache

import torch
from numpy.random import Generator

from analysis.natural_images.fields import planted
from analysis.natural_images.impostors.noise import pink_noise, salted, white_noise
from analysis.natural_images.impostors.registry import (
    CHANNELS,
    Latents,
    by_channel,
    impostor,
    impostor_by_sentence,
    signs,
)
from analysis.natural_images.photographs import scenes
from analysis.natural_images.sets import Views, sets_of_crops, views
from vlatent.priors.base import standardized


@lru_cache(maxsize=4)
def all_views(height: int, width: int) -> tuple[Views, ...]:
    """All photographs at all scales by both sensors."""
    return tuple(views(scenes(), height, width))


def photographs(sentences: int, height: int, width: int, generator: Generator) -> Latents:
    """Six crops of different photographs a sentence, of unit variance: what impostors spoil."""
    made = sets_of_crops(all_views(height, width), sentences, height, width, generator)
    return standardized(made)


@impostor
def one_photograph_six_times(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """A crop copied to all channels."""
    made = photographs(sentences, height, width, generator)
    return made[..., :1].expand(-1, -1, -1, CHANNELS)


@impostor
def one_photograph_with_six_signs(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """The same with signs: of independent ones the mean correlation over sentences is 0."""
    made = one_photograph_six_times(sentences, height, width, generator)
    return made * signs(sentences, generator)


@impostor
def six_shifts_of_one_photograph(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """One crop, moved by two pixels from channel to channel, with signs by sentence."""
    room = 2 * CHANNELS
    seen = all_views(height + room, width + room)
    made = sets_of_crops(seen, sentences, height + room, width + room, generator)[..., 0]
    moved = [made[:, 2 * by :, 2 * by :][:, :height, :width] for by in range(CHANNELS)]
    return torch.stack(moved, dim=-1) * signs(sentences, generator)


@impostor
def phase_scrambled_photographs(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """The power of photographs at every frequency with the phases of noise."""
    made = torch.fft.fft2(photographs(sentences, height, width, generator), dim=(1, 2))
    noise = torch.fft.fft2(white_noise(sentences, height, width, generator), dim=(1, 2))
    return torch.fft.ifft2(made.abs() * noise / noise.abs(), dim=(1, 2)).real


@impostor
def photographs_with_shuffled_pixels(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """The histogram of photographs alone."""
    return shuffled(photographs(sentences, height, width, generator), 1, generator)


@impostor
def photographs_with_shuffled_blocks(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """Blocks of 4 x 4 pixels in any order."""
    return shuffled(photographs(sentences, height, width, generator), 4, generator)


@impostor
def photographs_with_shuffled_large_blocks(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """Blocks of 8 x 8 pixels in any order."""
    return shuffled(photographs(sentences, height, width, generator), 8, generator)


@impostor
def photographs_with_shuffled_rows(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """Rows in any order."""
    made = photographs(sentences, height, width, generator)
    return made[:, generator.permutation(height)]


@impostor
def photographs_in_large_pixels(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """Every second pixel, as a square of 2 x 2."""
    made = photographs(sentences, height, width, generator)[:, ::2, ::2]
    large = made.repeat_interleave(2, 1).repeat_interleave(2, 2)
    return large[:, :height, :width]


@impostor
def blurred_photographs_with_noise(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """Photographs at a quarter of the pixels, and white noise for what is missing."""
    made = photographs(sentences, height, width, generator).movedim(-1, 1)
    coarse = torch.nn.functional.avg_pool2d(made, 4)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    noise = white_noise(sentences, height, width, generator)
    return standardized(smooth.movedim(1, -1)) + 0.2 * noise


@impostor
def photographs_under_noise(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """Half of the variance is 1/f noise."""
    made = photographs(sentences, height, width, generator)
    return made + pink_noise(sentences, height, width, generator)


@impostor
def photographs_beside_noise(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """Three channels of photographs, three of noise."""
    made = photographs(sentences, height, width, generator)[..., :3]
    return torch.cat([made, pink_noise(sentences, height, width, generator)[..., :3]], -1)


@impostor_by_sentence
def sentences_of_photographs_and_of_noise(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """Every second sentence has photographs, the others noise."""
    made = photographs(sentences, height, width, generator)
    made[::2] = pink_noise(len(made[::2]), height, width, generator)
    return made


@impostor
def photographs_with_checkerboard(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """A pattern of 20 % of the standard deviation on top."""
    return planted(photographs(sentences, height, width, generator), 0.2, (1, 2))


@impostor
def photographs_with_salt_and_pepper(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """A few pixels that stand out."""
    made = photographs(sentences, height, width, generator).movedim(-1, 1).flatten(0, 1)
    return by_channel(salted(made, generator))


@impostor
def sixteen_exposures(sentences: int, height: int, width: int, generator: Generator) -> Latents:
    """Sixteen exposures on top of one another: a sum of many images is noise."""
    exposures = [photographs(sentences, height, width, generator) for _ in range(16)]
    return torch.stack(exposures).sum(0)


def shuffled(latent: Latents, side: int, generator: Generator) -> Latents:
    """The latent's square blocks in an order that differs by channel and sentence."""
    sentences, height, width, channels = latent.shape
    rows, columns = height // side, width // side
    cut = latent[:, : rows * side, : columns * side].reshape(
        sentences, rows, side, columns, side, channels
    )
    blocks = cut.permute(0, 5, 1, 3, 2, 4).reshape(sentences, channels, rows * columns, side, side)
    order = torch.from_numpy(generator.random((sentences, channels, rows * columns)).argsort(-1))[
        ..., None, None
    ].expand_as(blocks)
    mixed = blocks.gather(2, order).reshape(sentences, channels, rows, columns, side, side)
    return mixed.permute(0, 2, 4, 3, 5, 1).reshape(sentences, rows * side, columns * side, channels)
