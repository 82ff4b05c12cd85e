"""One trial: train it, tell Optuna and the tracker about it, hand it on if it is interrupted."""

from __future__ import annotations

import os
import shutil
import socket
import time
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

import optuna
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState
from rich.progress import Progress

from studies.job import Job
from studies.pruning import VIOLATIONS
from studies.record import counts, has_values, values_of
from studies.trial_figures import Last, TrialFigures, trained_without
from vlatent import checkpoints
from vlatent.config import RunConfig, to_yaml
from vlatent.evaluation import VIOLATED, Evaluation, Verdict
from vlatent.own_sources import part_sources
from vlatent.result import Result
from vlatent.runtime.addresses import shown
from vlatent.runtime.interruption import Stop
from vlatent.shapes import UserError
from vlatent.step import Diverged
from vlatent.tracking import Status, amend_run, open_run, recorded, traceback_of

LINEAGE = ("continues", "continues_run", "attempt")  # of a trial that was begun before

STATUS: dict[TrialState, Status] = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAIL: "FAILED",
}


class TrialFailed(RuntimeError):
    """A trial ended with an error that is its own; the study goes on."""


class Returned(RuntimeError):
    """A trial was put back into the queue, to go on from its last evaluation."""


class Reassigned(RuntimeError):
    """This worker had no heartbeat for so long that its trial was given to another."""


# Errors that say nothing about the trial: it was stopped, given back or pruned.
STOPPED = (optuna.TrialPruned, Returned, Reassigned, KeyboardInterrupt, UserError)


def run_trial(
    trial: Trial,
    job: Job,
    config: RunConfig,
    label: str,
    folder: Path,
    stop: Stop,
    prunes: bool,
    progress: Progress | None = None,
) -> float | tuple[float, ...]:
    """Train one trial; its values on held-out sentences.

    Every criterion becomes a constraint of Optuna, in every trial, as its last act.

    Raises:
        optuna.TrialPruned: It fell behind the others.
        TrialFailed: It diverged, ran out of memory, or has another error of its own.
        Returned: A stop was requested; the trial waits in the queue.
        Reassigned: Another worker has it now.
        UserError: An environment error; the trial waits in the queue.
    """
    place = folder / f"trial-{trial.number:04d}"
    resume = _checkpoint(folder, trial.user_attrs.get("continues"), place)
    kept = False
    try:
        with recorded(
            stop,
            lambda: _TrialRun(trial, job, config, label, place, resume),
            _TrialRun.end,
            (*STOPPED, UpdateFinishedTrialError),
        ) as run:
            report = partial(run.report, stop, prunes)
            placed = trained_without(job.question.workload.placed(config, place, resume))
            values = run.measure(job.question.run(placed, run.tracker, report, progress))
        kept = job.kind == "trial"  # the best of the search keep their weights
        return values if len(values) > 1 else values[0]
    except UpdateFinishedTrialError:
        raise Reassigned(f"trial {trial.number} was given to another worker") from None
    except STOPPED as error:  # a pruned one may be revived
        kept = isinstance(error, optuna.TrialPruned) and job.settings.pruner == "criteria"
        raise
    except Exception as error:
        raise TrialFailed(_reason(error)) from error
    finally:
        if "returned" not in trial.user_attrs and not kept:
            (place / checkpoints.NAME).unlink(missing_ok=True)


class _TrialRun:
    """A trial that is being trained: its run in the tracker, and its last evaluation."""

    def __init__(
        self,
        trial: Trial,
        job: Job,
        config: RunConfig,
        label: str,
        place: Path,
        resume: Path | None,
    ) -> None:
        self._trial, self._job = trial, job
        self._steps, self._whole = config.training.steps, job.config.training.steps
        self._last: Last | None = None
        self._result: Result | None = None
        self._violations: dict[str, float] = {}
        lineage = {name: trial.user_attrs.get(name) for name in LINEAGE}
        tags = {"kind": job.kind, "trial": trial.number, "label": label} | job.tags
        tags |= {name: value for name, value in lineage.items() if value}
        if job.kind != "trial":
            tags["confirms"] = trial.params["trial"]
        self.tracker = open_run(
            config.tracking, label, job.parent, tags, folder=place.parent, patient=True
        )
        self._figures = TrialFigures(trial, job, place, self.tracker)
        self._name_run()
        if lineage["continues_run"] and self.tracker.run_id:
            with suppress(UserError):  # the link back is enough when the tracker is away
                link = {"continued_by": self.tracker.run_id}
                amend_run(config.tracking, lineage["continues_run"], link)
        trial.set_user_attr("config", to_yaml(config))
        if read := part_sources(config) | job.question.workload.own_file():
            trial.set_user_attr("sources", read)
        trial.set_user_attr("threads", torch.get_num_threads())
        if job.question.workload.kind != "encoder":
            trial.set_user_attr("reported", job.question.objectives[0].name)
        trial.set_user_attr("stretch", self._whole / self._steps)
        self._resumed = 0 if resume is None else checkpoints.load(resume)["step"]
        if resume is not None:
            trial.set_user_attr("resumed_at", self._resumed * self._whole // self._steps)
        self._revived = trial.user_attrs.get("revived", 0)
        self._began, self._told = time.perf_counter(), 0.0

    def report(
        self, stop: Stop, prunes: bool, step: int, evaluation: Evaluation, verdict: Verdict
    ) -> None:
        """Tell Optuna of an evaluation, and end the trial if it is to be returned or pruned."""
        trial = self._trial
        self._last = step, evaluation, verdict
        seconds = time.perf_counter() - self._began
        if seconds > self._told + 1:  # for those whose worker dies; not at every short step
            trial.set_user_attr("seconds", seconds)
            self._told = seconds
        self._name_run()
        stretched = round(step * self._whole / self._steps)  # as of the config's own batch size
        if len(self._job.question.objectives) == 1:
            reported = self._job.question.workload.reported(evaluation, verdict)
            trial.report(reported, stretched)
            violation = self._job.question.workload.violation(verdict)
            if self._job.question.constrained and violation is not None:
                self._violations[str(stretched)] = violation
                trial.set_user_attr(VIOLATIONS, self._violations)
        elif _state(trial) != TrialState.RUNNING:
            raise Reassigned(f"trial {trial.number}")
        if step == self._steps or step < self._resumed:  # decided already
            return
        if stop.requested:
            raise Returned(f"stopped at step {step}")
        if prunes and stretched > self._revived and trial.should_prune():
            raise optuna.TrialPruned(f"behind the others at step {step}")

    def measure(self, result: Result) -> tuple[float, ...]:
        """The trial's objectives, which its run keeps."""
        self._result = result
        if self._last is None:  # of a training of the user's own that reports nothing
            last = result.history[-1]
            self._last = last.step, last, result.verdict
        objectives = self._job.question.objectives
        values = tuple(objective.value(result) for objective in objectives)
        metrics = {f"objective/{o.name}": v for o, v in zip(objectives, values, strict=True)}
        self.tracker.metrics(metrics, self._steps)
        self._figures.of_complete(values, self._last)
        return values

    def end(self, status: Status, error: BaseException | None) -> None:
        """Write down what came of the trial, then close its run."""
        if error is None:
            self._remember(self._result)
            self.tracker.close(status)
            self._name_run()
            return
        reassigned = isinstance(error, Reassigned | UpdateFinishedTrialError)
        try:
            if isinstance(error, optuna.TrialPruned):
                self.tracker.tags({"pruned": str(error)})
                self._figures.of_pruned(self._last)
                self._remember(None)
            elif status == "FAILED":
                self._trial.set_user_attr("reason", _reason(error))
                self._figures.of_failed()
                self._remember(None)
            elif not reassigned:
                self.tracker.tags({"returned": str(error) or "interrupted"})
                give_back(self._trial, str(error) or "interrupted")
        finally:  # also when it is Optuna's database that failed
            self.tracker.close(status, traceback_of(status, error))
            if not reassigned:
                self._name_run()

    def _remember(self, result: Result | None) -> None:
        """Write down what reports need of a trial, and its constraints."""
        trial = self._trial
        trial.set_user_attr("seconds", time.perf_counter() - self._began)
        if self._last is None:
            return
        step, evaluation, verdict = self._last
        trial.set_user_attr("steps", round(step * self._whole / self._steps))
        trial.set_user_attr("evaluation", asdict(evaluation))
        trial.set_user_attr("criteria", [asdict(criterion) for criterion in verdict.criteria])
        trial.set_user_attr("steps_to_pass", result.steps_to_pass if result else None)
        if self._job.question.constrained:
            for criterion in verdict.criteria:
                trial.set_constraint(criterion.name, min(criterion.margin, VIOLATED))

    def _name_run(self) -> None:
        """Write down which run is the trial's, as soon as there is one: the tracker may be away."""
        if self._trial.user_attrs.get("run_id") != self.tracker.run_id:
            self._trial.set_user_attr("run_id", self.tracker.run_id)


def give_back(trial: Trial, why: str) -> None:
    """Let a trial be begun again by whoever comes next, without counting it as an attempt."""
    trial.set_user_attr("returned", why)
    requeue(trial.study, _frozen(trial), trial.user_attrs.get("attempt", 0))


def requeue(study: optuna.Study, trial: FrozenTrial, attempt: int) -> None:
    """Let a trial be begun again, with the values it had and from its last checkpoint.

    Nothing that it measured is passed on; of a pruned one the step up to which that is decided.
    """
    if not has_values(study, trial) or any(
        other.user_attrs.get("continues") == trial.number
        for other in study.get_trials(deepcopy=False)
    ):
        return  # it lacked values yet: a new one draws all of them; or it was requeued already
    kept = {k: v for k, v in trial.user_attrs.items() if k in ("ordinal", "origin", "revived")}
    kept |= {"revived": trial.last_step} if trial.state == TrialState.PRUNED else {}
    lineage = (trial.number, trial.user_attrs.get("run_id"), attempt)
    study.enqueue_trial(
        values_of(trial), user_attrs=kept | dict(zip(LINEAGE, lineage, strict=True))
    )


def status_of(trial: FrozenTrial) -> Status | None:
    """How the run of a trial has ended; None while the trial has not."""
    if trial.state == TrialState.FAIL and not counts(trial):
        return "KILLED"  # it was interrupted, or its worker was
    return STATUS.get(trial.state)


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _checkpoint(folder: Path, before: int | None, place: Path) -> Path | None:
    """The checkpoint of the trial that this one continues, copied into its own folder."""
    shutil.rmtree(place, ignore_errors=True)  # of a study of this name that was deleted
    if before is None:
        return None
    left = folder / f"trial-{before:04d}" / checkpoints.NAME
    try:
        checkpoints.load_to_resume(left)
    except UserError:  # on another machine, before the first evaluation, or damaged
        return None
    place.mkdir(parents=True)
    shutil.copyfile(left, place / checkpoints.NAME)
    left.unlink()
    return place


def _reason(error: BaseException) -> str:
    """Why a trial failed, in one line without passwords."""
    return shown(str(error) if isinstance(error, Diverged) else repr(error))


def _frozen(trial: Trial) -> FrozenTrial:
    return trial.study._storage.get_trial(trial._trial_id)


def _state(trial: Trial) -> TrialState:
    return _frozen(trial).state
