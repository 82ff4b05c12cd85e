"""The numbers of a trial that its parameters may explain, and the trials that have them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from analysis.importance.result import Among, Better, Target
from analysis.trials import Study, Trial
from vlatent.evaluation import Verdict, score


def targets(study: Study) -> Iterator[Target]:
    """Every number that may be explained, among complete and among feasible trials."""
    trials = [trial for trial in study.trials if set(study.space) <= set(trial.params)]
    complete = [trial for trial in trials if trial.state == "complete"]
    yield from _of_a_group(study, "complete", complete)
    yield from _of_a_group(study, "feasible", [trial for trial in complete if trial.feasible])
    ended = [trial for trial in trials if trial.state != "failed"]
    if len(complete) < len(ended):
        survived = {trial.number: float(trial.state == "complete") for trial in ended}
        yield _target(
            *("trained_to_the_end", "not being pruned", "higher", "complete and pruned"),
            ended,
            survived,
        )


def _of_a_group(study: Study, among: Among, trials: Sequence[Trial]) -> Iterator[Target]:
    scores = {trial.number: _score(trial) for trial in trials}
    if any(value is not None for value in scores.values()):
        yield _target("score", "score", "higher", among, trials, scores)
    for index, objective in enumerate(study.result.objectives):
        values = {trial.number: trial.values[index] for trial in trials}
        if values != scores:  # else it is the score under another name
            better: Better = "higher" if objective.maximize else "lower"
            yield _target(objective.name, objective.label, better, among, trials, values)
    margins = {
        trial.number: {line.name: line.margin for line in trial.criteria} for trial in trials
    }
    for name in dict.fromkeys(name for lines in margins.values() for name in lines):
        values = {number: lines[name] for number, lines in margins.items() if name in lines}
        yield _target(f"margin/{name}", f"margin of {name}", "lower", among, trials, values)
    if among == "feasible":
        steps = {trial.number: trial.steps_to_pass for trial in trials}
        if any(value is not None for value in steps.values()):
            yield _target("steps_to_pass", "steps to pass", "lower", among, trials, steps)
    elif any(margins.values()):
        passes = {trial.number: float(trial.feasible) for trial in trials}
        yield _target("passes", "passes every criterion", "higher", among, trials, passes)


def _target(
    name: str,
    label: str,
    better: Better,
    among: Among,
    trials: Sequence[Trial],
    values: Mapping[int, float | None],
) -> Target:
    """The target of the trials that have a finite value, by their numbers."""
    numbers = {number: math.nan if value is None else value for number, value in values.items()}
    having = [trial for trial in trials if math.isfinite(numbers.get(trial.number, math.nan))]
    column = np.array([numbers[trial.number] for trial in having], dtype=float)
    return Target(name, label, better, among, tuple(having), column)


def _score(trial: Trial) -> float | None:
    evaluation = trial.evaluation
    if evaluation is None or not trial.criteria or "channels_in_band" not in evaluation.metrics:
        return None  # never evaluated, or of a problem of the user's own, which has no score
    return score(evaluation, Verdict(trial.criteria))
