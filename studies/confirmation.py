"""What is trained again after a search: which of its trials, on which new seeds."""

from __future__ import annotations

import optuna

from studies.outcome import study_result
from studies.record import CONFIRMATION, counted, finalists
from studies.settings import MOST_SEEDS, StudyConfig

Cell = tuple[int, int]  # a trial of the search, and the seed on which it is trained again


def confirmation_seeds(settings: StudyConfig, used: int) -> list[int]:
    """Seeds other than the one on which the search trained all its trials."""
    return [used + 1 + index for index in range(settings.confirmation_seeds)]


def fresh_seeds(count: int, used: int) -> list[int]:
    """Seeds that neither the search nor a confirmation of any length has used."""
    return [used + 1 + MOST_SEEDS + index for index in range(count)]


def to_confirm(search: optuna.Study, settings: StudyConfig, used: int) -> list[Cell]:
    """The best trials on every seed of the confirmation; none when no trial is worth it."""
    chosen = finalists(search, settings.confirm)
    return [(trial.number, seed) for trial in chosen for seed in confirmation_seeds(settings, used)]


def to_test(search: optuna.Study, confirmation: optuna.Study) -> int | None:
    """The trial that leads after confirmation; None if nothing was confirmed."""
    result = study_result(search, {CONFIRMATION: confirmation})
    confirmed = {finalist.number for finalist in result.finalists}
    return result.leader if result.leader in confirmed else None


def to_verify(search: optuna.Study, confirmation: optuna.Study | None) -> list[int]:
    """The trial that leads, if there is one worth it, and trial 0."""
    result = study_result(search, {} if confirmation is None else {CONFIRMATION: confirmation})
    if result.leader is None or result.basis == "nearest":
        return []
    start = counted(search)[0].number
    return list(dict.fromkeys([result.leader, start]))
