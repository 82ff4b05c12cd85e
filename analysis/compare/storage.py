"""Trials that only Optuna's database knows: recorded nowhere else, or in a tracker that is away."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.compare.result import Subject, statistics_of
from analysis.trials import Confirmed, Study, Trial, read_study, study_names
from vlatent.config import from_yaml
from vlatent.effects import by_confirmation
from vlatent.evaluation import Verdict
from vlatent.shapes import UserError


def subject_in(storage: str, name: str, number: int | None) -> Subject | None:
    """A trial of a study, or its winner; None where the study is not known.

    Args:
        storage: Optuna's database.
        name: Of the study.
        number: Of the trial; None takes the winner.

    Raises:
        UserError: The study is known, but has no such trial, or none that was evaluated.
    """
    try:
        if name not in study_names(storage):
            return None
    except UserError:  # there is no database, and none was asked for
        return None
    study = read_study(storage, name)
    trial, why = _winner(study) if number is None else (_numbered(study, number), "")
    if trial.evaluation is None or not trial.criteria:
        raise UserError(f"trial {trial.number} of study {name} was never evaluated ({trial.state})")
    again = next((each for each in study.confirmed if each.number == trial.number), None)
    seeds = {} if again is None else _seeds(again)
    notes = ["is not in the tracker: its course and its pictures cannot be shown"]
    config = from_yaml(trial.config)
    if trial.evaluation.step < config.training.steps:
        steps = f"step {trial.evaluation.step} of {config.training.steps}"
        notes.append(f"was stopped at {steps}, so it is measured earlier")
    return Subject(
        f"{name}:{trial.number}",
        f"trial {trial.number} of study {name}{why}",
        config,
        trial.evaluation,
        Verdict(trial.criteria),
        {},
        seeds,
        notes=tuple(notes),
    )


def _numbered(study: Study, number: int) -> Trial:
    for trial in study.trials:
        if trial.number == number:
            return trial
    known = ", ".join(str(trial.number) for trial in study.trials)
    raise UserError(f"study {study.name} has no trial {number} that ended; it has {known}")


def _winner(study: Study) -> tuple[Trial, str]:
    """The trial that confirmation puts first, or else the best that passes, and why."""
    if len(study.objectives) > 1:
        raise UserError(
            f"study {study.name} has several objectives and no record in the tracker that says "
            f"which trial is its best; name one, {study.name}:0 for instance"
        )
    maximize = study.objectives[0].direction == "maximize"
    if study.confirmed:
        first = min(
            study.confirmed,
            key=lambda each: by_confirmation(
                each.passed, [values[0] for values in each.values], maximize
            ),
        )
        return _numbered(study, first.number), ", confirmed best"
    passing = [trial for trial in study.trials if trial.feasible]
    if not passing:
        raise UserError(
            f"study {study.name} has no trial that passes; name one, {study.name}:0 for instance"
        )
    best = (max if maximize else min)(passing, key=lambda trial: trial.values[0])
    return best, ", found best, not confirmed"


def _seeds(again: Confirmed) -> dict[int, Mapping[str, float]]:
    """Statistics on every new seed by the tracker's names."""
    return {
        seed: statistics_of(trial.evaluation, Verdict(trial.criteria))
        for seed, trial in zip(again.seeds, again.trials, strict=True)
        if trial.evaluation is not None
    }
