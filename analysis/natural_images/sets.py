"""Sets of six crops of photographs, one set a sentence's latent, and what is measured of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from analysis.natural_images.photographs import (
    FLAT,
    LUMINANCE,
    Gray,
    Light,
    Photograph,
    displayed,
    reduced,
)

CHANNELS = 6
# Pixels of the file along a side that become one, and how: a mean over the area, as by a sensor
# without gaps, or the light at a point, as by one of small pixels. Real ones lie between.
SCALES = (2, 4, 8)
SENSORS = ("area", "point")


class Views(NamedTuple):
    """Every photograph as one scale and one sensor sees it, gray and as displayed."""

    scale: int
    sensor: str
    images: dict[str, Gray]


def views(photographs: Sequence[Photograph], height: int, width: int) -> list[Views]:
    """The photographs at all scales by both sensors.

    Those smaller than a crop are left out, and a scale that leaves fewer than a set needs.
    """
    every = [
        Views(scale, sensor, {name: _seen(light, scale, sensor) for name, light in photographs})
        for scale in SCALES
        for sensor in SENSORS
    ]
    fitting = [
        view._replace(
            images={
                name: image
                for name, image in view.images.items()
                if image.shape[0] >= height and image.shape[1] >= width
            }
        )
        for view in every
    ]
    return [view for view in fitting if len(view.images) >= CHANNELS]


def halves(photographs: Sequence[Photograph]) -> tuple[list[Photograph], list[Photograph]]:
    """Every second photograph by name: those that limits come from, those that judge them."""
    by_name = sorted(photographs)
    return by_name[::2], by_name[1::2]


def sets_of_crops(
    seen: Sequence[Views], count: int, height: int, width: int, generator: np.random.Generator
) -> Float[Tensor, "count height width channel"]:
    """Latents of photographs: six crops of different photographs each, at one scale.

    Every crop is seen by one sensor or the other. A crop without contrast is drawn again.
    """
    scales = sorted({view.scale for view in seen})
    latents = np.empty((count, height, width, CHANNELS))
    for latent in latents:
        scale = generator.choice(scales)
        same = [view for view in seen if view.scale == scale]
        names = sorted(same[0].images)
        drawn = generator.choice(names, CHANNELS, replace=False)
        for channel, name in enumerate(drawn):
            image = same[generator.integers(len(same))].images[name]
            latent[..., channel] = _crop(image, height, width, generator)
    return torch.from_numpy(latents)


def _crop(image: Gray, height: int, width: int, generator: np.random.Generator) -> Gray:
    for _ in range(1000):
        top = generator.integers(image.shape[0] - height + 1)
        left = generator.integers(image.shape[1] - width + 1)
        crop = image[top : top + height, left : left + width]
        if crop.std() >= FLAT:
            return crop
    raise AssertionError("a photograph without contrast")


def _seen(light: Light, scale: int, sensor: str) -> Gray:
    smaller = reduced(light, scale) if sensor == "area" else light[::scale, ::scale]
    return displayed(smaller @ LUMINANCE if smaller.shape[-1] == 3 else smaller[..., 0])
