"""Tasks of a study: the search, then the confirmation of its best; what each does next."""

from __future__ import annotations

import itertools
from abc import ABCMeta, abstractmethod
from dataclasses import replace
from functools import cached_property
from typing import Literal

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from studies.confirmation import cells
from studies.job import Job, load_study
from studies.record import CONFIRMATION, LIVE, all_failed, cell_of, counts, stagnated
from studies.search import grid_size, pruner, sampler
from vlatent.config import Config, override

Next = Literal["trial", "wait", "done"]


class Task(metaclass=ABCMeta):
    """A kind of trials, in a study of its own."""

    prunes = False

    def __init__(self, job: Job) -> None:
        self.job = job

    @property
    @abstractmethod
    def study_name(self) -> str: ...

    @abstractmethod
    def next(self, study: optuna.Study) -> Next:
        """The next thing to do. Only called while the lock is held."""

    @abstractmethod
    def prepare(self, study: optuna.Study) -> None:
        """Give the study the sampler and the pruner of its next trial."""

    @abstractmethod
    def config(self, trial: Trial) -> Config:
        """The config that a trial trains; its values are drawn here."""

    @abstractmethod
    def label(self, trial: FrozenTrial | Trial) -> str:
        """Name of the trial in the tracker's lists."""


class Search(Task):
    """The search itself."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.prunes = job.settings.pruner != "none" and len(job.question.objectives) == 1

    @property
    def study_name(self) -> str:
        return self.job.name

    @property
    def budget(self) -> int:
        """Trials in all; a grid has no more than its points beside trial 0."""
        trials, settings = self.job.settings.trials, self.job.settings
        return min(trials, grid_size(self.job.space) + 1) if settings.sampler == "grid" else trials

    def next(self, study: optuna.Study) -> Next:
        trials = study.get_trials(deepcopy=False)  # once: between two reads a trial may end
        done = sum(map(counts, trials))
        running, waiting = (sum(t.state == state for t in trials) for state in LIVE)
        if done >= self.budget or all_failed(study):
            return "done"
        if stagnated(study, self.job.settings.stagnation):
            return "wait" if running else "done"
        return "trial" if waiting or done + running < self.budget else "wait"

    def prepare(self, study: optuna.Study) -> None:
        study.sampler = sampler(self.job.settings, self.job.space, next_ordinal(study))
        study.pruner = pruner(self.job.settings, self.job.config.training.steps)

    def config(self, trial: Trial) -> Config:
        values = {name: v.suggest(trial, name) for name, v in self.job.space.items()}
        return self.job.question.apply(self.job.config, values)

    def label(self, trial: FrozenTrial | Trial) -> str:
        return f"trial {trial.number}"


class Confirmation(Task):
    """The best trials again, on seeds that the search never saw: a study of its own."""

    def __init__(self, job: Job) -> None:
        super().__init__(replace(job, kind="confirmation"))

    @property
    def study_name(self) -> str:
        return self.job.name + CONFIRMATION

    @cached_property
    def search(self) -> optuna.Study:
        return load_study(self.job.name, self.job.settings.storage)

    def cells(self) -> list[tuple[int, int]]:
        """Which trial is to be trained on which seed."""
        return cells(self.search, self.job.settings, self.job.config.training.seed)

    def next(self, study: optuna.Study) -> Next:
        trials = study.get_trials(deepcopy=False)
        planned = {cell_of(trial) for trial in trials if trial.state in LIVE or counts(trial)}
        for number, seed in self.cells():
            if (number, seed) not in planned:
                study.enqueue_trial({"trial": number, "seed": seed})
        states = [trial.state for trial in study.get_trials(deepcopy=False)]
        if TrialState.WAITING in states:
            return "trial"
        return "wait" if TrialState.RUNNING in states else "done"

    def prepare(self, study: optuna.Study) -> None:
        study.sampler = optuna.samplers.RandomSampler(seed=0)  # never used: all is queued
        study.pruner = optuna.pruners.NopPruner()

    def config(self, trial: Trial) -> Config:
        number = trial.suggest_int("trial", 0, 10**6)
        seed = trial.suggest_int("seed", 0, 2**31)
        trials = self.search.get_trials(deepcopy=False)
        config = self.job.question.apply(self.job.config, trials[number].params)
        return override(config, {"training.seed": seed})

    def label(self, trial: FrozenTrial | Trial) -> str:
        return f"trial {trial.params['trial']}, seed {trial.params['seed']}"


def tasks(job: Job) -> list[Task]:
    """The parts of a study, one after the other."""
    return [Search(job), Confirmation(job)] if job.settings.confirm else [Search(job)]


def next_ordinal(study: optuna.Study) -> int:
    """The first free place in line, for the next trial.

    A trial keeps its place when it is begun again, so that the draws of an interrupted study are
    those of one that was not.
    """
    trials = study.get_trials(deepcopy=False)
    taken = {t.user_attrs.get("ordinal") for t in trials if t.state in LIVE or counts(t)}
    return next(ordinal for ordinal in itertools.count() if ordinal not in taken)
