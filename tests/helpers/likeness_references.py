"""What is compared with photographs again, in NumPy, SciPy and PyWavelets: one image at a time.

Nothing here is shared with the library. Images are [height, width], latents
[batch, height, width, channel].
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pywt
from numpy.typing import NDArray
from scipy import ndimage, stats

Array = NDArray[np.float64]
LEAST = 1e-3  # of magnitudes before their logarithm


def unit(image: Array) -> Array:
    """The image with mean 0 and deviation 1."""
    scaled: Array = (image - image.mean()) / image.std()
    return scaled


def features(image: Array) -> list[float]:
    """All seven, in the library's order."""
    differences = [np.diff(unit(image), axis=axis).ravel() for axis in (0, 1)]
    second, finest = haar(image)
    return [
        math.log(np.abs(np.concatenate(differences)).mean()),
        np.mean([sparsity(band) for band in finest]),
        np.mean([sparsity(band) for band in second]),
        math.log(np.mean([stats.kurtosis(d, fisher=False) for d in differences])),
        magnitude_dependency(image),
        coherence(image),
        speckle(image),
    ]


def haar(image: Array) -> list[tuple[Array, Array, Array]]:
    """Details of two levels, the coarser one first."""
    height, width = (side // 4 * 4 for side in image.shape)
    details: list[tuple[Array, Array, Array]]
    _, *details = pywt.wavedec2(unit(image)[:height, :width], "haar", level=2)
    return details


def sparsity(band: Array) -> float:
    return math.log(np.abs(band).mean() / math.sqrt((band**2).mean()))


def correlation(one: Array, other: Array) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def neighbours(values: Array, by: int) -> float:
    down = correlation(values[by:], values[:-by])
    return (down + correlation(values[:, by:], values[:, :-by])) / 2


def magnitude_dependency(image: Array) -> float:
    second, finest = (
        [np.log(np.maximum(np.abs(band), LEAST)) for band in bands] for bands in haar(image)
    )
    parents = [np.kron(band, np.ones((2, 2))) for band in second]
    down, across = np.diff(unit(image), axis=0)[:, :-1], np.diff(unit(image), axis=1)[:-1]
    size = np.log(np.maximum(np.sqrt(down**2 + across**2), LEAST))
    parts = (
        np.mean([neighbours(band, 1) for band in finest]),
        np.mean([correlation(*pair) for pair in zip(finest, parents, strict=True)]),
        np.mean([correlation(*pair) for pair in itertools.combinations(finest, 2)]),
        neighbours(size, 2),
    )
    return float(np.mean(parts))


def structure(image: Array) -> tuple[Array, Array, Array]:
    """Products of centred differences: across, down, and of both."""
    down, across = (part[1:-1, 1:-1] for part in np.gradient(unit(image)))
    return across**2, down**2, across * down


def coherence(image: Array) -> float:
    """Difference of the eigenvalues over their sum, of every pixel's smoothed structure tensor."""
    smooth = (ndimage.gaussian_filter(p, 1.0, mode="nearest", truncate=3) for p in structure(image))
    xx, yy, xy = smooth
    values = np.linalg.eigvalsh(np.stack([[xx, xy], [xy, yy]]).transpose(2, 3, 0, 1))
    return float((values[..., 1] - values[..., 0]).sum() / values.sum())


def speckle(image: Array) -> float:
    around = np.ones((3, 3), dtype=bool)
    around[1, 1] = False
    median = ndimage.generic_filter(unit(image), np.median, footprint=around)
    single = ((unit(image) - median)[1:-1, 1:-1] ** 2).mean()
    return float(single / np.mean([(np.diff(unit(image), axis=a) ** 2).mean() for a in (0, 1)]))


def anisotropy(latent: Array) -> list[float]:
    """Length of the mean double angle vector over a sentence's channels."""
    found = []
    for sentence in latent:
        vectors = []
        for channel in np.moveaxis(sentence, -1, 0):
            xx, yy, xy = (product.sum() for product in structure(channel))
            vectors.append(complex(xx - yy, 2 * xy) / (xx + yy))
        found.append(abs(np.mean(vectors)))
    return found


def correlation_within(latent: Array) -> Array:
    """Mean |correlation| with the other channels, sentence by sentence, then over sentences."""
    channels = latent.shape[-1]
    found = []
    for sentence in latent:
        size = np.abs(np.corrcoef(sentence.reshape(-1, channels).T))
        found.append([np.delete(size[c], c).mean() for c in range(channels)])
    return np.mean(found, axis=0)
