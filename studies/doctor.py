"""The consistency check of Optuna, MLflow and this disk, and the repair of what differs."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from studies.job import load_study
from studies.record import CONFIRMATION, TEST, VERIFICATION, is_ours, kind_of, running
from studies.storage import MISSED_BEATS, lock_of, open_storage
from studies.trial import requeue, status_of
from vlatent.corpus.tokenizer import default_cache
from vlatent.runtime.addresses import file_of, is_file, shown
from vlatent.shapes import UserError
from vlatent.tracking import (
    PROCESS,
    RecordedRun,
    Status,
    TrackingConfig,
    add_metrics,
    amend_run,
    deliver,
    end_orphaned,
    host_of,
    is_gone,
    journals,
    lives,
    metric_history,
    recorded_runs,
)

OF_TRIALS = ("trial", CONFIRMATION, TEST, VERIFICATION)  # kinds of runs


@dataclass(frozen=True)
class Inconsistency:
    """Something that is not as it should be, and what repairs it.

    Attributes:
        place: The study or the ablation; "-" for none.
        what: It is.
        remedy: What is to be done.
        cure: Does it; None where only a person can.
        certain: Whether it is wrong, rather than beyond what can be seen from here.
    """

    place: str
    what: str
    remedy: str
    cure: Callable[[], Any] | None = None
    certain: bool = True


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Everything that is compared.

    Attributes:
        storage: Optuna's database.
        cells: The database of the ablations' cells.
        tracking: Where MLflow's runs are.
        folder: Where studies and ablations have their folders.
        silence: Seconds without a heartbeat after which a worker counts as dead.
        name: Of one study; None examines all, and everything else.
        gone: Hosts of which nothing lives any more.
    """

    storage: str
    cells: str
    tracking: TrackingConfig
    folder: Path
    silence: float
    name: str | None = None
    gone: Sequence[str] = ()


def examine(sources: Sources) -> Iterator[Inconsistency]:
    """Everything that Optuna, MLflow and this disk disagree about."""
    for journal in journals(sources.folder, left=True):
        yield Inconsistency(
            "-",
            f"measurements wait in {journal}",
            "deliver them",
            partial(deliver, journal, sources.tracking),
        )
    names = []
    if there_is(sources.storage):
        storage = open_storage(sources.storage)
        names = sorted(study.study_name for study in storage.get_all_studies())
    for study_id in names if sources.name is None else [sources.name]:
        study = load_study(study_id, sources.storage)
        if not is_ours(study) and kind_of(study_id)[1] == "trial":
            if sources.name:
                raise UserError(f"study {study_id} was made by another program: nothing is known")
            continue  # another program's study
        yield from _abandoned(study, sources.storage, sources.silence)
        yield from _runs(study, sources.tracking)
    if sources.name is None:
        yield from _unknown_studies(sources, names)
        yield from _left_running(sources, names)
        yield from _left_files(sources)


def there_is(url: str) -> bool:
    """Whether there is such a database: opening a file that is not there would make it."""
    return not is_file(url) or file_of(url).exists()


def _unknown_studies(sources: Sources, names: Sequence[str]) -> Iterator[Inconsistency]:
    """Studies that MLflow has runs of, and their own storage does not know."""
    for run in recorded_runs(sources.tracking, {"kind": "study"}):
        name = run.tags.get("study", run.name)
        here = host_of(run.tags.get(PROCESS)) in ("unknown", socket.gethostname())
        if here and name not in names and run.params.get("study.storage") == shown(sources.storage):
            trials = len(recorded_runs(sources.tracking, {"kind": "trial", "study": name}))
            yield Inconsistency(
                name,
                f"MLflow has its run {run.run_id} and {trials} of its trials, but "
                f"{shown(sources.storage)} does not know the study",
                "it was emptied or deleted, or another is meant: put its copy back, or name the "
                "right one with --storage; if it is gone for good, delete run "
                f"{run.run_id} in MLflow",
            )


def _left_running(sources: Sources, studies: Sequence[str]) -> Iterator[Inconsistency]:
    """Runs that say they run, of processes that are gone or cannot be seen from here."""
    runs = {run.run_id: run for run in recorded_runs(sources.tracking, {})}
    finished = _finished_cells(sources.cells)
    for run in runs.values():
        tags = run.tags
        kind, study = tags.get("kind"), tags.get("study", "")
        of_trial = str(kind).partition("/")[0] in OF_TRIALS and study in studies
        if kind is None or run.status != "RUNNING" or of_trial:
            continue
        if kind == "study" and study in studies and running(load_study(study, sources.storage)):
            continue
        place = study or tags.get("ablation", "-")
        what = f"run {run.run_id} ({kind} {run.name!r}) is RUNNING"
        writer = runs.get(tags.get("mlflow.parentRunId", ""), run) if kind == "arm" else run
        process = writer.tags.get(PROCESS)
        over = run.run_id in finished or host_of(process) in sources.gone or is_gone(process)
        if over:
            status: Status = "FINISHED" if run.run_id in finished else "KILLED"
            yield Inconsistency(
                place,
                f"{what}, but its process is gone",
                f"end it as {status}",
                partial(end_orphaned, sources.tracking, run.run_id, status),
            )
        elif over is None:
            host = host_of(process)
            yield Inconsistency(
                place,
                f"{what} on host {host}, whose processes cannot be seen from here",
                f"if nothing lives there any more: vlatent doctor --fix --gone {host}",
                certain=False,
            )


def _finished_cells(url: str) -> set[str]:
    """Runs of the cells that were trained to the end, as the ablations' own database says."""
    if not there_is(url):
        return set()
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    if not sqlalchemy.inspect(engine).has_table("cells"):
        return set()
    query = "SELECT run_id FROM cells WHERE result IS NOT NULL AND run_id IS NOT NULL"
    with engine.connect() as connection:
        return set(connection.execute(sqlalchemy.text(query)).scalars())


def _left_files(sources: Sources) -> Iterator[Inconsistency]:
    """Files that a process was writing when it was killed."""
    written = [*sources.folder.rglob(".*.[0-9]*"), *default_cache().glob(".*.[0-9]*")]
    for file in sorted(written):
        pid = file.suffix.removeprefix(".")
        # One of another machine, on a shared disk, is young for as long as it is written.
        old = time.time() - file.stat().st_mtime > sources.silence
        if pid.isdecimal() and not lives(int(pid)) and old:
            yield Inconsistency(
                "-",
                f"{file} was left half-written by process {pid}, which is gone",
                "remove it",
                partial(file.unlink, missing_ok=True),
            )


def _abandoned(study: optuna.Study, url: str, silence: float) -> Iterator[Inconsistency]:
    """Trials that say they run, without a heartbeat of their worker."""
    beats = _last_signs(url)
    for trial in running(study):
        began = trial.datetime_start or datetime.now()
        quiet = beats.get(trial._trial_id, (datetime.now() - began).total_seconds())
        if quiet >= silence:
            yield Inconsistency(
                study.study_name,
                f"trial {trial.number} is running, but its worker "
                f"({trial.user_attrs.get('worker', 'unknown')}) sent no heartbeat for "
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


def _runs(study: optuna.Study, tracking: TrackingConfig) -> Iterator[Inconsistency]:
    """Runs and trials that do not belong together, or say different things."""
    name, kind = kind_of(study.study_name)
    runs = [
        run
        for run in recorded_runs(tracking, {"study": name, "kind": kind})
        if run.tags.get("uid") == study.user_attrs.get("uid")
        and run.tags.get("trial", "").isdigit()
    ]
    trials = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    by_run = {trial.user_attrs.get("run_id"): trial for trial in trials.values()}
    for run in runs:
        trial = by_run.get(run.run_id) or trials.get(int(run.tags["trial"]))
        if trial is None or (trial.user_attrs.get("run_id") or run.run_id) != run.run_id:
            if run.tags.get("orphan") != "True":
                yield Inconsistency(
                    study.study_name,
                    f"run {run.run_id} calls itself trial {run.tags['trial']}, which the study "
                    "does not know",
                    "end it and tag it as an orphan",
                    partial(amend_run, tracking, run.run_id, {"orphan": True}, "KILLED"),
                )
            continue
        wanted = status_of(trial)
        if wanted is not None and run.status != wanted:
            yield Inconsistency(
                study.study_name,
                f"run {run.run_id} of trial {trial.number} is {run.status}, the trial "
                f"{trial.state.name}",
                f"end the run as {wanted}",
                partial(amend_run, tracking, run.run_id, {}, wanted),
            )
        missing = _missing_scores(trial, run, tracking)
        if missing:
            yield Inconsistency(
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
            yield Inconsistency(
                study.study_name,
                f"trial {trial.number} has no run {run_id} in the tracker",
                "it was deleted there, or another is meant: name the right one with --tracking.uri",
            )


def _missing_scores(
    trial: FrozenTrial, run: RecordedRun, tracking: TrackingConfig
) -> dict[int, float]:
    """Scores that Optuna was told and MLflow was not; the last ones are lost with their worker."""
    if trial.state == TrialState.RUNNING or not trial.intermediate_values:
        return {}
    stretch = trial.user_attrs.get("stretch", 1.0)
    scores = {round(step / stretch): value for step, value in trial.intermediate_values.items()}
    recorded = {step for step, _ in metric_history(tracking, run.run_id, "score")}
    return {step: value for step, value in scores.items() if step not in recorded}


DEFAULT_SILENCE = 15.0 * MISSED_BEATS
