"""The worker: takes one trial after the other until the study's budget is met."""

from __future__ import annotations

import itertools
import logging
import time
import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Literal

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState
from rich.progress import Progress

from studies.confirmation import cells
from studies.job import Job, load_study
from studies.record import (
    CONFIRMATION,
    LIVE,
    all_failed,
    cell_of,
    counts,
    is_foreign,
    stagnated,
)
from studies.search import grid_size, pruner, sampler
from studies.trial import (
    Returned,
    TrialFailed,
    give_back,
    requeue,
    run_trial,
    status_of,
    values_of,
    worker_name,
)
from studies.weights import keep_best
from vlatent.config import Config, override
from vlatent.runtime.interruption import Stop
from vlatent.shapes import UserError
from vlatent.tracking import Status, amend_run, end_left, find_run, recorded_runs

logger = logging.getLogger(__name__)

PAUSE = 1.0  # seconds between two looks at what the other workers do

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


def work(
    job: Job,
    stop: Stop,
    look: Callable[[], None] = lambda: None,
    progress: Progress | None = None,
) -> None:
    """Train trials of the study until its budget is met, then those that confirm its best."""
    for task in tasks(job):
        carry_out(task, stop, look, progress)


def tasks(job: Job) -> list[Task]:
    """The parts of a study, one after the other."""
    return [Search(job), Confirmation(job)] if job.settings.confirm else [Search(job)]


def over(job: Job) -> bool:
    """Whether nothing of a study is left to do, nor being done."""
    with job.lock:
        return all(
            task.next(load_study(task.study_name, job.settings.storage)) == "done"
            for task in tasks(job)
        )


def carry_out(task: Task, stop: Stop, look: Callable[[], None], progress: Progress | None) -> None:
    """Take trials one at a time, together with the other workers, until none is left.

    Trials are begun under a lock, so that the budget is met exactly, however many workers there
    are and whenever one of them dies.

    Raises:
        UserError: An environment error; the trial waits in the queue.
    """
    job, lock = task.job, task.job.lock

    def abandoned(study: optuna.Study, trial: FrozenTrial) -> None:
        requeue_orphan(study, trial, job)

    study = load_study(task.study_name, job.settings.storage, job.settings.heartbeat, abandoned)
    folder = job.settings.folder / task.study_name

    def objective(trial: Trial) -> float | tuple[float, ...]:
        try:
            trial.set_user_attr("worker", worker_name())
            if not lock.held:  # frozen until now: another may have begun the same trial
                give_back(trial, "its worker had no heartbeat while it began")
                raise Returned(f"trial {trial.number}")
            if "ordinal" not in trial.user_attrs:
                trial.set_user_attr("ordinal", next_ordinal(study))
            if trial.user_attrs.get("attempt", 0) >= job.settings.retries:
                trial.set_user_attr("last_attempt", True)
            config = task.config(trial)
        finally:
            lock.release()
        label = task.label(trial)
        return run_trial(trial, job, config, label, folder, stop, task.prunes, progress)

    while not stop.requested:
        lock.acquire()
        try:
            with warnings.catch_warnings(action="ignore"):  # it is experimental
                optuna.storages.fail_stale_trials(study)
            for trial in orphans(study):
                requeue_orphan(study, trial, job)
            now = task.next(study)
            if now == "trial":
                task.prepare(study)
                study.optimize(objective, n_trials=1, catch=(TrialFailed, Returned))
                if task.job.kind == "trial":
                    keep_best(study, folder, job.settings.confirm)
        except ValueError as error:
            # Optuna's answer to a worker without heartbeats, whose trial was given to another: that
            # one has all that was saved.
            if "Cannot tell a FAIL trial" not in str(error):
                raise
        finally:
            lock.release()
        look()
        if now == "done":
            return
        if now == "wait":
            time.sleep(PAUSE)


def next_ordinal(study: optuna.Study) -> int:
    """The first free place in line, for the next trial.

    A trial keeps its place when it is begun again, so that the draws of an interrupted study are
    those of one that was not.
    """
    trials = study.get_trials(deepcopy=False)
    taken = {t.user_attrs.get("ordinal") for t in trials if t.state in LIVE or counts(t)}
    return next(ordinal for ordinal in itertools.count() if ordinal not in taken)


def requeue_orphan(study: optuna.Study, trial: FrozenTrial, job: Job) -> None:
    """Close the run of a dead worker, and put its trial back into the queue."""
    attributes = trial.user_attrs
    tags = {"kind": job.kind, "trial": str(trial.number)} | job.tags
    status: Status = "FAILED" if counts(trial) else "KILLED"
    try:  # it may have died before it could write down which run is its own
        run_id = attributes.get("run_id") or find_run(job.config.tracking, tags)
        if run_id:
            amend_run(job.config.tracking, run_id, {"abandoned": True}, status)
    except UserError as error:
        logger.warning("%s. `python -m studies doctor --fix` closes the run later", error)
    if not counts(trial):
        requeue(study, trial, attributes.get("attempt", 0) + ("returned" not in attributes))


def settle(study: optuna.Study, job: Job) -> None:
    """End the runs of trials that have ended without them: their workers died too early for that.

    Raises:
        UserError: The tracker cannot be used.
    """
    ended = {trial.number: status_of(trial) for trial in study.get_trials(deepcopy=False)}
    for run in recorded_runs(job.config.tracking, {"kind": job.kind, "study": job.name}):
        status = ended.get(int(run.tags["trial"]))
        if run.status == "RUNNING" and status is not None:
            end_left(job.config.tracking, run.run_id, status)


def orphans(study: optuna.Study) -> list[FrozenTrial]:
    """Orphaned trials: the worker that was to requeue them died as well."""
    trials = study.get_trials(deepcopy=False)
    continued = {trial.user_attrs.get("continues") for trial in trials}
    return [
        trial
        for trial in trials
        if trial.state == TrialState.FAIL
        and not is_foreign(trial)
        and not counts(trial)
        and trial.number not in continued
        and values_of(trial)
    ]
