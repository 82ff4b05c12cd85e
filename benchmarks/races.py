"""Races of finalists: who gets the next seed, when a race ends, what its winner is worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from benchmarks.tables import Array
from studies.racing import evidence, rounds
from vlatent.intervals import ALPHA

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


def separated(scores: Array, leader: int, among: int) -> bool:
    """Whether the leader is ahead of all others by `evidence` of at least (among - 1) / 5 %.

    Whoever is truly best is beaten by one of `among` - 1 others with a probability of 5 % at most.
    """
    apart = np.delete(scores[leader] - scores, leader, 0)
    ahead = (apart.sum(1) > 0) & (evidence(apart) >= (among - 1) / ALPHA)
    return bool(ahead.all())


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
        if had.any():
            ordered = stay[best_of(scores[stay, : had.max()], len(stay))]
            if separated(scores[ordered, : had.max()], 0, trials):
                return Race(int(ordered[0]), tuple(had.tolist()), True)
            stay = ordered[:count]
        had[stay] = end
    winner = stay[best_of(scores[stay, : had.max()], 1)[0]]
    return Race(int(winner), tuple(had.tolist()), False)


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
    """95 % t intervals of the winner's value: from what chose it, shrunken, and from the test.

    The pooled ones go by the spread over seeds of all trials that were trained, not of the winner
    alone, as a study says it of its test (`studies.result.StudyResult.interval`).
    """
    all_runs = [row[:seeds] for row, seeds in zip(scores, race.seeds, strict=False)]
    runs, test = all_runs[race.winner], scores[race.winner, -TESTED:]
    made = {
        "seeds that chose it": half_width(runs),
        "the same, pooled": half_width(runs, all_runs),
        "test": half_width(test),
        "test, pooled": half_width(test, [test, *all_runs]),
    }
    if min(race.seeds) > 1 and len(race.seeds) > 1:
        made["shrunken"] = shrunken(scores, race), made["seeds that chose it"][1]
    return made


def half_width(values: Array, groups: Sequence[Array] = ()) -> tuple[float, float]:
    """Mean and half width of its 95 % t interval (`vlatent.intervals.interval`, for many races).

    The spread is that of the values, or that within all of the groups.
    """
    groups = groups or [values]
    freedom = sum(len(group) - 1 for group in groups)
    squares = sum(group.var() * len(group) for group in groups)
    error = (squares / freedom / len(values)) ** 0.5 if freedom else math.inf
    return float(values.mean()), float(QUANTILES[freedom] * error)
