"""The doctor: what Optuna and MLflow say differently about a study, and how it is put right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from studies.job import CONFIRMATION, load_study
from studies.ledger import counts, is_ours
from studies.storage import SILENT_BEATS, lock_of, open_storage
from studies.trial import requeue
from vlatent.shapes import UserError
from vlatent.tracking import (
    RecordedRun,
    Status,
    TrackingConfig,
    add_metrics,
    amend_run,
    deliver,
    journals,
    metric_history,
    recorded_runs,
)

STATUS: dict[TrialState, Status] = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAIL: "FAILED",
}


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be, and what puts it right."""

    study: str
    what: str
    remedy: str
    cure: Callable[[], Any]


def examine(
    storage_url: str, tracking: TrackingConfig, folder: Path, silence: float, name: str | None
) -> Iterator[Finding]:
    """Everything that Optuna, MLflow and the journals on this disk disagree about.

    Args:
        storage_url: Optuna's database.
        tracking: Where MLflow's runs are.
        folder: Where the studies' folders are.
        silence: Seconds without a sign of life after which a running trial is abandoned.
        name: Of one study; None examines all.
    """
    for journal in journals(folder):
        yield Finding(
            "-",
            f"measurements wait in {journal}",
            "deliver them",
            partial(deliver, journal, tracking),
        )
    storage = open_storage(storage_url)
    names = [name] if name else sorted(study.study_name for study in storage.get_all_studies())
    for each in names:
        study = load_study(each, storage_url)
        if not is_ours(study) and not each.endswith(CONFIRMATION):
            if name:
                raise UserError(f"study {name} was made by another program; nothing is known of it")
            continue  # it is nobody's business here
        yield from _abandoned(study, storage_url, silence)
        yield from _runs(study, tracking)


def _abandoned(study: optuna.Study, url: str, silence: float) -> Iterator[Finding]:
    """Trials that say they run, without a sign of life of their worker."""
    beats = _last_signs(url)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        began = trial.datetime_start or datetime.now()
        quiet = beats.get(trial._trial_id, (datetime.now() - began).total_seconds())
        if quiet > silence:
            yield Finding(
                study.study_name,
                f"trial {trial.number} is running, but its worker "
                f"({trial.user_attrs.get('worker', 'unknown')}) was silent for "
                f"{timedelta(seconds=round(quiet))}",
                "give it back to the queue",
                partial(_hand_back, study, url, trial),
            )


def _hand_back(study: optuna.Study, url: str, trial: FrozenTrial) -> None:
    with lock_of(url, study.study_name):
        study._storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
        if not trial.user_attrs.keys() & {"reason", "returned", "last_attempt"}:
            requeue(study, trial, trial.user_attrs.get("attempt", 0) + 1)


def _last_signs(url: str) -> dict[int, float]:
    """Seconds since the last heartbeat, by the database's own clock, of trials that have one."""
    with open_storage(url).engine.connect() as connection:
        now = connection.execute(sqlalchemy.select(sqlalchemy.func.now())).scalar_one()
        rows = connection.execute(
            sqlalchemy.text("SELECT trial_id, heartbeat FROM trial_heartbeats").columns(
                trial_id=sqlalchemy.Integer, heartbeat=sqlalchemy.DateTime
            )
        ).all()
    return {trial: (now.replace(tzinfo=None) - beat).total_seconds() for trial, beat in rows}


def _runs(study: optuna.Study, tracking: TrackingConfig) -> Iterator[Finding]:
    """Runs and trials that do not belong together, or say different things."""
    name, kind = study.study_name, "trial"
    if name.endswith(CONFIRMATION):
        name, kind = name.removesuffix(CONFIRMATION), "confirmation"
    runs = [
        run
        for run in recorded_runs(tracking, {"study": name, "kind": kind})
        if run.tags.get("uid") == study.user_attrs.get("uid")
        and run.tags.get("trial", "").isdigit()
    ]
    trials = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    known = {trial.user_attrs.get("run_id"): trial for trial in trials.values()}
    for run in runs:
        trial = known.get(run.run_id) or trials.get(int(run.tags["trial"]))
        if trial is None or (trial.user_attrs.get("run_id") or run.run_id) != run.run_id:
            if run.tags.get("orphan") != "True":
                yield _orphan(study, tracking, run)
            continue
        if trial.state in STATUS and run.status != (wanted := _wanted(trial)):
            yield Finding(
                study.study_name,
                f"run {run.run_id} of trial {trial.number} is {run.status}, the trial "
                f"{trial.state.name}",
                f"end the run as {wanted}",
                partial(amend_run, tracking, run.run_id, {}, wanted),
            )
        missing = _missing_scores(trial, run, tracking)
        if missing:
            yield Finding(
                study.study_name,
                f"run {run.run_id} of trial {trial.number} lacks the score of {len(missing)} "
                "evaluations that Optuna has",
                "copy them",
                partial(add_metrics, tracking, run.run_id, "score", missing),
            )
    recorded = {run.run_id for run in runs}
    for trial in trials.values():
        run_id = trial.user_attrs.get("run_id")
        if run_id and run_id not in recorded:
            yield Finding(
                study.study_name,
                f"trial {trial.number} has no run {run_id} in the tracker",
                "nothing can be done: it was deleted there, or another tracker is meant",
                lambda: None,
            )


def _orphan(study: optuna.Study, tracking: TrackingConfig, run: RecordedRun) -> Finding:
    return Finding(
        study.study_name,
        f"run {run.run_id} calls itself trial {run.tags['trial']}, which the study does not know",
        "end it and tag it as an orphan",
        partial(amend_run, tracking, run.run_id, {"orphan": True}, "KILLED"),
    )


def _wanted(trial: FrozenTrial) -> Status:
    if trial.state == TrialState.FAIL and not counts(trial):
        return "KILLED"  # it was interrupted, or its worker was
    return STATUS[trial.state]


def _missing_scores(
    trial: FrozenTrial, run: RecordedRun, tracking: TrackingConfig
) -> dict[int, float]:
    """Scores that Optuna was told and MLflow was not; the last ones are lost with their worker."""
    if trial.state == TrialState.RUNNING or not trial.intermediate_values:
        return {}
    stretch = trial.user_attrs.get("stretch", 1.0)
    told = {round(step / stretch): value for step, value in trial.intermediate_values.items()}
    known = {step for step, _ in metric_history(tracking, run.run_id, "score")}
    return {step: value for step, value in told.items() if step not in known}


DEFAULT_SILENCE = 15.0 * SILENT_BEATS
