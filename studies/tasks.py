"""Tasks of a study: the search, then confirmation, test and verification; what each does next."""

from __future__ import annotations

import itertools
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from studies.confirmation import fresh_seeds, to_confirm, to_test, to_verify
from studies.job import Job, load_study
from studies.racing import Cell
from studies.record import (
    CONFIRMATION,
    LIVE,
    TEST,
    VERIFICATION,
    all_failed,
    beside,
    cell_of,
    counts,
    stagnated,
    standing,
    values_of,
)
from studies.search import grid_size, pruner, sampler
from studies.spending import Limit
from vlatent.config import RunConfig
from vlatent.corpus import Part

Next = Literal["trial", "wait", "done"]
SEEDS = "seeds"  # of the test, fixed with its first trial: more of them would be another look


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
    def config(self, trial: Trial) -> RunConfig:
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

    @property
    def limit(self) -> Limit | None:
        """Until when trials are begun; None: until the budget is met."""
        settings = self.job.settings
        if settings.hours is None:
            return None
        runs = settings.confirm and settings.confirm * settings.confirmation_seeds + settings.test
        return Limit(settings.hours, runs * self.job.config.training.steps)

    def next(self, study: optuna.Study) -> Next:
        trials = study.get_trials(deepcopy=False)  # once: between two reads a trial may end
        done = len(standing(trials))
        running, waiting = (sum(t.state == state for t in trials) for state in LIVE)
        if done >= self.budget or all_failed(study):
            return "done"
        late = self.limit is not None and self.limit.left(study) <= 0
        if late or stagnated(study, self.job.settings.stagnation):
            return "wait" if running else "done"
        return "trial" if waiting or done + running < self.budget else "wait"

    def prepare(self, study: optuna.Study) -> None:
        study.sampler = sampler(self.job.settings, self.job.space, next_ordinal(study))
        study.pruner = pruner(self.job.settings, self.job.config.training.steps)

    def config(self, trial: Trial) -> RunConfig:
        values = {name: v.suggest(trial, name) for name, v in self.job.space.items()}
        config: RunConfig = self.job.question.apply(self.job.config, values)
        return config

    def label(self, trial: FrozenTrial | Trial) -> str:
        return f"trial {trial.number}"


class Again(Task):
    """Trials of the search again, on new seeds: a study of their own beside it.

    Attributes:
        verb: What has been done with a trial that has ended, for its line.
    """

    verb: str
    judged_on: Part

    @property
    def study_name(self) -> str:
        return self.job.study_name

    @cached_property
    def search(self) -> optuna.Study:
        return load_study(self.job.name, self.job.settings.storage)

    @cached_property
    def confirmation(self) -> optuna.Study | None:
        """The confirmations of the search, if it has any."""
        if not self.job.settings.confirm:
            return None
        return load_study(beside(self.job.name, CONFIRMATION), self.job.settings.storage)

    @property
    def seed(self) -> int:
        """The seed of all trials of the search."""
        return self.job.config.training.seed

    @abstractmethod
    def cells(self, study: optuna.Study) -> list[Cell]:
        """Which trial of the search is to be trained on which seed."""

    def next(self, study: optuna.Study) -> Next:
        trials = study.get_trials(deepcopy=False)
        planned = {cell_of(trial) for trial in trials if trial.state in LIVE or counts(trial)}
        for number, seed in self.cells(study):
            if (number, seed) not in planned:
                study.enqueue_trial({"trial": number, "seed": seed})
        states = [trial.state for trial in study.get_trials(deepcopy=False)]
        if TrialState.WAITING in states:
            return "trial"
        # One that has ended since the cells were asked for may have decided which come next.
        running = any(trial.state == TrialState.RUNNING for trial in trials)
        return "wait" if running or TrialState.RUNNING in states else "done"

    def prepare(self, study: optuna.Study) -> None:
        study.sampler = optuna.samplers.RandomSampler(seed=0)  # never used: all is queued
        study.pruner = optuna.pruners.NopPruner()

    def config(self, trial: Trial) -> RunConfig:
        number = trial.suggest_int("trial", 0, 10**6)
        seed = trial.suggest_int("seed", 0, 2**31)
        part = self.judged_on if self.job.divided else "search"
        question = self.job.question
        trial.set_user_attr("held_out", part if question.workload.kind != "problem" else None)
        values = values_of(self.search.get_trials(deepcopy=False)[number])
        config = question.apply(self.job.config, values)
        judged: RunConfig = question.workload.judged_on(config, seed, part)
        return judged

    def label(self, trial: FrozenTrial | Trial) -> str:
        return f"trial {trial.params['trial']}, seed {trial.params['seed']}"


class Confirmation(Again):
    """The best trials again, on seeds and sentences that the search never saw."""

    verb, judged_on = "confirmed", "confirmation"

    def __init__(self, job: Job) -> None:
        super().__init__(replace(job, kind=CONFIRMATION))

    def cells(self, study: optuna.Study) -> list[Cell]:
        return to_confirm(self.search, study, self.job.settings, self.seed)


class Test(Again):
    """The trial that leads after confirmation, once, on seeds and sentences that chose nothing."""

    verb, judged_on = "tested", "test"

    def __init__(self, job: Job) -> None:
        super().__init__(replace(job, kind=TEST))

    def cells(self, study: optuna.Study) -> list[Cell]:
        assert self.confirmation is not None
        leader = to_test(self.search, self.confirmation)
        if leader is None:
            return []
        seeds = study.user_attrs.get(SEEDS) or fresh_seeds(self.job.settings.test, self.seed)
        return [(leader, seed) for seed in seeds]

    def next(self, study: optuna.Study) -> Next:
        if SEEDS not in study.user_attrs and (cells := self.cells(study)):
            study.set_user_attr(SEEDS, [seed for _, seed in cells])
        return super().next(study)


class Verification(Again):
    """The values of the trial that leads, and those of trial 0, on another config."""

    verb, judged_on = "verified", "test"

    def __init__(self, job: Job) -> None:
        its = job.verified
        assert its is not None
        self.name = Path(its.name).stem
        super().__init__(replace(job, kind=its.kind, config=its.config, divided=its.divided))

    def cells(self, study: optuna.Study) -> list[Cell]:
        numbers = to_verify(self.search, self.confirmation)
        seeds = fresh_seeds(self.job.settings.verify_seeds, self.seed)
        return [(number, seed) for seed in seeds for number in numbers]

    def label(self, trial: FrozenTrial | Trial) -> str:
        return f"{super().label(trial)}, {self.name}"


AGAIN: dict[str, Callable[[Job], Again]] = {
    CONFIRMATION: Confirmation,
    TEST: Test,
    VERIFICATION: Verification,
}


def again(job: Job) -> list[Again]:
    """What is trained again after the search, one after the other."""
    return [AGAIN[kind.partition("/")[0]](job) for kind in job.kinds]


def tasks(job: Job) -> list[Task]:
    """The parts of a study, one after the other."""
    return [Search(job), *again(job)]


def next_ordinal(study: optuna.Study) -> int:
    """The first free place in line, for the next trial.

    A trial keeps its place when it is begun again, so that the draws of an interrupted study are
    those of one that was not.
    """
    trials = study.get_trials(deepcopy=False)
    taken = {t.user_attrs.get("ordinal") for t in trials if t.state in LIVE or counts(t)}
    return next(ordinal for ordinal in itertools.count() if ordinal not in taken)
