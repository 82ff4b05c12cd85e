"""Racing of finalists: seeds go to the trials that may still win, at the cost of equal seeds."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from studies.result import Finalist
from vlatent.intervals import ALPHA

Cell = tuple[int, int]  # a trial of the search, and the seed on which it is trained again

SPREAD = 4.0  # variance of the standardized differences that `evidence` bets on


def rounds(trials: int, budget: int) -> list[tuple[int, int]]:
    """How many trials stay in each round, and how many seeds they have had when it ends.

    Sequential halving (Karnin, Koren and Somekh 2013): after each of log2(trials) rounds of about
    equal cost the better half stays. All together at most `budget` runs.

    >>> rounds(5, 25), rounds(3, 15), rounds(1, 5)
    ([(5, 2), (3, 5), (2, 8)], [(3, 3), (2, 6)], [(1, 5)])
    """
    plan: list[tuple[int, int]] = []
    left, stay, done = budget, trials, 0
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


@dataclass(frozen=True)
class Race:
    """A race as far as it has come.

    Attributes:
        order: Numbers of the finalists: those that stay by their rank, then who was dropped, the
            last one first.
        cells: What has been trained, and what comes next if it is not over.
    """

    order: tuple[int, ...]
    cells: tuple[Cell, ...]


def race(finalists: Sequence[Finalist], first_seed: int, seeds: int, maximize: bool) -> Race:
    """The race of these finalists; it depends on what is recorded alone, so all workers see one.

    It ends after the round in which the leader is ahead of all that stay, else with the budget.

    Args:
        finalists: In the order of the search, with what they have been trained on so far.
        first_seed: The seeds are this one and those that follow.
        seeds: So many of each would cost as much.
        maximize: Whether more of the first objective is better.
    """
    ended = {(run.trial, run.seed) for each in finalists for run in each.confirmations}
    stay, had = list(finalists), range(first_seed, first_seed)
    dropped: list[Finalist] = []
    cells: list[Cell] = []
    for count, end in rounds(len(stay), len(stay) * seeds):
        if had:
            stay = ranked_again(stay, had, maximize)
            first, *others = (each.on(had) for each in stay)
            if others and all(is_ahead(first, it, len(finalists), maximize) for it in others):
                break
            stay, dropped = stay[:count], stay[count:] + dropped
        new, had = range(had.stop, first_seed + end), range(first_seed, first_seed + end)
        cells += [(each.number, seed) for seed in new for each in stay]
        if not ended.issuperset(cells):
            break
    order = ranked_again(stay, had, maximize) + dropped
    return Race(tuple(each.number for each in order), tuple(cells))


def is_ahead(leader: Finalist, other: Finalist, among: int, maximize: bool) -> bool:
    """Whether a race of so many need not go on for this other one.

    The leader passes on all its seeds, and its objective is the better one by evidence of at least
    (among - 1) / 5 %: the truly best can be beaten by each of the others, so with 5 % by any.
    """
    values = np.array(differences(leader, other, 1 if maximize else -1))
    if leader.passed < len(leader.confirmations) or values.sum() <= 0:
        return False
    return bool(evidence(values) >= (among - 1) / ALPHA)


def ranked_again(
    finalists: Sequence[Finalist], seeds: Collection[int], maximize: bool
) -> list[Finalist]:
    """By the share of these seeds on which every criterion holds, then by the mean over them.

    What failed on all of them comes last.
    """
    sign = -1 if maximize else 1

    def standing(finalist: Finalist) -> tuple[float, float]:
        it = finalist.on(seeds)
        return (-it.passed / len(it.runs), sign * it.mean) if it.runs else (1.0, math.inf)

    return sorted(finalists, key=standing)


def differences(one: Finalist, other: Finalist, sign: int) -> list[float]:
    """By how much one is better than the other, on every seed on which both ended well."""
    by_seed = {run.seed: run.values[0] for run in other.runs}
    return [sign * (run.values[0] - by_seed[run.seed]) for run in one.runs if run.seed in by_seed]
