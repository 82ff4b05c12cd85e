"""Trials with the same parameters: what they say about chance, and about the best of many.

Only what is repeated has an interval. Seeds are no parameters: trials that differ in nothing else
repeat each other, and those on the same seed count once, with their mean.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias

import numpy as np
from scipy import stats

from analysis.foreign.result import Foreign, ForeignTrial, Parameters, Value
from studies.outcome import expected_largest
from studies.result import Optimism
from vlatent.intervals import ALPHA, alike, interval

Identity: TypeAlias = frozenset[tuple[str, Value]]


@dataclass(frozen=True)
class ParameterSet:
    """The complete trials with the same parameters.

    Attributes:
        cells: The trials by seed, in the order in which the seeds were begun; without a seed each
            trial is a cell of its own.
        feasible: Whether all of them keep their constraints.
        lost: How many trials with the same parameters were pruned or failed.
    """

    cells: tuple[tuple[ForeignTrial, ...], ...]
    feasible: bool
    lost: int = 0

    @property
    def first(self) -> ForeignTrial:
        """The trial that was begun first."""
        return self.cells[0][0]

    @property
    def repeated(self) -> bool:
        return len(self.cells) > 1

    def values(self, objective: int = 0) -> list[float]:
        """One value a cell."""
        return [fmean(trial.values[objective] for trial in cell) for cell in self.cells]


@dataclass(frozen=True)
class Noise:
    """How far repeats of one set lie apart.

    Attributes:
        deviation: Standard deviation within sets, pooled over them:
            sqrt(sum (value - mean of its set)^2 / sum (repeats - 1)).
        low: Lower end of its 95 % interval, by the chi-squared distribution: of normal values.
        high: Upper end.
        sets: How many sets are repeated.
        degrees: Degrees of freedom, the sum of repeats - 1.
    """

    deviation: float
    low: float
    high: float
    sets: int
    degrees: int

    @property
    def least_difference(self) -> float:
        """Difference of two single trials that chance exceeds in 5 % of cases: t sqrt(2) s."""
        t = stats.t.ppf(1 - ALPHA / 2, self.degrees)
        return float(t * math.sqrt(2) * self.deviation)


@dataclass(frozen=True)
class Leader:
    """The repeated set with the best mean.

    Attributes:
        best: The set.
        among: How many repeated sets it was chosen from.
        apart: The sets that are established to be worse: their mean is farther away than all
            differences of equal sets are in 95 % of cases (Tukey 1949, Kramer 1956), which holds
            whichever set leads; None where there is no noise to go by.
        bias: By how much being chosen flatters its mean, if all sets were alike: the expected
            largest of so many standard normal numbers, in standard errors of the mean.
    """

    best: ParameterSet
    among: int
    apart: tuple[ParameterSet, ...] | None
    bias: float | None


def parameter_sets(study: Foreign, known: Parameters) -> list[ParameterSet]:
    """Every set of parameters that a complete trial has, in the order of their first trials."""
    found: dict[Identity, dict[object, list[ForeignTrial]]] = {}
    for trial in study.complete:
        given = tuple((name, trial.params[name]) for name in known.seeds if name in trial.params)
        cells = found.setdefault(identity(trial, known), {})
        cells.setdefault(given or trial.number, []).append(trial)
    lost = Counter(identity(trial, known) for trial in study.trials if trial.state != "complete")
    return [
        ParameterSet(
            tuple(map(tuple, cells.values())),
            all(study.feasible(trial) for cell in cells.values() for trial in cell),
            lost[key],
        )
        for key, cells in found.items()
    ]


def identity(trial: ForeignTrial, known: Parameters) -> Identity:
    """What trials have in common that repeat each other: all parameters but seeds and labels."""
    ignored = {*known.seeds, *known.labels}
    return frozenset(item for item in trial.params.items() if item[0] not in ignored)


def noise(sets: Sequence[ParameterSet], objective: int = 0) -> Noise | None:
    """The noise of an objective; None where nothing is repeated or all repeats are equal."""
    groups = [each.values(objective) for each in sets if each.repeated]
    degrees = sum(len(values) - 1 for values in groups)
    if all(alike(values) for values in groups):
        return None
    squares = sum(float(np.var(values)) * len(values) for values in groups)
    ends = stats.chi2.ppf([1 - ALPHA / 2, ALPHA / 2], degrees)
    low, high = np.sqrt(squares / ends)
    deviation = math.sqrt(squares / degrees)
    return Noise(deviation, float(low), float(high), len(groups), degrees)


def leader(study: Foreign, sets: Sequence[ParameterSet], found: Noise | None) -> Leader | None:
    """The repeated set whose mean of the first objective is best; None without any."""
    sign = 1 if study.objectives[0].maximize else -1
    repeated = [each for each in sets if each.repeated and each.feasible]
    if not repeated:
        return None
    best = max(repeated, key=lambda each: sign * fmean(each.values()))
    if found is None or len(repeated) == 1:
        return Leader(best, len(repeated), None, None)
    critical = stats.studentized_range.ppf(1 - ALPHA, len(repeated), found.degrees)

    def limit(other: ParameterSet) -> float:
        shares = 1 / len(best.cells) + 1 / len(other.cells)
        return float(critical * found.deviation * math.sqrt(shares / 2))

    ahead = {id(each): sign * (fmean(best.values()) - fmean(each.values())) for each in repeated}
    return Leader(
        best,
        len(repeated),
        tuple(each for each in repeated if ahead[id(each)] > limit(each)),
        expected_largest(len(repeated)) * found.deviation / math.sqrt(len(best.cells)),
    )


def optimism(study: Foreign, sets: Sequence[ParameterSet]) -> Optimism | None:
    """How much better the best single value is than later repeats of its parameters.

    The winner is the best of the first trials of all sets: nothing but its own value chose it, so
    its later repeats are not chosen, and their mean is no more flattering than that of any other.
    The best of all trials would not do: the repeats beside it are worse because it is the best.
    None where the winner was not repeated.
    """
    sign = 1 if study.objectives[0].maximize else -1
    candidates = [each for each in sets if study.feasible(each.first)]
    if not candidates:
        return None
    winner = max(candidates, key=lambda each: sign * each.first.values[0])
    if not winner.repeated:
        return None
    value, later = winner.first.values[0], winner.values()[1:]
    mean, low, high = interval([sign * (value - other) for other in later])
    return Optimism(winner.first.number, value, fmean(later), mean, low, high)
