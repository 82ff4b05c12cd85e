"""The front of a study with several objectives: every trial that no other beats in all of them."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial
from rich.table import Table

from studies import record
from studies.confirmation import Confirmed, finalists
from studies.figures.pareto import Objective, Point, pareto_figure
from studies.question import Question


def trials(study: optuna.Study) -> list[FrozenTrial]:
    """The front, by the first objective."""
    return sorted(record.front(study), key=lambda trial: trial.values, reverse=True)


def table(study: optuna.Study, question: Question) -> Table:
    made = Table(title="The front", title_justify="left", title_style="bold")
    made.add_column("trial")
    for objective in question.objectives:
        way = "more" if objective.maximize else "less"
        made.add_column(f"{objective.label} ({way} is better)", justify="right")
    made.add_column("violates")
    for trial in trials(study):
        broken = [line["name"] for line in trial.user_attrs["criteria"] if line["margin"] > 0]
        values = [f"{value:.4g}" for value in trial.values]
        made.add_row(str(trial.number), *values, ", ".join(broken) or "nothing")
    return made


def picture(study: optuna.Study, question: Question, results: Sequence[Confirmed]) -> bytes:
    """Every pair of objectives: all trials, the front, its knee and what was confirmed."""
    again = {each.number: each for each in results}
    best = {trial.number for trial in record.front(study)}
    knee = {trial.number for trial in finalists(study, 1)}
    scales = [
        Objective(each.name, each.label, each.maximize, each.scale, each.limit)
        for each in question.objectives
    ]
    points = [
        Point(
            trial.number,
            tuple(trial.values),
            trial.number in best,
            trial.number in knee,
            tuple(_ends(again[trial.number], index) for index in range(len(scales)))
            if trial.number in again
            else None,
        )
        for trial in record.completed(study)
    ]
    return pareto_figure(question.text, scales, points)


def _ends(result: Confirmed, objective: int) -> tuple[float, float, float]:
    """Mean and interval; of a single seed, which has none, its value."""
    mean, low, high = result.interval(objective)
    return (mean, low, high) if len(result.values) > 1 else (mean, mean, mean)
