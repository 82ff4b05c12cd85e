"""The statistics again, from their formulas, in NumPy, SciPy and PyWavelets: one picture at a time.

Nothing here is shared with the library. Pictures are [batch, height, width, channel].
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pywt
from numpy.typing import NDArray
from scipy import fft, optimize, stats

Array = NDArray[np.float64]


def pictures_of(latent: Array) -> Iterator[tuple[int, int, Array]]:
    """(sentence, channel, picture) of every picture."""
    for sentence, channel in itertools.product(range(latent.shape[0]), range(latent.shape[-1])):
        yield sentence, channel, latent[sentence, :, :, channel]


def per_picture(latent: Array, number: object) -> Array:
    """`number(picture)` of every picture, [batch, channel]."""
    found = np.empty((latent.shape[0], latent.shape[-1]))
    for sentence, channel, picture in pictures_of(latent):
        found[sentence, channel] = number(picture)  # type: ignore[operator]
    return found


# --- power spectra ------------------------------------------------------------------------------


def power_of(picture: Array) -> Array:
    """Squared DCT-II coefficients over the picture's variance, the mean left out."""
    power = fft.dctn(picture, type=2, norm="ortho") ** 2
    power[0, 0] = 0
    return power / picture.var()


def mean_power(latent: Array) -> Array:
    """Mean over sentences, [channel, height, width]."""
    batch, height, width, channels = latent.shape
    power = np.zeros((channels, height, width))
    for _, channel, picture in pictures_of(latent):
        power[channel] += power_of(picture) / batch
    return power


def frequency(u: int, v: int, height: int, width: int) -> float:
    """Cycles per pixel of a DCT-II coefficient: u half periods fit into the height."""
    return math.hypot(u / (2 * height), v / (2 * width))


def rings(height: int, width: int) -> dict[int, list[tuple[int, int]]]:
    """Coefficients by ring; a ring is one cycle per longer side wide and the mean is in none."""
    members: dict[int, list[tuple[int, int]]] = {}
    for u, v in itertools.product(range(height), range(width)):
        if (u, v) != (0, 0):
            ring = math.floor(frequency(u, v, height, width) * max(height, width) + 0.5)
            members.setdefault(ring, []).append((u, v))
    return dict(sorted(members.items()))


def log_curve(power: Array) -> tuple[Array, Array, Array]:
    """(log frequency, log power, weight) of every ring of one spectrum [height, width]."""
    members = rings(*power.shape).values()
    log_frequency = [math.log(np.mean([frequency(*uv, *power.shape) for uv in r])) for r in members]
    log_power = [math.log(np.mean([power[uv] for uv in ring])) for ring in members]
    weight = np.array([math.sqrt(len(ring)) for ring in members])
    return np.array(log_frequency), np.array(log_power), weight / weight.sum()


def line(power: Array) -> tuple[float, float, float]:
    """Slope alpha, level at frequency 1 and residual of the line through the log curve."""
    x, y, weight = log_curve(power)
    slope, level = np.polyfit(x, y, 1, w=np.sqrt(weight))
    left = y - level - slope * x
    return -slope, level, math.sqrt((weight * left**2).sum())


def below_nyquist(power: Array) -> tuple[Array, Array]:
    """(frequency, power) of every coefficient inside the circle of radius 15.5 / 32."""
    height, width = power.shape
    pairs = [
        (frequency(u, v, height, width), power[u, v])
        for u, v in itertools.product(range(height), range(width))
        if 0 < frequency(u, v, height, width) < 15.5 / 32
    ]
    found = np.array(pairs)
    return found[:, 0], found[:, 1]


def whittle(power: Array) -> float:
    """Whittle's likelihood of P = c f^-alpha with exponential P, minimised by bracketing.

    -log L = sum(log S + P / S), S = c f^-alpha; the best c for an alpha is mean(P f^alpha).
    """
    f, observed = below_nyquist(power)

    def negative_log_likelihood(alpha: float) -> float:
        c = np.mean(observed * f**alpha)
        expected = c * f**-alpha
        return float(np.mean(np.log(expected) + observed / expected))

    return float(optimize.minimize_scalar(negative_log_likelihood, bracket=(0, 2), tol=1e-12).x)


def all_frequency_slope(power: Array) -> float:
    """Least squares through the log power of every single coefficient."""
    f, observed = below_nyquist(power)
    return -float(np.polyfit(np.log(f), np.log(observed), 1)[0])


def radial_slope(pictures: Array) -> float:
    """FFT power of pictures [batch, height, width], rings 1 to just below Nyquist, log-log fit."""
    height, width = pictures.shape[1:]
    side = min(height, width)
    power = np.zeros((height, width))
    for picture in pictures:
        power += np.abs(np.fft.fft2(picture - picture.mean())) ** 2 / picture.var()
    sums: dict[int, list[float]] = {}
    for u, v in itertools.product(range(height), range(width)):
        cycles = math.hypot(min(u, height - u) / height, min(v, width - v) / width)
        sums.setdefault(round(cycles * side), []).append(power[u, v])
    radius = list(range(1, side // 2))
    log_mean = [math.log(np.mean(sums[ring])) for ring in radius]
    return -float(np.polyfit(np.log(radius), log_mean, 1)[0])


def checkerboard(picture: Array) -> tuple[float, float]:
    """Largest and mean power over the fitted line, in the last row and column of the DCT."""
    power = power_of(picture)
    height, width = power.shape
    alpha, level, _ = line(power)
    excess = [
        power[u, v] / math.exp(level - alpha * math.log(frequency(u, v, height, width)))
        for u, v in itertools.product(range(height), range(width))
        if u == height - 1 or v == width - 1
    ]
    return max(excess), float(np.mean(excess))


# --- priors: statistic [channel] and penalty ----------------------------------------------------


def spectrum_statistic(latent: Array) -> Array:
    return np.array([whittle(power) + 0.08 for power in mean_power(latent)])


def spectrum_curve_penalty(latent: Array, alpha: float = 2.0) -> float:
    distances = []
    for power in mean_power(latent):
        x, y, weight = log_curve(power)
        left = y + alpha * x
        distances.append((weight * (left - (weight * left).sum()) ** 2).sum())
    return float(np.mean(distances))


def spectrum_slope_penalty(latent: Array, alpha: float = 2.0) -> float:
    distances = [line(power)[0] - alpha for power in mean_power(latent)]
    return float(np.mean([d**2 + max(0.0, abs(d) - 0.5) for d in distances]))


def _total_variation(picture: Array) -> float:
    total = 0.0
    height, width = picture.shape
    for y, x in itertools.product(range(height), range(width)):
        if y + 1 < height:
            total += abs(picture[y + 1, x] - picture[y, x])
        if x + 1 < width:
            total += abs(picture[y, x + 1] - picture[y, x])
    return total


def total_variation_statistic(latent: Array) -> Array:
    return per_picture(latent, _total_variation).mean(0)


def total_variation_penalty(latent: Array) -> float:
    height, width = latent.shape[1:3]
    pairs = sum(
        (y + 1 < height) + (x + 1 < width)
        for y, x in itertools.product(range(height), range(width))
    )
    return float(per_picture(latent, lambda p: _total_variation(p / p.std())).mean() / pairs)


def _wavelet_ratios(latent: Array, levels: int) -> Array:
    """mean|c| / rms c over sentences and space, [channel, level x 3 orientations]."""
    ratios = []
    for channel in range(latent.shape[-1]):
        bands: dict[tuple[int, int], list[Array]] = {}
        for picture in latent[..., channel]:
            unit = (picture - picture.mean()) / picture.std()
            _, *details = pywt.wavedec2(unit, "haar", level=levels)
            for level, orientations in enumerate(details):
                for orientation, coefficients in enumerate(orientations):
                    bands.setdefault((level, orientation), []).append(coefficients)
        pooled = [np.stack(band) for band in bands.values()]
        ratios.append([np.abs(c).mean() / math.sqrt((c**2).mean()) for c in pooled])
    return np.array(ratios)


def wavelet_statistic(latent: Array, levels: int = 3) -> Array:
    return stats.gmean(_wavelet_ratios(latent, levels), axis=1)


def wavelet_penalty(latent: Array, shape: float = 0.7, levels: int = 3) -> float:
    wanted = stats.gennorm(shape).expect(abs) / stats.gennorm(shape).std()
    return float(np.mean(np.log(_wavelet_ratios(latent, levels) / wanted) ** 2))


def _kurtosis(picture: Array) -> float:
    differences = (np.diff(picture, axis=0).ravel(), np.diff(picture, axis=1).ravel())
    return float(np.mean([stats.kurtosis(d, fisher=False) for d in differences]))


def kurtosis_statistic(latent: Array) -> Array:
    return per_picture(latent, _kurtosis).mean(0)


def kurtosis_penalty(latent: Array, target: float = 6.0, ceiling: float = 20.0) -> float:
    def distance(picture: Array) -> float:
        k = _kurtosis(picture)
        if k < target:
            return math.log(target / k) ** 2
        return math.log(k / ceiling) ** 2 if k > ceiling else 0.0

    return float(per_picture(latent, distance).mean())


def _local_coherence(picture: Array, flat: float = 1e-4) -> float:
    """Eigenvalues of the structure tensor of every 5 x 5 window, one window at a time."""
    unit = (picture - picture.mean()) / picture.std()
    down, across = (unit[2:, 1:-1] - unit[:-2, 1:-1]) / 2, (unit[1:-1, 2:] - unit[1:-1, :-2]) / 2
    window = np.outer((1, 4, 6, 4, 1), (1, 4, 6, 4, 1)) / 256
    found, weights = [], []
    for y, x in itertools.product(*(range(side - 4) for side in down.shape)):
        gradient = np.stack([part[y : y + 5, x : x + 5] for part in (down, across)])
        tensor = np.einsum("iyx,jyx,yx->ij", gradient, gradient, window)
        low, high = np.linalg.eigvalsh(tensor)
        found.append(math.hypot(high - low, flat) / (high + low + flat))
        weights.append(math.sqrt(high + low + flat))
    return float(np.average(found, weights=weights))


def contours_statistic(latent: Array) -> Array:
    return per_picture(latent, _local_coherence).mean(0)


def contours_penalty(latent: Array, target: float = 0.7, ceiling: float = 0.8) -> float:
    def distance(picture: Array) -> float:
        coherence = _local_coherence(picture)
        if coherence < target:
            return math.log((1 - coherence) / (1 - target)) ** 2
        return math.log((1 - coherence) / (1 - ceiling)) ** 2 if coherence > ceiling else 0.0

    return float(per_picture(latent, distance).mean())


def correlations(latent: Array) -> Array:
    """Off-diagonal entries of the correlation matrix, [channel, channel - 1].

    NumPy's matrix of the pictures, each channel of each of them shifted to mean 0.
    """
    channels = latent.shape[-1]
    shifted = [
        np.concatenate([(picture[..., c] - picture[..., c].mean()).ravel() for picture in latent])
        for c in range(channels)
    ]
    matrix = np.corrcoef(shifted)
    return np.array(
        [[matrix[i, j] for j in range(channels) if i != j] for i in range(channels)], dtype=float
    )


def decorrelation_statistic(latent: Array) -> Array:
    return np.abs(correlations(latent)).mean(1)


def decorrelation_penalty(latent: Array) -> float:
    return float((correlations(latent) ** 2).mean())


def variance_statistic(latent: Array) -> Array:
    return per_picture(latent, np.var).mean(0)


def variance_penalty(latent: Array, target: float = 1.0) -> float:
    return float(per_picture(latent, lambda p: math.log(p.var() / target) ** 2).mean())
