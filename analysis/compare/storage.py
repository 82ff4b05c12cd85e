"""Trials that only Optuna's database knows: recorded nowhere else, or in a tracker that is away."""

from __future__ import annotations

from analysis.compare.recorded import BASIS
from analysis.compare.result import Subject, statistics_of
from analysis.trials import Study, Trial, read_study, study_names
from vlatent.config import from_yaml
from vlatent.evaluation import Verdict
from vlatent.shapes import UserError


def subject_in(storage: str, name: str, number: int | None) -> Subject | None:
    """A trial of a study, or its leader; None where the study is not known.

    Args:
        storage: Optuna's database.
        name: Name of the study.
        number: Number of the trial; None takes the leader.

    Raises:
        UserError: The study is known, but has no such trial, or none that was evaluated.
    """
    try:
        if name not in study_names(storage):
            return None
    except UserError:  # there is no database, and none was named
        return None
    study = read_study(storage, name)
    leader = study.result.leader
    wanted = leader if number is None else number
    if wanted is None:
        raise UserError(f"study {name} has no trial that was trained to the end yet")
    trial, why = _numbered(study, wanted), f", {BASIS[study.result.basis]}" * (number is None)
    if trial.evaluation is None or not trial.criteria:
        raise UserError(f"trial {trial.number} of study {name} was never evaluated ({trial.state})")
    if not trial.evaluation.channels:
        raise UserError(
            f"study {name} is of a problem of its own, without latents to compare: its trials "
            f"stand in `vlatent report --study {name}`, its weights in `vlatent ablate`."
        )
    seeds = {
        seed: statistics_of(again.evaluation, Verdict(again.criteria))
        for seed, again in study.confirmed.get(trial.number, {}).items()
        if again.evaluation is not None
    }
    notes = ["is not in the tracker: its course and its latents cannot be shown"]
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
    numbers = ", ".join(str(trial.number) for trial in study.trials)
    raise UserError(f"study {study.name} has no trial {number} that ended; it has {numbers}")
