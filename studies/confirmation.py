"""Confirmation: what the best trials are worth on seeds that the search never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from rich.table import Table

from studies.question import Question
from studies.record import completed, counts, feasible, front, ranked
from studies.settings import StudyConfig
from vlatent.effects import by_confirmation, interval


@dataclass(frozen=True)
class Confirmed:
    """One trial of the search and what came of it on new seeds.

    Attributes:
        number: Of the trial.
        found: Its values in the search.
        values: Its values on every new seed, one row a seed.
        passed: On how many seeds it passes every criterion.
    """

    number: int
    found: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]
    passed: int

    @property
    def mean(self) -> float:
        """Mean of the first objective."""
        return fmean(row[0] for row in self.values)

    def interval(self, objective: int = 0) -> tuple[float, float, float]:
        """Mean and 95 % t interval over seeds of one objective."""
        return interval([row[objective] for row in self.values])

    @property
    def optimism(self) -> float:
        """How much better the search found it than it is: found minus confirmed."""
        return self.found[0] - self.mean


def seeds(settings: StudyConfig, used: int) -> list[int]:
    """Seeds other than the one on which the search trained all its trials."""
    return [used + 1 + index for index in range(settings.confirmation_seeds)]


def cells(search: optuna.Study, settings: StudyConfig, used: int) -> list[tuple[int, int]]:
    """Which trial is to be trained on which seed; none when no trial is worth it."""
    chosen = finalists(search, settings.confirm)
    return [(trial.number, seed) for trial in chosen for seed in seeds(settings, used)]


def finalists(search: optuna.Study, count: int) -> list[FrozenTrial]:
    """The best feasible trials; of a front, those nearest to its knee."""
    if len(search.directions) == 1:
        return [trial for trial in ranked(search) if feasible(trial)][:count]
    return by_knee(search)[:count]


def by_knee(search: optuna.Study) -> list[FrozenTrial]:
    """The front, those first that are nearest to the best of every objective at once.

    d^2 = sum over objectives of ((best - value) / range)^2, with best and range of the front.
    """
    unbeaten = front(search)
    if not unbeaten:
        return []  # no trial was trained to the end
    signs = [1 if way == StudyDirection.MAXIMIZE else -1 for way in search.directions]
    values = np.array([trial.values for trial in unbeaten]).reshape(-1, len(signs)) * signs
    spread = np.ptp(values, axis=0)
    distance = (values.max(0) - values) / np.where(spread > 0, spread, 1)
    order = np.argsort((distance**2).sum(1), kind="stable")
    return [unbeaten[index] for index in order]


def confirmed(
    search: optuna.Study, confirmation: optuna.Study, settings: StudyConfig
) -> list[Confirmed]:
    """The finalists with at least one confirmed seed, the best first (see `by_confirmation`)."""
    results = []
    for trial in finalists(search, settings.confirm):
        again = [each for each in completed(confirmation) if cell_of(each)[0] == trial.number]
        if again:
            again.sort(key=cell_of)
            values = tuple(tuple(each.values) for each in again)
            passed = sum(map(feasible, again))
            results.append(Confirmed(trial.number, tuple(trial.values), values, passed))
    if len(search.directions) > 1:
        return results
    maximize = search.direction == StudyDirection.MAXIMIZE

    def rank(each: Confirmed) -> tuple[float, float]:
        return by_confirmation(each.passed, [row[0] for row in each.values], maximize)

    return sorted(results, key=rank)


def cell_of(trial: FrozenTrial) -> tuple[int, int]:
    """The trial and the seed of a confirmation, also of one that waits."""
    values = trial.system_attrs.get("fixed_params", {}) | trial.params
    return int(values["trial"]), int(values["seed"])


def failures(confirmation: optuna.Study) -> int:
    return sum(
        counts(trial) and trial.state == TrialState.FAIL
        for trial in confirmation.get_trials(deepcopy=False)
    )


def table(results: Sequence[Confirmed], question: Question) -> Table:
    """Found against confirmed, with the interval over seeds."""
    made = Table(
        title="Confirmed on seeds that the search never saw",
        title_justify="left",
        title_style="bold",
    )
    for heading in ("trial", "passes", "objective", "found", "confirmed", "95 % interval"):
        made.add_column(heading, justify="left" if heading in ("trial", "objective") else "right")
    for each in results:
        for index, objective in enumerate(question.objectives):
            mean, low, high = each.interval(index)
            between = f"{low:.4g} to {high:.4g}" if len(each.values) > 1 else "one seed, none"
            first = (str(each.number), f"{each.passed} of {len(each.values)}")
            made.add_row(
                *(("", "") if index else first),
                *(objective.label, f"{each.found[index]:.4g}", f"{mean:.4g}"),
                between,
            )
    return made
