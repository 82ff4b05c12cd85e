"""Impostors made of noise and of patterns."""

from __future__ import annotations

import math

import torch
from numpy.random import Generator
from torch import Tensor

from analysis.natural_images import fields
from analysis.natural_images.impostors.registry import (
    CHANNELS,
    Images,
    Latents,
    by_channel,
    impostor,
    impostor_by_sentence,
    signs,
    torch_generator,
)
from vlatent.priors import Kurtosis
from vlatent.priors.base import standardized

CANDIDATES = 8  # of which one is chosen
SALT = 8  # pixels


def power_law(
    count: int, height: int, width: int, generator: Generator, alpha: float = 2.0
) -> Images:
    """Noise with P(f) = f^-alpha, of unit variance; 1/f in amplitude at alpha = 2."""
    seeded = torch_generator(generator)
    made = fields.power_law(alpha, count, height, width, seeded, oversize=2)
    return standardized(made)[..., 0]


@impostor
def white_noise(sentences: int, height: int, width: int, generator: Generator) -> Latents:
    """Independent pixels."""
    return torch.from_numpy(generator.standard_normal((sentences, height, width, CHANNELS)))


@impostor
def constant(sentences: int, height: int, width: int, generator: Generator) -> Latents:
    """Nothing."""
    return torch.zeros(sentences, height, width, CHANNELS, dtype=torch.float64)


@impostor
def ramps(sentences: int, height: int, width: int, generator: Generator) -> Latents:
    """Even slopes in any direction."""
    down, across = places(height, width)
    angle = angles(sentences, generator)
    return down[..., None] * angle.sin() + across[..., None] * angle.cos()


@impostor
def half_planes(sentences: int, height: int, width: int, generator: Generator) -> Latents:
    """A single straight edge."""
    return torch.where(ramps(sentences, height, width, generator) > 0, 1.0, -1.0).double()


@impostor
def gratings(sentences: int, height: int, width: int, generator: Generator) -> Latents:
    """Waves of one length."""
    length = torch.from_numpy(generator.uniform(4, 16, (sentences, 1, 1, CHANNELS)))
    return (2 * math.pi * ramps(sentences, height, width, generator) / length).sin()


@impostor
def pink_noise(sentences: int, height: int, width: int, generator: Generator) -> Latents:
    """P(f) = f^-2 and nothing else."""
    return by_channel(power_law(CHANNELS * sentences, height, width, generator))


@impostor
def noise_chosen_for_kurtosis(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """Of several noise images that with the heaviest tails."""
    count = CHANNELS * sentences
    made = power_law(CANDIDATES * count, height, width, generator, alpha=1.8)
    found = Kurtosis().of_each(made[..., None]).reshape(count, CANDIDATES)
    return by_channel(made.unflatten(0, (count, -1))[torch.arange(count), found.argmax(1)])


@impostor
def noise_with_salt_and_pepper(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """Noise, and a few pixels that stand out."""
    made = power_law(CHANNELS * sentences, height, width, generator)
    return by_channel(salted(made, generator))


def salted(images: Images, generator: Generator) -> Images:
    """The images with eight pixels of 4 standard deviations."""
    count, height, width = images.shape
    salt = torch.zeros(count, height * width, dtype=torch.float64)
    for pixels in salt:
        place = generator.choice(height * width, SALT, replace=False)
        pixels[place] = torch.from_numpy(generator.choice([-4.0, 4.0], SALT))
    salt = salt.reshape(images.shape)
    return torch.where(salt == 0, images, salt)


@impostor
def six_shifts_of_one_noise_image(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """One noise image, moved by a few pixels from channel to channel."""
    room = 2 * CHANNELS
    made = power_law(sentences, height + room, width + room, generator)
    moved = [made[:, 2 * by :, 2 * by :][:, :height, :width] for by in range(CHANNELS)]
    return torch.stack(moved, dim=-1)


@impostor
def kaleidoscope(sentences: int, height: int, width: int, generator: Generator) -> Latents:
    """A quarter of noise, mirrored down and across."""
    made = power_law(CHANNELS * sentences, math.ceil(height / 2), math.ceil(width / 2), generator)
    made = torch.cat([made, made.flip(1)], 1)[:, :height]
    return by_channel(torch.cat([made, made.flip(2)], 2)[..., :width])


@impostor_by_sentence
def copies_whose_signs_change_by_sentence(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """One noise image in six channels: within a sentence |r| = 1, over all of them 0."""
    made = power_law(sentences, height, width, generator)[..., None]
    return made * signs(sentences, generator)


@impostor_by_sentence
def slopes_that_only_their_mean_has(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """Latents too rough and too smooth by turns, whose mean spectrum is in band."""
    half = CHANNELS * math.ceil(sentences / 2)
    rough, smooth = (power_law(half, height, width, generator, alpha) for alpha in (0.9, 3.4))
    return torch.stack([by_channel(rough), by_channel(smooth)], 1).flatten(0, 1)[:sentences]


@impostor
def noise_with_weaker_finest_frequencies(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """Noise whose finest frequencies were damped."""
    made = power_law(CHANNELS * sentences, height, width, generator, alpha=1.8)
    radius = torch.hypot(*frequencies(height, width))
    damped = torch.fft.fft2(made) * (1 - 0.5 * (radius / 0.35).clamp(max=1) ** 4)
    return by_channel(torch.fft.ifft2(damped).real)


@impostor
def contrast_modulated_noise(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """Noise that is strong here and weak there, as smooth noise tells."""
    count = CHANNELS * sentences
    carrier = power_law(count, height, width, generator, alpha=1.5)
    return by_channel(carrier * power_law(count, height, width, generator, alpha=3).exp())


@impostor
def flat_with_jagged_blots(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """A flat ground, and blots where noise is large: what too much total variation prior gives."""
    made = power_law(CHANNELS * sentences, height, width, generator, alpha=2.5)
    return by_channel(torch.where(made.abs() > 1.6, made.sign() * 2, 0.1 * made))


@impostor
def posterised_noise(sentences: int, height: int, width: int, generator: Generator) -> Latents:
    """Noise of four gray levels: regions with edges that never continue."""
    return by_channel(
        power_law(CHANNELS * sentences, height, width, generator).round().clamp(-2, 1)
    )


@impostor
def posterised_smooth_noise(
    sentences: int, height: int, width: int, generator: Generator
) -> Latents:
    """Smooth noise of few gray levels: bands like those of a map."""
    made = power_law(CHANNELS * sentences, height, width, generator, alpha=4)
    return by_channel((1.5 * made).round())


@impostor
def upsampled_noise(sentences: int, height: int, width: int, generator: Generator) -> Latents:
    """White noise, every value a square of 2 x 2 pixels."""
    count, seeded = CHANNELS * sentences, torch_generator(generator)
    return by_channel(fields.upsampled_noise(2, count, height, width, seeded)[..., 0])


@impostor
def blurred_noise(sentences: int, height: int, width: int, generator: Generator) -> Latents:
    """White noise under a Gaussian."""
    count, seeded = CHANNELS * sentences, torch_generator(generator)
    return by_channel(fields.blurred_noise(1.0, count, height, width, seeded)[..., 0])


def places(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Rows and columns from the middle."""
    down = torch.arange(height, dtype=torch.float64)[:, None] - (height - 1) / 2
    across = torch.arange(width, dtype=torch.float64)[None, :] - (width - 1) / 2
    return down.expand(height, width), across.expand(height, width)


def frequencies(height: int, width: int) -> tuple[Tensor, Tensor]:
    down = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    across = torch.fft.fftfreq(width, dtype=torch.float64)[None, :]
    return down.expand(height, width), across.expand(height, width)


def angles(sentences: int, generator: Generator) -> Tensor:
    return torch.from_numpy(generator.uniform(0, math.pi, (sentences, 1, 1, CHANNELS)))
