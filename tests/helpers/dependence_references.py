"""Dependence on the sentence again, from its formulas, in NumPy.

Nothing here is shared with the library. Latents are [batch, height, width, channel].
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def between_share(latent: Array) -> float:
    """One-way analysis of variance, every place and channel a variable of its own.

    Sum of squares between sentences over the total sum of squares around each channel's mean.
    """
    batch, height, width, channels = latent.shape
    between = total = 0.0
    for channel in range(channels):
        grand = latent[..., channel].mean()
        total += ((latent[..., channel] - grand) ** 2).sum()
        for y, x in itertools.product(range(height), range(width)):
            values = latent[:, y, x, channel]
            between += ((values - values.mean()) ** 2).sum()
    assert batch > 1
    return between / total


def effective_rank(rows: Array) -> float:
    singular = np.linalg.svd(rows, compute_uv=False)
    share = singular / singular.sum()
    share = share[share > 0]
    return math.exp(-(share * np.log(share)).sum())


def mean_cosine(latent: Array) -> float:
    rows = latent.reshape(len(latent), -1)
    cosines = [
        one @ other / (np.linalg.norm(one) * np.linalg.norm(other))
        for one, other in itertools.combinations(rows, 2)
    ]
    return float(np.mean(cosines))
