"""What is trained again after a search: which of its trials, on which new seeds."""

from __future__ import annotations

import optuna

from studies.outcome import chosen_again, study_result
from studies.racing import Cell, race
from studies.record import CONFIRMATION, counted, finalists, maximized
from studies.settings import MOST_SEEDS, StudyConfig
from vlatent.shapes import UserError


def confirmation_seeds(settings: StudyConfig, used: int) -> list[int]:
    """Seeds other than the one on which the search trained all its trials."""
    return [used + 1 + index for index in range(settings.confirmation_seeds)]


def fresh_seeds(count: int, used: int) -> list[int]:
    """Seeds that neither the search nor a confirmation of any length has used."""
    return [used + 1 + MOST_SEEDS + index for index in range(count)]


def racing(settings: StudyConfig, used: int) -> tuple[int, int] | None:
    """What a study writes down of its race: the first seed and the seeds of each; None without."""
    return (used + 1, settings.confirmation_seeds) if settings.confirmation == "racing" else None


def check_racing(settings: StudyConfig, objectives: int) -> None:
    """Check that finalists can race.

    Raises:
        UserError: There are several objectives, or so many runs that seeds of the test are reached.
    """
    if settings.confirmation != "racing":
        return
    if objectives > 1:
        raise UserError(
            f"study.confirmation racing is for one objective, but this study has {objectives}: "
            "leave it at equal."
        )
    if (runs := settings.confirm * settings.confirmation_seeds) > MOST_SEEDS:
        raise UserError(
            f"study.confirmation racing takes at most {MOST_SEEDS} runs, but study.confirm times "
            f"study.confirmation_seeds is {runs}."
        )


def to_confirm(
    search: optuna.Study, confirmation: optuna.Study, settings: StudyConfig, used: int
) -> list[Cell]:
    """The best trials on every seed of the confirmation; none when no trial is worth it.

    Of a race those of its rounds so far: it depends on what is recorded alone, so that all workers
    find the same, and those of a study that was interrupted.
    """
    chosen = finalists(search, settings.confirm)
    if chosen and (raced := racing(settings, used)):
        again = chosen_again(search, confirmation, settings.confirm)
        return list(race(again, *raced, maximized(search)[0]).cells)
    return [(it.number, seed) for it in chosen for seed in confirmation_seeds(settings, used)]


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
