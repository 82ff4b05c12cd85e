"""The worker: takes one trial after the other until the study's budget is met."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState
from rich.progress import Progress

from studies.job import Job, load_study
from studies.pruning import CriteriaPruner
from studies.record import continued, counts, has_values, is_foreign
from studies.tasks import Task, next_ordinal, tasks
from studies.trial import (
    Returned,
    TrialFailed,
    give_back,
    requeue,
    run_trial,
    status_of,
    worker_name,
)
from studies.weights import checkpoint_of, keep_best
from vlatent.runtime.interruption import Stop
from vlatent.shapes import UserError
from vlatent.tracking import Status, amend_run, end_orphaned, find_run, recorded_runs

logger = logging.getLogger(__name__)

PAUSE = 1.0  # seconds between two looks at what the other workers do


def work(
    job: Job,
    stop: Stop,
    look: Callable[[], None] = lambda: None,
    progress: Progress | None = None,
) -> None:
    """Train trials of the study until its budget is met, then those that confirm its best.

    Raises:
        UserError: An environment error; what was being trained waits in the queue.
    """
    job.question.workload.require_planned(job.config, job.corpus, job.sources)
    for task in tasks(job):
        carry_out(task, stop, look, progress)


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
                revive(study, folder)
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


def revive(study: optuna.Study, folder: Path) -> None:
    """Let the most promising pruned trial go on before a new one is drawn.

    Only one whose checkpoint is here: it may be on another machine, and a problem of one's own has
    none. While a trial waits none: what was interrupted comes first, as if it had not been.
    """
    pruner = getattr(study.pruner, "_wrapped_pruner", study.pruner)  # patience has one within
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if waiting or not isinstance(pruner, CriteriaPruner):
        return
    for trial in pruner.promising(study):
        if checkpoint_of(folder, trial.number).is_file():
            requeue(study, trial, trial.user_attrs.get("attempt", 0))
            return


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
        logger.warning("%s. `vlatent doctor --fix` closes the run later", error)
    if not counts(trial):
        requeue(study, trial, attributes.get("attempt", 0) + ("returned" not in attributes))


def end_orphaned_runs(study: optuna.Study, job: Job) -> None:
    """End the runs of trials that have ended without them: their workers died too early for that.

    Raises:
        UserError: The tracker cannot be used.
    """
    ended = {trial.number: status_of(trial) for trial in study.get_trials(deepcopy=False)}
    for run in recorded_runs(job.config.tracking, {"kind": job.kind, "study": job.name}):
        status = ended.get(int(run.tags["trial"]))
        if run.status == "RUNNING" and status is not None:
            end_orphaned(job.config.tracking, run.run_id, status)


def orphans(study: optuna.Study) -> list[FrozenTrial]:
    """Orphaned trials: the worker that was to requeue them died as well."""
    trials = study.get_trials(deepcopy=False)
    gone = continued(trials)
    return [
        trial
        for trial in trials
        if trial.state == TrialState.FAIL
        and not is_foreign(trial)
        and not counts(trial)
        and trial.number not in gone
        and has_values(study, trial)
    ]
