"""A study's figures: history, importances, parallel coordinates, slices, or the front."""

from __future__ import annotations

import math
from typing import Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from studies import record
from studies.figures.pareto import Point, pareto_figure
from studies.figures.search import TrialRow, search_figures
from studies.job import Job
from studies.question import ObjectiveFunction, Question, Range, Space
from studies.result import Finalist, StudyResult
from vlatent.search_space import Axis

STATES: dict[TrialState, Literal["complete", "pruned", "failed"]] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}
ENOUGH = 10  # complete trials below which importances mean nothing


def study_figures(study: optuna.Study, job: Job, result: StudyResult) -> dict[str, bytes]:
    """Every figure of the study, as PNG by name."""
    if len(result.objectives) > 1:
        return {"front": _front(study, job.question, result)}
    objective = job.question.objectives[0]
    rows = [_row(trial, objective) for trial in record.counted(study)]
    axes, label = _axes(job.space), _label(objective)
    return search_figures(job.question.text, rows, axes, importances(study), label)


def importances(study: optuna.Study) -> dict[str, float] | None:
    """PED-ANOVA importance of every parameter; None below ten complete trials."""
    if len(record.completed(study)) < ENOUGH:
        return None
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return optuna.importance.get_param_importances(record.without_added(study), evaluator=evaluator)


def _front(study: optuna.Study, question: Question, result: StudyResult) -> bytes:
    """Every pair of objectives: all trials, the front, its knee and what was confirmed."""
    again = {finalist.number: finalist for finalist in result.finalists}
    objectives = [function.described for function in question.objectives]
    points = [
        Point(
            trial.number,
            tuple(trial.values),
            trial.number in result.front,
            trial.number == result.leader,
            tuple(_ends(again[trial.number], index) for index in range(len(objectives)))
            if trial.number in again
            else None,
        )
        for trial in record.completed(study)
    ]
    return pareto_figure(question.text, objectives, points)


def _ends(finalist: Finalist, objective: int) -> tuple[float, float, float]:
    """Mean and interval; without one, as of a single seed, the mean alone."""
    mean, low, high = finalist.interval(objective)
    return (mean, low, high) if math.isfinite(high - low) else (mean, mean, mean)


def _label(objective: ObjectiveFunction) -> str:
    """What the figures call the number of which more is better: see `_goodness`."""
    if objective.maximize:
        return "score" if "score" in objective.name else objective.name
    return f"-log10({objective.name})" if objective.scale == "log" else f"-{objective.name}"


def _goodness(value: float, objective: ObjectiveFunction) -> float:
    """The value itself, or minus one that is minimised: minus its logarithm on a log scale."""
    if objective.maximize:
        return value
    if objective.scale == "log":
        return -math.log10(value) if value > 0 else math.nan
    return -value


def _row(trial: FrozenTrial, objective: ObjectiveFunction) -> TrialRow:
    value = trial.value
    if value is None and trial.intermediate_values:
        value = trial.intermediate_values[max(trial.intermediate_values)]
    value = None if value is None else _goodness(value, objective)
    return TrialRow(
        number=trial.number,
        state=STATES[trial.state],
        score=value,
        feasible=record.feasible(trial),
        params=dict(trial.params),
        margins={line["name"]: line["margin"] for line in trial.user_attrs.get("criteria", ())},
    )


def _axes(space: Space) -> dict[str, Axis]:
    return {
        name: Axis(values.low, values.high, values.log)
        if isinstance(values, Range)
        else Axis.choices(values.values)
        for name, values in space.items()
    }
