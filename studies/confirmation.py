"""What is trained again after a search: which of its trials, on which new seeds."""

from __future__ import annotations

import numpy as np
import optuna

from studies.outcome import differences, ranked_again, study_result, trained_again
from studies.racing import evidence, rounds
from studies.record import CONFIRMATION, counted, finalists, maximized
from studies.result import Finalist
from studies.settings import MOST_SEEDS, StudyConfig
from vlatent.intervals import ALPHA

Cell = tuple[int, int]  # a trial of the search, and the seed on which it is trained again


def confirmation_seeds(settings: StudyConfig, used: int) -> list[int]:
    """Seeds other than the one on which the search trained all its trials."""
    return [used + 1 + index for index in range(settings.confirmation_seeds)]


def fresh_seeds(count: int, used: int) -> list[int]:
    """Seeds that neither the search nor a confirmation of any length has used."""
    return [used + 1 + MOST_SEEDS + index for index in range(count)]


def to_confirm(
    search: optuna.Study, confirmation: optuna.Study, settings: StudyConfig, used: int
) -> list[Cell]:
    """The best trials on every seed of the confirmation; none when no trial is worth it.

    Of a race those of its rounds so far: it depends on what is recorded alone, so that all workers
    find the same, and those of a study that was interrupted.
    """
    chosen = [trial.number for trial in finalists(search, settings.confirm)]
    if settings.confirmation == "racing":
        return _raced(search, confirmation, settings, used, chosen) if chosen else []
    return [(number, seed) for number in chosen for seed in confirmation_seeds(settings, used)]


def _raced(
    search: optuna.Study,
    confirmation: optuna.Study,
    settings: StudyConfig,
    used: int,
    stay: list[int],
) -> list[Cell]:
    """The cells of every round that can be begun: all before it have ended, and it decides."""
    trained, maximize = trained_again(search, confirmation), maximized(search)[0]
    cells: list[Cell] = []
    seeds: list[int] = []
    among = len(stay)
    for count, end in rounds(among, among * settings.confirmation_seeds):
        if seeds:
            ended = [trained[number].on(seeds) for number in stay]
            first, *others = ranked_again(ended, maximize)
            if others and all(_is_ahead(first, other, among, maximize) for other in others):
                break
            stay = [finalist.number for finalist in (first, *others)][:count]
        new = [used + 1 + index for index in range(len(seeds), min(end, MOST_SEEDS))]
        seeds, cells = seeds + new, cells + [(number, seed) for seed in new for number in stay]
        done = {(each.trial, each.seed) for it in trained.values() for each in it.confirmations}
        if not done.issuperset(cells):
            break
    return cells


def _is_ahead(leader: Finalist, other: Finalist, among: int, maximize: bool) -> bool:
    """Whether a race of so many need not go on for this other one.

    The leader passes on all its seeds, and its objective is the better one by evidence of at least
    (among - 1) / 5 %: the truly best can be beaten by each of the others, so with 5 % by any.
    """
    values = np.array(differences(leader, other, 1 if maximize else -1))
    if leader.passed < len(leader.confirmations) or values.sum() <= 0:
        return False
    return bool(evidence(values) >= (among - 1) / ALPHA)


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
