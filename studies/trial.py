"""One trial: train it, tell Optuna and the tracker about it, hand it on if it is interrupted."""

from __future__ import annotations

import os
import shutil
import socket
import time
import traceback
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import optuna
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState
from rich.progress import Progress

from studies.job import Job
from studies.record import counts
from vlatent import checkpoints
from vlatent.config import Config, override, to_yaml
from vlatent.evaluation import VIOLATED, Evaluation, Verdict, score
from vlatent.runtime.addresses import shown
from vlatent.runtime.interruption import Stop
from vlatent.shapes import UserError
from vlatent.step import Diverged
from vlatent.tracking import MlflowTracker, Status, amend_run, open_run
from vlatent.training import Result, train

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


class Overtaken(RuntimeError):
    """This worker was silent for so long that its trial was given to another."""


def run_trial(
    trial: Trial,
    job: Job,
    config: Config,
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
        Returned: A stop was wished; the trial waits in the queue.
        Overtaken: Another worker has it now.
        UserError: Of the place, not of the trial, which waits in the queue.
    """
    attributes = trial.user_attrs
    objectives = job.question.objectives
    resume = _checkpoint(folder, attributes.get("continues"), f"trial-{trial.number:04d}")
    place = folder / f"trial-{trial.number:04d}"
    labels = {"kind": job.kind, "trial": trial.number, "label": label} | job.tags
    if job.kind == "confirmation":
        labels["confirms"] = trial.params["trial"]
    with stop.undisturbed():  # a run that has begun must come to its end below
        tracker = open_run(
            config.tracking,
            label,
            job.parent,
            labels | {name: attributes[name] for name in LINEAGE if attributes.get(name)},
            folder=folder,
            patient=True,
        )
        _name_run(trial, tracker)
        if attributes.get("continues_run") and tracker.run_id:
            with suppress(UserError):  # the link back is enough when the tracker is away
                amend_run(
                    config.tracking, attributes["continues_run"], {"continued_by": tracker.run_id}
                )
        trial.set_user_attr("config", to_yaml(config))
        trial.set_user_attr("threads", torch.get_num_threads())
        steps, whole = config.training.steps, job.config.training.steps
        trial.set_user_attr("stretch", whole / steps)
        resumed = 0 if resume is None else checkpoints.load(resume)["step"]
        if resume is not None:
            trial.set_user_attr("resumed_at", resumed * whole // steps)
    reports = {"evaluation.probed": 0, "training.folder": place, "training.resume": resume}
    last: tuple[int, Evaluation, Verdict] | None = None
    result: Result | None = None
    began, complete = time.perf_counter(), False

    def close(status: Status, error: str | None = None) -> None:
        tracker.close(status, error)
        _name_run(trial, tracker)

    def report(step: int, evaluation: Evaluation, verdict: Verdict) -> None:
        nonlocal last
        last = step, evaluation, verdict
        _name_run(trial, tracker)
        share = round(step * whole / steps)  # trials of another batch size have other steps
        if len(objectives) == 1:
            trial.report(score(evaluation, verdict), share)
        elif _state(trial) != TrialState.RUNNING:
            raise Overtaken(f"trial {trial.number}")
        if step == steps or step < resumed:  # what it has passed is not decided again
            return
        if stop.wished:
            raise Returned(f"stopped at step {step}")
        if prunes and trial.should_prune():
            raise optuna.TrialPruned(f"behind the others at step {step}")

    try:
        stop.heed()
        result = train(override(config, reports), tracker, report, progress)
        values = tuple(objective.value(result) for objective in objectives)
        tracker.metrics(
            {f"objective/{o.name}": v for o, v in zip(objectives, values, strict=True)}, steps
        )
        _remember(trial, job, config, last, result, began)
        close("FINISHED")
        complete = job.kind == "trial"  # the best of the search keep their weights
        return values if len(values) > 1 else values[0]
    except optuna.TrialPruned as error:
        with stop.undisturbed():
            _remember(trial, job, config, last, None, began)
            tracker.tags({"pruned": str(error)})
            close("KILLED")
        raise
    except (Returned, KeyboardInterrupt, UserError) as error:  # says nothing about the trial
        with stop.undisturbed():
            try:
                give_back(trial, str(error) or "interrupted")
            finally:  # also when it is Optuna's database that failed
                tracker.tags({"returned": str(error) or "interrupted"})
                close("KILLED")
        raise
    except UpdateFinishedTrialError:
        tracker.close("KILLED")
        raise Overtaken(f"trial {trial.number} was given to another worker") from None
    except Overtaken:
        tracker.close("KILLED")
        raise
    except Exception as error:
        reason = shown(str(error) if isinstance(error, Diverged) else repr(error))
        with stop.undisturbed():
            try:
                trial.set_user_attr("reason", reason)
                _remember(trial, job, config, last, None, began)
            finally:
                close("FAILED", traceback.format_exc())
        raise TrialFailed(reason) from error
    finally:
        if "returned" not in trial.user_attrs and not complete:
            (place / checkpoints.NAME).unlink(missing_ok=True)


def give_back(trial: Trial, why: str) -> None:
    """Let a trial be begun again by whoever comes next, without counting it as an attempt."""
    trial.set_user_attr("returned", why)
    requeue(trial.study, _frozen(trial), trial.user_attrs.get("attempt", 0))


def requeue(study: optuna.Study, trial: FrozenTrial, attempt: int) -> None:
    """Let a trial be begun again, with the values it had and from its last checkpoint.

    Only what it was begun with is handed on: not its constraints, nor anything it measured.
    """
    params = values_of(trial)
    if not params or any(
        each.user_attrs.get("continues") == trial.number
        for each in study.get_trials(deepcopy=False)
    ):
        return  # it had no values yet: a new one takes its place; or it was handed on already
    kept = {k: trial.user_attrs[k] for k in ("ordinal", "origin") if k in trial.user_attrs}
    lineage = (trial.number, trial.user_attrs.get("run_id"), attempt)
    study.enqueue_trial(params, user_attrs=kept | dict(zip(LINEAGE, lineage, strict=True)))


def status_of(trial: FrozenTrial) -> Status | None:
    """How the run of a trial has ended; None while the trial has not."""
    if trial.state == TrialState.FAIL and not counts(trial):
        return "KILLED"  # it was interrupted, or its worker was
    return STATUS.get(trial.state)


def values_of(trial: FrozenTrial) -> dict[str, float]:
    """What a trial was drawn with, or is to be begun with."""
    return trial.system_attrs.get("fixed_params", {}) | trial.params


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _checkpoint(folder: Path, before: int | None, name: str) -> Path | None:
    """The checkpoint of the trial that this one continues, copied into its own folder."""
    place = folder / name
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


def _remember(
    trial: Trial,
    job: Job,
    config: Config,
    last: tuple[int, Evaluation, Verdict] | None,
    result: Result | None,
    began: float,
) -> None:
    """What the closing screen tells about a trial, and its constraints."""
    trial.set_user_attr("seconds", time.perf_counter() - began)
    if last is None:
        return
    step, evaluation, verdict = last
    whole, steps = job.config.training.steps, config.training.steps
    trial.set_user_attr("steps", round(step * whole / steps))
    trial.set_user_attr("evaluation", asdict(evaluation))
    trial.set_user_attr("criteria", [asdict(criterion) for criterion in verdict.criteria])
    trial.set_user_attr("steps_to_pass", result.steps_to_pass if result else None)
    if job.question.constrained:
        for criterion in verdict.criteria:
            trial.set_constraint(criterion.name, min(criterion.margin, VIOLATED))


def _name_run(trial: Trial, tracker: MlflowTracker) -> None:
    """Write down which run is the trial's, as soon as there is one: the tracker may be away."""
    if trial.user_attrs.get("run_id") != tracker.run_id:
        trial.set_user_attr("run_id", tracker.run_id)


def _frozen(trial: Trial) -> FrozenTrial:
    return trial.study._storage.get_trial(trial._trial_id)


def _state(trial: Trial) -> TrialState:
    return _frozen(trial).state
