"""Confirmation: which of the best trials are trained again, and on which new seeds."""

from __future__ import annotations

import optuna

from studies.record import finalists
from studies.settings import StudyConfig


def seeds(settings: StudyConfig, used: int) -> list[int]:
    """Seeds other than the one on which the search trained all its trials."""
    return [used + 1 + index for index in range(settings.confirmation_seeds)]


def cells(search: optuna.Study, settings: StudyConfig, used: int) -> list[tuple[int, int]]:
    """Which trial is to be trained on which seed; none when no trial is worth it."""
    chosen = finalists(search, settings.confirm)
    return [(trial.number, seed) for trial in chosen for seed in seeds(settings, used)]
