"""Racing of finalists: seeds go to the trials that may still win, at the cost of equal seeds."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

SPREAD = 4.0  # variance of the standardized differences that `evidence` bets on


def rounds(trials: int, budget: int) -> list[tuple[int, int]]:
    """How many trials stay in each round, and how many seeds they have had when it ends.

    Sequential halving (Karnin, Koren and Somekh 2013): after each of log2(trials) rounds of about
    equal cost the better half stays. All together at most `budget` runs.

    >>> rounds(5, 25), rounds(3, 15), rounds(1, 5)
    ([(5, 2), (3, 5), (2, 8)], [(3, 3), (2, 6)], [(1, 5)])
    """
    left, stay, done, plan = budget, trials, 0, []
    for ahead in range(max(1, math.ceil(math.log2(trials))), 0, -1):
        more = min(math.ceil(left / ahead / stay), left // stay)
        done, left = done + more, left - more * stay
        plan.append((stay, done))
        stay = math.ceil(stay / 2)
    return plan


def evidence(differences: Float[np.ndarray, "*rows pair"]) -> Float[np.ndarray, "*rows"]:
    """E-value against "the mean difference is 0", along the last axis; anytime-valid.

    E_n = (1 + n g)^(-1/2) (S / (S - T^2 g / (1 + n g)))^(n / 2), with the sum T and the sum of
    squares S of n differences: the likelihood ratio of the t statistic for a standardized mean that
    is normal with variance g = `SPREAD` against 0. Of independent normal differences with mean 0
    and any variance it is a martingale, so it ever reaches 1 / a with probability a at most (Ville
    1939), whenever and why ever it is looked at (Lai 1976; Perez-Ortiz et al. 2024).

    Calibration: 1 for a single difference, (1 + n g)^(-1/2) for n that are all 0, and at most
    (1 + n g)^((n - 1) / 2), for n that are equal.
    """
    n, squares, total = differences.shape[-1], (differences**2).sum(-1), differences.sum(-1)
    rest = squares - total**2 * SPREAD / (1 + n * SPREAD)
    ratio = np.divide(squares, rest, out=np.ones_like(squares), where=squares > 0)
    return np.asarray(ratio ** (n / 2) / (1 + n * SPREAD) ** 0.5)
