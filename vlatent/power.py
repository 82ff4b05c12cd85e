"""How large an effect must be for paired runs to establish it."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import scipy
from jaxtyping import Float

from vlatent.effects import RESAMPLES, smallest_p
from vlatent.intervals import ALPHA

DRAWS = 10_000  # simulated ablations behind a promised power: its standard error is 0.4 %
BATCH = 1_000_000  # subset means in memory at once while they are simulated


def power(n: int, effect: float, tests: int = 1, alpha: float = ALPHA) -> float:
    """Chance that n pairs establish a standardized effect in a family of this many tests.

    At the level alpha / tests of Holm's first step: the least that his procedure has, reached when
    nothing else in the family is established. By simulation of the sign-flip test that `paired`
    makes, for normal differences; the t test would promise too much, since with few pairs only
    few p are possible. Calibration: where all signs must agree (n = 8 and 6 tests) it is
    Phi(effect)^n; 0 where not even that is enough (n = 8 and 7 tests; n = 5 and 1 test).
    """
    return float((_needed(n, tests, alpha) < abs(effect)).mean())


def detectable(n: int, tests: int = 1, power: float = 0.8, alpha: float = ALPHA) -> float:
    """Smallest standardized effect that n pairs establish with this power, as `power` has it.

    Infinite where no effect is large enough. Calibration, within 0.02: 1.20 at n = 8, 0.75 at
    n = 16 and infinite at n = 5 for one test; 1.92 at n = 8 and 1.00 at n = 16 for six.
    """
    return float(np.quantile(_needed(n, tests, alpha), power, method="higher"))


def detectable_by_interval(n: int, power: float = 0.8, alpha: float = ALPHA) -> float:
    """Smallest standardized effect whose own t interval lies on its side of 0 with this power.

    Exact for normal differences, by the noncentral t; what `detectable` comes near to for one test
    and many pairs. It suggests an effect and establishes none. Infinite below two pairs.
    Calibration: 1.68 at n = 5, 1.16 at n = 8, 0.75 at n = 16.
    """
    if n < 2:
        return math.inf
    limit = scipy.stats.t.ppf(1 - alpha / 2, n - 1)

    def lacking(effect: float) -> float:
        return power - float(scipy.stats.nct.sf(limit, n - 1, effect * math.sqrt(n)))

    enough = 1.0
    while lacking(enough) > 0:
        enough *= 2
    return float(scipy.optimize.brentq(lacking, 0, enough))


@lru_cache(maxsize=64)
def _needed(n: int, tests: int, alpha: float) -> Float[np.ndarray, " draw"]:
    """The standardized effect from which each of many simulated ablations is established.

    A flip of the signs of the pairs A brings the mean of normal noise z plus effect at least as
    far from 0 as it was when the sum over A is not above 0: when the effect is at most
    -mean_A(z), which is distributed as mean_A(z). So p is small enough as soon as the effect
    exceeds all but the few largest of these means.
    """
    few = math.ceil(alpha / (tests * smallest_p(n)) - 1e-9) - 1  # flips, the identity included
    if few < 1:
        return np.full(DRAWS, np.inf)
    draw = np.random.default_rng(0)
    if 2**n <= RESAMPLES:
        subsets = (np.arange(1, 2**n)[:, None] >> np.arange(n)) & 1
    else:
        subsets = draw.integers(0, 2, (RESAMPLES, n))
    size = subsets.sum(1)
    average = (subsets / np.maximum(size, 1)[:, None]).T
    needed = []
    for noise in np.array_split(draw.normal(size=(DRAWS, n)), math.ceil(DRAWS * len(size) / BATCH)):
        means = noise @ average
        means[:, size == 0] = np.inf  # the identity is as far from 0 whatever the effect
        means.partition(-few, axis=1)
        needed.append(means[:, -few].copy())
    return np.concatenate(needed)
