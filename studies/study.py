"""Runs any study: reads the command line, lets workers train trials, says what was found."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, replace

import optuna

from studies import report
from studies.free_latents import rehearsable, screen
from studies.job import Job, create_study, load_study, question_of, require_own
from studies.made_up import check_closing
from studies.progress import Reporter
from studies.question import Question
from studies.record import all_failed, counted, stagnated, why_failed
from studies.report import Findings
from studies.search import described, pruner, sampler
from studies.settings import StudyConfig
from studies.storage import open_storage
from studies.worker import Confirmation, Search, over, settle, work
from vlatent.command_line import Parser
from vlatent.config import Config, build, flatten
from vlatent.runtime.addresses import shown
from vlatent.runtime.interruption import Stop, gentle_interruption, interruption
from vlatent.runtime.workers import run_processes, run_ray
from vlatent.screen import console, progress_display
from vlatent.shapes import UserError
from vlatent.tracking import (
    Status,
    amend_run,
    deliver,
    find_run,
    journals,
    keep_view,
    open_run,
    own_label,
    recorded_runs,
    reopen_run,
)
from vlatent.training import corpus_for, placement


def main(asks: str, arguments: Sequence[str]) -> int:
    """Run a study from the command line, or continue it, and say what it found."""
    question = question_of(asks)
    parser = Parser(
        prog=f"python -m studies.{asks}",
        description=f"{question.text} Running the same command again continues the study up to "
        "its budget; with --study.workers 4 four processes share it, and with a database server "
        "as --study.storage other machines join it by the same command.",
        own="study",
        examples=(
            f"python -m studies.{asks} --config configs/quick.yaml --study.trials 40",
            f"python -m studies.{asks} --config configs/quick.yaml --study.workers 2",
        ),
    )
    parser.add_argument("--config", action="config", help="A YAML file; the later one wins.")
    parser.add_class_arguments(Config, nested_key=None)
    parser.add_class_arguments(StudyConfig, nested_key="study")
    values = parser.checked(arguments)
    config, settings = build(values), values["study"]
    space = question.narrowed(config, settings.space)
    sampler(settings, space, 0)  # bad input is found before anything is written
    pruner(settings, config.training.steps)
    placement(config.training)
    corpus = corpus_for(config)
    job = Job(
        asks=asks,
        name=settings.name or asks,
        config=config,
        settings=settings,
        space=space,
        corpus=corpus.fingerprint,
    )
    check_closing(job)
    require_own(job)
    find_run(config.tracking, {"study": job.name})  # a store that cannot be used is told first
    study = create_study(job, _rehearsed(job))
    study.set_user_attr("budget", Search(job).budget)
    job = replace(job, uid=study.user_attrs.get("uid"))
    study.set_user_attr("confirm", settings.confirm)
    stop = Stop()
    with interruption(stop):
        with stop.undisturbed():  # a run that has begun must come to its end below
            job = replace(job, parent=_parent(job, question))
        try:
            _settle(job)
            stop.heed()
            console.print(question.text, style="bold")
            console.print(f"{corpus}", markup=False)
            console.print(_plan(job, len(corpus.train)))
            found = _found(job, study, stop)
        except KeyboardInterrupt:
            console.print(
                f"Stopped after {len(counted(study))} of {Search(job).budget} trials; the same "
                "command goes on from there."
            )
            with stop.undisturbed():
                _record(job, "KILLED")
            raise
        except BaseException:
            with stop.undisturbed():
                _record(job, "FAILED", traceback.format_exc())
            raise
        with stop.undisturbed():
            _record(job, "FINISHED", found=found)
    return 0


def _found(job: Job, study: optuna.Study, stop: Stop) -> Findings:
    """Carry the study out and say what it found, once nothing of it is left to do.

    Raises:
        UserError: All trials failed, or nobody is left who trains those that are missing.
        KeyboardInterrupt: A stop was wished.
    """
    began = time.perf_counter()
    _carry_out(job, study, stop)
    study = load_study(job.name, job.settings.storage)
    if all_failed(study):
        reasons = dict.fromkeys(map(why_failed, counted(study)))
        raise UserError(
            f"all {len(counted(study))} trials failed, so the study stops: {'; '.join(reasons)}"
        )
    if stop.wished:
        raise stop.interruption()
    if not over(job):  # however its workers have ended
        raise UserError(
            f"no worker is left after {len(counted(study))} of {Search(job).budget} trials; the "
            "same command goes on from there."
        )
    return report.close(job, job.settings.folder / job.name, time.perf_counter() - began)


def _rehearsed(job: Job) -> list[dict[str, float]]:
    """The loss weights that are to be tried first, when a new study wants some."""
    count = job.settings.rehearse
    if not count:
        return []
    rehearsable(job.space)
    storage = open_storage(job.settings.storage)
    if job.name in {study.study_name for study in storage.get_all_studies()}:
        return []
    with progress_display() as progress:
        found = screen(job.config, job.space, progress=progress)
    for each in found[:count]:
        broken = [line.name for line in each.verdict.criteria if not line.holds]
        verdict = f"would violate {', '.join(broken)}" if broken else "would pass"
        console.print(f"rehearsed  score {each.score:.3f}  {verdict}")
    return [each.weights for each in found[:count]]


def _carry_out(job: Job, study: optuna.Study, stop: Stop) -> None:
    """Let workers train until the budget is met, and show what they do."""
    settings, budget = job.settings, Search(job).budget
    objectives = [objective.name for objective in job.question.objectives]
    search, again, confirmation = Reporter(study, objectives), None, Confirmation(job)
    if settings.confirm:
        confirms = load_study(confirmation.study_name, settings.storage)
        again = Reporter(confirms, objectives, confirms=True)
    with (
        progress_display() as progress,
        gentle_interruption(stop, "Trials end at their next evaluation and keep their place."),
    ):
        bar = progress.add_task("trials", total=budget, completed=search.done)

        def look() -> None:
            """Print the trials that ended since the last look, whoever trained them."""
            lines = search.lines(lambda: budget)
            progress.update(bar, completed=search.done)
            if again is not None:
                lines += again.lines(lambda: len(confirmation.cells()))
            for line in lines:
                progress.console.print(line, soft_wrap=True)

        if settings.launcher == "ray":
            run_ray(work, job, settings.workers, stop, look, settings.cpus, settings.gpus)
        elif settings.workers > 1:
            run_processes(work, job, settings.workers, stop, look)
        else:
            work(job, stop, look, progress)
        look()
    if stagnated(study, settings.stagnation):
        console.print(
            f"The last {settings.stagnation} trials brought no better one: the study ends here."
        )


def _plan(job: Job, sentences: int) -> str:
    settings = job.settings
    places = "" if settings.workers == 1 else f"; {settings.workers} workers ({settings.launcher})"
    confirmed = (
        f"; the best {settings.confirm} again on {settings.confirmation_seeds} new seeds"
        if settings.confirm
        else ""
    )
    return (
        f"Study {job.name}: {Search(job).budget} trials of {job.config.training.steps} steps on "
        f"{sentences} sentences; {settings.sampler} sampler, {settings.pruner} pruner, "
        f"{shown(settings.storage)}{places}{confirmed}"
    )


def _parent(job: Job, question: Question) -> str | None:
    """Id of the study's own run, made when there is none."""
    tags = {"kind": "study"} | job.tags
    folder = job.settings.folder / job.name
    with job.lock:
        runs = recorded_runs(job.config.tracking, tags)
        mine = [run.run_id for run in runs if run.tags.get("uid") == job.uid]
        known = mine[-1] if mine else None
        if known is None:
            parent = open_run(job.config.tracking, job.name, tags=tags, folder=folder)
            settings = asdict(job.settings) | {"storage": shown(job.settings.storage)}
            parent.params({f"study.{key}": value for key, value in settings.items()})
            parent.params(described(job.settings, job.space, job.config.training.steps))
            parent.params(flatten(job.config))
            parent.note(question.text)
            parent.flush()
            known = parent.run_id
        else:
            amend_run(job.config.tracking, known, own_label())
        keep_view(job.config.tracking, job.view)
        return known


def _settle(job: Job) -> None:
    """Deliver what dead workers have left, and end the runs of their trials.

    Raises:
        UserError: The tracker cannot be used.
    """
    for journal in journals(job.settings.folder / job.name):
        deliver(journal, job.config.tracking)
    tasks = [Search(job), *([Confirmation(job)] if job.settings.confirm else [])]
    for task in tasks:
        settle(load_study(task.study_name, job.settings.storage), task.job)


def _record(
    job: Job, status: Status, error: str | None = None, found: Findings | None = None
) -> None:
    """Close the study's own run; what another machine has told of the study is not repeated."""
    assert job.parent is not None
    try:
        with job.lock:
            run = reopen_run(job.config.tracking, job.parent, folder=job.settings.folder / job.name)
            if found is not None:
                found.record(run)
            run.close(status, error)
        _settle(job)
    except UserError as problem:  # the tracker is away; nothing that was computed depends on it
        console.print(f"{problem}. The same command records the study when it is back.")
