"""Which trials count, which are feasible, which is best: rules on Optuna's records, only reading.

Studies and analysis alike take them from here; `studies.outcome` says which trial leads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from vlatent.pareto import front as pareto_front

# Kinds of trials beside those of the search, each in a study of its own beside the search's.
CONFIRMATION, TEST, VERIFICATION = "confirmation", "test", "verification"
BESIDE = re.compile(rf"(.+)/({CONFIRMATION}|{TEST}|{VERIFICATION}/[0-9a-f]{{16}})")
MAKING = "/making"  # ends the name of a study that is not whole yet
LIVE = (TrialState.RUNNING, TrialState.WAITING)


def beside(name: str, kind: str) -> str:
    """Name of the study that holds the trials of this kind of another study."""
    return f"{name}/{kind}"


def kind_of(name: str) -> tuple[str, str]:
    """Name of the study to which one of this name belongs, and the kind of its trials.

    >>> kind_of("mine"), kind_of("mine/test")
    (('mine', 'trial'), ('mine', 'test'))
    """
    match = BESIDE.fullmatch(name)
    return (match[1], match[2]) if match else (name, "trial")


def load_beside(name: str, storage: BaseStorage) -> dict[str, optuna.Study]:
    """The studies that belong to one, by the kind of their trials."""
    kinds = {study.study_name: kind_of(study.study_name) for study in storage.get_all_studies()}
    return {
        kind: optuna.load_study(study_name=full, storage=storage)
        for full, (of, kind) in sorted(kinds.items())
        if of == name and kind != "trial"
    }


def is_ours(study: optuna.Study) -> bool:
    """Whether this toolkit made a study, and not another program that uses the same database."""
    return "identity" in study.user_attrs or "uid" in study.user_attrs


def added(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that another program put into a study of ours: they say nothing about it."""
    ended = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    trials = study.get_trials(deepcopy=False, states=ended)
    return [trial for trial in trials if is_foreign(trial)] if is_ours(study) else []


def completed(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that were trained to the end, in the order in which they were begun."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial for trial in trials if not is_foreign(trial)] if is_ours(study) else trials


def running(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that some worker trains, or trained when it died."""
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def without_added(study: optuna.Study) -> optuna.Study:
    """The study's complete trials as Optuna's own functions should see them."""
    if not added(study):
        return study
    own = optuna.create_study(directions=study.directions)
    own.add_trials(completed(study))
    return own


def is_foreign(trial: FrozenTrial) -> bool:
    """Whether another program added a trial to a study of ours."""
    # A worker's first word is its name; what it was given by one that died says what it continues.
    return not trial.user_attrs.keys() & {"ordinal", "worker", "continues", "criteria"}


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial uses up the budget: it ended by itself, well or not.

    Not one that was returned to the queue or whose worker died: another trial continues it. The
    last attempt counts however it ends. Not one that another program added. A pruned trial counts
    until it is revived (`standing`).
    """
    if is_foreign(trial):
        return False
    if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
        return True
    attributes = trial.user_attrs
    ended = "reason" in attributes or attributes.get("last_attempt", False)
    return trial.state == TrialState.FAIL and ended and "returned" not in attributes


def continued(trials: Iterable[FrozenTrial]) -> set[int]:
    """Numbers of the trials that others continue: interrupted ones, and pruned ones, revived."""
    return {trial.user_attrs["continues"] for trial in trials if "continues" in trial.user_attrs}


def standing(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Those of all trials that use up the budget: of a revived one what continues it."""
    gone = continued(trials)
    return [trial for trial in trials if counts(trial) and trial.number not in gone]


def counted(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that use up the budget, in the order in which they were first begun."""
    trials = standing(study.get_trials(deepcopy=False))
    return sorted(trials, key=lambda trial: (trial.user_attrs.get("ordinal", 0), trial.number))


def revived(trial: FrozenTrial) -> bool:
    """Whether a trial was pruned once, and went on from there."""
    return "revived" in trial.user_attrs


def why_failed(trial: FrozenTrial) -> str:
    attempts = trial.user_attrs.get("attempt", 0) + 1
    died = f"its worker died, {attempts} times" if attempts > 1 else "its worker died"
    return str(trial.user_attrs.get("reason", died))


def feasible(trial: FrozenTrial) -> bool:
    """Whether a trial was trained to the end and passes every criterion."""
    passed = all(line["margin"] <= 0 for line in trial.user_attrs.get("criteria", ()))
    return trial.state == TrialState.COMPLETE and "criteria" in trial.user_attrs and passed


def worst_margin(trial: FrozenTrial) -> float:
    return max((line["margin"] for line in trial.user_attrs.get("criteria", ())), default=0.0)


def maximized(study: optuna.Study) -> list[bool]:
    """Whether more is better, for every objective."""
    return [direction == StudyDirection.MAXIMIZE for direction in study.directions]


def rank(trial: FrozenTrial, maximize: bool = True) -> tuple[int, float, int]:
    """Sort key of complete trials: feasible ones by value, then the others by worst margin."""
    if feasible(trial):
        return 0, -trial.values[0] if maximize else trial.values[0], trial.number
    return 1, worst_margin(trial), trial.number


def ranked(study: optuna.Study) -> list[FrozenTrial]:
    """Complete trials, the best first; of several objectives the front by its knee comes first."""
    maximize = maximized(study)
    order = sorted(completed(study), key=lambda trial: rank(trial, maximize[0]))
    if len(maximize) == 1:
        return order
    unbeaten = by_knee(study)
    numbers = {trial.number for trial in unbeaten}
    return unbeaten + [trial for trial in order if trial.number not in numbers]


def finalists(study: optuna.Study, count: int) -> list[FrozenTrial]:
    """Trials worth confirming: the best feasible ones; of a front, those nearest to its knee."""
    if len(study.directions) > 1:
        return by_knee(study)[:count]
    return [trial for trial in ranked(study) if feasible(trial)][:count]


def front(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that no other beats in all objectives: of those that pass, or else of all."""
    complete = completed(study)
    passing = [trial for trial in complete if feasible(trial)]
    if study.best_trials and passing:
        best_of_all = without_added(study).best_trials
        return [complete[trial.number] for trial in best_of_all] if added(study) else best_of_all
    unbeaten = pareto_front([trial.values for trial in complete], maximized(study))
    return [trial for trial, is_best in zip(complete, unbeaten, strict=True) if is_best]


def by_knee(study: optuna.Study) -> list[FrozenTrial]:
    """The front, those first that are nearest to the best of every objective at once.

    d^2 = sum over objectives of ((best - value) / range)^2, with best and range of the front.
    """
    unbeaten = front(study)
    if not unbeaten:
        return []  # no trial was trained to the end
    signs = np.where(maximized(study), 1, -1)
    values = np.array([trial.values for trial in unbeaten]).reshape(-1, len(signs)) * signs
    spread = np.ptp(values, axis=0)
    distance = (values.max(0) - values) / np.where(spread > 0, spread, 1)
    order = np.argsort((distance**2).sum(1), kind="stable")
    return [unbeaten[index] for index in order]


def values_of(trial: FrozenTrial) -> dict[str, float]:
    """What a trial was drawn with, or is to be begun with."""
    return trial.system_attrs.get("fixed_params", {}) | trial.params


def has_values(study: optuna.Study, trial: FrozenTrial) -> bool:
    """Whether all values of a trial are drawn: one that died between two of them has some only."""
    identity, values = study.user_attrs.get("identity", {}), values_of(trial)
    searched = {name.removeprefix("space.") for name in identity if name.startswith("space.")}
    return bool(values) and searched <= values.keys()


def cell_of(trial: FrozenTrial) -> tuple[int, int]:
    """The trial of the search and the seed on which one trains it again, or is to do so."""
    values = values_of(trial)
    return int(values["trial"]), int(values["seed"])


def all_failed(study: optuna.Study) -> bool:
    """Whether the first five trials failed, all of them: then the sixth will too."""
    trials = counted(study)
    return len(trials) >= 5 and all(trial.state == TrialState.FAIL for trial in trials)


def stagnated(study: optuna.Study, patience: int | None) -> bool:
    """Whether the last `patience` counted trials brought no better feasible one."""
    if patience is None:
        return False
    if len(study.directions) > 1:
        on_front = {trial.number for trial in front(study)}
        improving = [trial.number in on_front for trial in counted(study)]
    else:
        sign = 1 if maximized(study)[0] else -1
        improving, best_so_far = [], float("-inf")
        for trial in counted(study):
            better = feasible(trial) and sign * trial.values[0] > best_so_far
            improving.append(better)
            best_so_far = sign * trial.values[0] if better else best_so_far
    if not any(improving):
        return False  # nothing found yet is no reason to stop looking
    return improving[::-1].index(True) >= patience
