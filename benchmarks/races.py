"""Races of finalists: who gets the next seed, when a race ends, what its winner is worth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy

from benchmarks.tables import Array
from vlatent.intervals import ALPHA

SPREAD = 4.0  # variance of the standardized differences that `evidence` bets on
RACED = 0.1  # two-sided p below which the t race drops a trial
TESTED = 3  # seeds of the test, which chose nothing: the last ones


@dataclass(frozen=True)
class Race:
    """How a race ended.

    Attributes:
        winner: The trial that is named.
        seeds: On how many seeds each trial was trained.
        separated: Whether it ended because no other could win, with an error of at most 5 %.
    """

    winner: int
    seeds: tuple[int, ...]
    separated: bool


FREEDOM = np.arange(1, 2_000)
QUANTILES = (math.inf, *scipy.stats.t.ppf(1 - ALPHA / 2, FREEDOM))  # by degrees of freedom
BEATEN = (math.inf, *scipy.stats.t.ppf(1 - RACED / 2, FREEDOM))  # of the t race, likewise

Rule = Callable[[Array, int, int], Race]  # scores [trial, seed], finalists, seeds of each of them


def evidence(differences: Array) -> Array:
    """E-value against "the mean difference is 0", along the last axis; anytime-valid.

    E_n = (1 + n g)^(-1/2) (S / (S - T^2 g / (1 + n g)))^(n / 2), with the sum T and the sum of
    squares S of n differences: the likelihood ratio of the t statistic for a standardized mean that
    is normal with variance g = `SPREAD` against 0. Of independent normal differences with mean 0
    and any variance it is a martingale, so it ever reaches 1 / a with probability a at most (Ville
    1939), whenever and why ever it is looked at (Lai 1976; Perez-Ortiz et al. 2024).

    Calibration: 1 for a single difference, and for differences that are all 0; at most
    (1 + n g)^((n - 1) / 2).
    """
    n, squares, total = differences.shape[-1], (differences**2).sum(-1), differences.sum(-1)
    rest = squares - total**2 * SPREAD / (1 + n * SPREAD)
    ratio = np.divide(squares, rest, out=np.ones_like(squares), where=squares > 0)
    return np.asarray(ratio ** (n / 2) / (1 + n * SPREAD) ** 0.5)


def separated(scores: Array, leader: int, among: int) -> bool:
    """Whether the leader is ahead of all others by `evidence` of at least (among - 1) / 5 %.

    Whoever is truly best is beaten by one of `among` - 1 others with a probability of 5 % at most.
    """
    apart = np.delete(scores[leader] - scores, leader, 0)
    ahead = (apart.sum(1) > 0) & (evidence(apart) >= (among - 1) / ALPHA)
    return bool(ahead.all())


def rounds(trials: int, budget: int) -> list[tuple[int, int]]:
    """How many trials stay in each round, and how many seeds they have had when it ends.

    Every round costs about the same; all together at most `budget` runs.

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


def best_of(scores: Array, count: int) -> Array:
    """The first trials by their mean over seeds, the earlier one first where two are equal."""
    return np.argsort(-scores.mean(1), kind="stable")[:count]


def equal(scores: Array, finalists: int, seeds: int) -> Race:
    """All finalists on the same number of seeds: plain confirmation."""
    winner = best_of(scores[:finalists, :seeds], 1)[0]
    return Race(int(winner), (seeds,) * finalists, False)


def halving(scores: Array, finalists: int, seeds: int, begin: int = 1) -> Race:
    """Sequential halving that ends early when its leader is separated.

    Args:
        scores: [trial, seed], more than are used.
        finalists: Whose cost with equal seeds is the budget.
        seeds: The same.
        begin: How many times as many trials begin.
    """
    trials = begin * finalists
    stay, had = np.arange(trials), np.zeros(trials, int)
    for count, end in rounds(trials, finalists * seeds):
        if count < len(stay):
            stay = stay[best_of(scores[stay, : had[stay[0]]], count)]
        for seen in range(had[stay[0]] + 1, end + 1):
            had[stay] = seen
            ordered = stay[best_of(scores[stay, :seen], count)]
            if count > 1 and separated(scores[ordered, :seen], 0, trials):
                return Race(int(ordered[0]), tuple(had.tolist()), True)
    return Race(int(ordered[0]), tuple(had.tolist()), False)


def wide_halving(scores: Array, finalists: int, seeds: int) -> Race:
    return halving(scores, finalists, seeds, begin=2)


def t_race(scores: Array, finalists: int, seeds: int) -> Race:
    """Two seeds for all, then one more at a time for those that the leader does not beat."""
    stay, had = np.arange(finalists), np.full(finalists, min(2, seeds))
    left = finalists * seeds - int(had.sum())
    while True:
        seen = int(had[stay[0]])
        ordered = stay[best_of(scores[stay, :seen], len(stay))]
        apart = scores[ordered[0], :seen] - scores[ordered, :seen]
        error = apart.std(1, ddof=1) / seen**0.5 if seen > 1 else np.zeros(len(apart))
        stay = ordered[~(apart.mean(1) > BEATEN[seen - 1] * error) | (ordered == ordered[0])][:left]
        if len(stay) < 2:
            return Race(int(ordered[0]), tuple(had.tolist()), False)
        had[stay] += 1
        left -= len(stay)


RULES: dict[str, Rule] = {
    "equal": equal,
    "halving": halving,
    "t race": t_race,
    "wide halving": wide_halving,
}


def shrunken(scores: Array, race: Race) -> float:
    """The winner's mean, drawn towards the finalists' by how reliably they were told apart.

    mean - (1 - r) (a - mean of all a), where a is a trial's effect by least squares on all runs
    (score = trial + seed), and r = v / (v + s^2 / n): v is the variance between the trials, by the
    method of moments on the seeds that all have had, s^2 their residual variance there, and n the
    seeds of the winner (James and Stein 1961; Morris 1983). With v = 0 nothing tells them apart,
    and all are worth the same.
    """
    had, winner = np.array(race.seeds), race.winner
    common, trials = scores[: len(had), : had.min()], len(had)
    means = common.mean(1)
    rest = common - means[:, None] - common.mean(0) + means.mean()
    noise = (rest**2).sum() / ((trials - 1) * (had.min() - 1))
    between = max(0.0, means.var(ddof=1) - noise / had.min())
    trial, seed = np.nonzero(np.arange(had.max()) < had[:, None])
    design = np.zeros((len(trial), trials + had.max()))
    design[np.arange(len(trial)), trial] = design[np.arange(len(trial)), trials + seed] = 1
    effects = np.linalg.lstsq(design, scores[trial, seed], rcond=None)[0][:trials]
    doubt = noise / had[winner]
    share = doubt / (between + doubt) if between + doubt > 0 else 0.0
    mean = scores[winner, : had[winner]].mean()
    return float(mean - share * (effects[winner] - effects.mean()))


def winner_intervals(scores: Array, race: Race) -> dict[str, tuple[float, float]]:
    """95 % t intervals of the winner's value: from what chose it, shrunken, and from the test."""
    runs = scores[race.winner, : race.seeds[race.winner]]
    made = {
        "seeds that chose it": half_width(runs),
        "test": half_width(scores[race.winner, -TESTED:]),
    }
    if min(race.seeds) > 1 and len(race.seeds) > 1:
        made["shrunken"] = shrunken(scores, race), made["seeds that chose it"][1]
    return made


def half_width(values: Array) -> tuple[float, float]:
    """Mean and half width of its 95 % t interval (`vlatent.intervals.interval`, for many races)."""
    count = len(values)
    error = values.std(ddof=1) / count**0.5 if count > 1 else math.inf
    return float(values.mean()), float(QUANTILES[count - 1] * error)
