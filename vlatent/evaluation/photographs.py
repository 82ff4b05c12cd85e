"""What photographs have, by the size of the latent: `photographs.json`.

It was measured and is measured again by `python -m analysis.natural_images.likeness`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

REFERENCE = "photographs.json"
SIZES = (16, 32, 48)  # pixels along the sides of latents for which it has photographs


@dataclass(frozen=True)
class Photographs:
    """What photographs have at one size: of sets of six crops, one set a sentence's latent.

    Attributes:
        mean: Mean of the features, mean over a set's crops.
        covariance: Covariance of that, [feature, feature].
        ranges: Lowest and highest mean of a set, by feature: 99 % of photographs lie between.
        distance: 99 % of the sets are nearer to the mean, in standard deviations (Mahalanobis).
        anisotropy: 99 % of the sets have less.
        seams: 99 % of the sets have less.
        weaker_half: 99 % of the sets have more; see unevenness.py.
        alpha_deviation: 99 % of latents of 64 sets at one scale have less, mean over channels.
        correlation_within: The same of the mean |correlation| within a set.
    """

    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    ranges: dict[str, tuple[float, float]]
    distance: float
    anisotropy: float
    seams: float
    weaker_half: float
    alpha_deviation: float
    correlation_within: float


def measured_sizes() -> list[int]:
    """Sides of the squares at which photographs were measured."""
    return sorted(map(int, _measured()))


@lru_cache(maxsize=8)
def photographs(height: int, width: int) -> Photographs:
    """What photographs have at the measured size that is nearest to height x width.

    >>> photographs(32, 32) is photographs(32, 32), photographs(30, 34) == photographs(32, 32)
    (True, True)
    """
    sizes = _measured()
    side = math.sqrt(height * width)
    found = sizes[min(sizes, key=lambda size: abs(math.log(int(size) / side)))]
    found["mean"] = tuple(found["mean"])
    found["covariance"] = tuple(map(tuple, found["covariance"]))
    found["ranges"] = {name: tuple(ends) for name, ends in found["ranges"].items()}
    return Photographs(**found)


def _measured() -> dict[str, Any]:
    text = files(__package__).joinpath(REFERENCE).read_text(encoding="utf-8")
    sizes: dict[str, Any] = json.loads(text)["sizes"]
    return sizes
