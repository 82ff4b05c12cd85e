"""The command of every study: reads the flags, lets workers train trials, reports the results."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial

import optuna
from rich.text import Text

from studies import report
from studies.confirmation import check_racing, racing
from studies.job import Job, create_study, load_study, require_own
from studies.made_up import check_report
from studies.plan import plan_lines
from studies.progress import Reporter
from studies.question import Question
from studies.questions import question_of
from studies.record import all_failed, counted, stagnated, why_failed
from studies.report import Findings
from studies.result import StudyResult
from studies.screen import check_screenable, first_of_screening, screen
from studies.search import described, pruner, sampler
from studies.settings import StudyConfig
from studies.storage import open_storage
from studies.tasks import Again, Search, again, tasks
from studies.verified import verified
from studies.worker import end_orphaned_runs, over, work
from vlatent.command_line import Parser
from vlatent.config import Config, RunConfig, add_settings, build_of, flatten
from vlatent.console import console, progress_display
from vlatent.corpus import Corpus
from vlatent.own_questions import absolute, handed_over, is_path
from vlatent.own_questions import shown as shown_path
from vlatent.own_sources import part_sources
from vlatent.problem import Problem
from vlatent.runtime.interruption import Stop, interruption
from vlatent.runtime.launch import carry_out
from vlatent.shapes import UserError
from vlatent.tracking import (
    MlflowTracker,
    Status,
    deliver_all,
    find_run,
    keep_view,
    own_run,
    recorded,
    reopen_run,
    traceback_of,
)


def main(question_name: str, arguments: Sequence[str]) -> int:
    """Run a study from the command line, or continue it, and report its results."""
    question = question_of(question_name)
    script = f"vlatent study {shown_path(question_name)}"
    begun = f"{script} {question.workload.example}".rstrip()
    parser = Parser(
        prog=script,
        description=f"{question.text} Running the same command again continues the study up to "
        "its budget; with --study.workers 4 four processes share it, and with a database server "
        "as --study.storage other machines join it by the same command.",
        own="study",
        examples=(
            f"{begun} --study.trials 40",
            f"{begun} --study.workers 2",
        ),
    )
    add_settings(parser, StudyConfig, question.workload.config_type)
    values = parser.checked(arguments)
    given: RunConfig = build_of(values, question.workload.config_type)
    carry_through(question_name, given, values["study"])
    return 0


def run_study(
    question: Question | Problem | str,
    config: RunConfig | None = None,
    settings: StudyConfig | None = None,
) -> StudyResult:
    """Run a study from Python, or continue it; its result is also printed and written down.

    Args:
        question: The question, a problem of one's own, or the path of one of these. Workers beside
            this process need one that is a global of a file, below whose
            `if __name__ == "__main__":` this is called.
        config: The config of trial 0; None takes the defaults.
        settings: How the search is done, as `--study.*` say it.

    Raises:
        UserError: Bad input, before anything is written; or all trials failed.
    """
    name = (
        question if isinstance(question, str) else handed_over(question, question.name, "studies")
    )
    given = config or question_of(name).workload.config_type()
    return carry_through(name, given, settings or StudyConfig()).result


def carry_through(question_name: str, config: RunConfig, settings: StudyConfig) -> Findings:
    """Plan a study, let workers train it, and report its results.

    Raises:
        UserError: Bad input, before anything is written; or all trials failed.
    """
    job, corpus = _planned_job(question_name, config, settings)
    check_report(job)
    require_own(job)
    find_run(job.config.tracking, {"study": job.name})  # an unusable store is an error by now
    study = create_study(job, screened(job))
    study.set_user_attr("budget", Search(job).budget)
    limit = Search(job).limit
    study.set_user_attr("hours", limit and asdict(limit))
    study.set_user_attr("confirm", job.settings.confirm)
    study.set_user_attr("racing", racing(job.settings, job.config.training.seed))
    job = replace(job, uid=study.user_attrs.get("uid"))
    stop = Stop()
    with (
        interruption(stop),
        recorded(stop, lambda: _StudyRun(job, study), _StudyRun.end) as run,
    ):
        _settle(run.job)
        stop.check()
        console.print(job.question.text, style="bold")
        for line in plan_lines(job, corpus):
            console.print(line)
        findings = run.findings = _train_and_report(run.job, study, stop)
    return findings


def _planned_job(
    question_name: str, given: RunConfig, settings: StudyConfig
) -> tuple[Job, Corpus | None]:
    """The study with this config and these settings, and its sentences if it reads any.

    Raises:
        UserError: Bad input, before anything is written.
    """
    question = question_of(question_name)
    workload = question.workload
    config = workload.completed(given)
    space = question.narrowed(config, settings.space)
    sampler(settings, space, 0)
    pruner(settings, config.training.steps)
    corpus = workload.corpus(config)
    check_racing(settings, len(question.objectives))
    verify = settings.verify
    if workload.kind != "encoder" and (verify or settings.rehearse):
        flag = "verify" if verify else "rehearse"
        raise UserError(f"study.{flag} is for our encoder: a {workload.kind} has no other config.")
    job = Job(
        question_name=absolute(question_name) if is_path(question_name) else question_name,
        name=settings.name or question.name,
        config=config,
        settings=settings,
        space=space,
        corpus=workload.digests(config, corpus),
        sources=part_sources(config),
        divided=workload.divided(config, corpus),
        verified=None if verify is None else verified(verify, config, question, space),
    )
    return job, corpus


class _StudyRun:
    """The study's own run in the tracker.

    Attributes:
        job: The study, with the id of that run.
        findings: The results, once there are any.
    """

    def __init__(self, job: Job, study: optuna.Study) -> None:
        self.findings: Findings | None = None
        self._study = study
        tracking, folder = job.config.tracking, job.settings.folder / job.name

        def describe(run: MlflowTracker) -> None:
            run.params(job.settings.params())
            run.params(described(job.settings, job.config.training.steps))
            run.params(flatten(job.config))
            run.note(job.question.text)

        with job.lock:
            tags = {"kind": "study"} | job.tags
            parent = own_run(tracking, job.name, tags, job.uid, folder, describe)
            keep_view(tracking, job.view)
        self.job = replace(job, parent=parent)

    def end(self, status: Status, error: BaseException | None) -> None:
        """Close the run with the results; those that another machine has recorded stay."""
        job = self.job
        assert job.parent is not None
        if status == "KILLED":
            console.print(
                f"Stopped after {len(counted(self._study))} of {Search(job).budget} trials; the "
                "same command goes on from there."
            )
        folder = job.settings.folder / job.name
        try:
            with job.lock:
                run = reopen_run(job.config.tracking, job.parent, folder=folder)
                if self.findings is not None:
                    self.findings.record(run)
                run.close(status, traceback_of(status, error))
            _settle(job)
        except UserError as problem:  # the tracker is away; no result depends on it
            console.print(f"{problem}. The same command records the study when it is back.")


def _settle(job: Job) -> None:
    """Deliver what dead workers have left, and end the runs of their trials.

    Raises:
        UserError: The tracker cannot be used.
    """
    deliver_all(job.settings.folder / job.name, job.config.tracking)
    for task in tasks(job):
        end_orphaned_runs(load_study(task.study_name, job.settings.storage), task.job)


def _train_and_report(job: Job, study: optuna.Study, stop: Stop) -> Findings:
    """Carry the study out, and report once nothing of it is left to do.

    Raises:
        UserError: All trials failed, or no worker is left for those that are missing.
        KeyboardInterrupt: A stop was requested.
    """
    began = time.perf_counter()
    _train(job, study, stop)
    study = load_study(job.name, job.settings.storage)
    if all_failed(study):
        reasons = dict.fromkeys(map(why_failed, counted(study)))
        raise UserError(
            f"all {len(counted(study))} trials failed, so the study stops: {'; '.join(reasons)}"
        )
    if stop.requested:
        raise stop.interruption()
    if not over(job):  # however its workers have ended
        raise UserError(
            f"no worker is left after {len(counted(study))} of {Search(job).budget} trials; the "
            "same command goes on from there."
        )
    return report.close(job, job.settings.folder / job.name, time.perf_counter() - began)


def screened(job: Job) -> list[dict[str, float]]:
    """Loss weights that a new study tries first: the best of a screening without an encoder."""
    if not isinstance(job.config, Config):
        return []
    count = first_of_screening(job.config, job.space, job.settings)
    if not count:
        return []
    check_screenable(job.space)
    storage = open_storage(job.settings.storage)
    if job.name in {study.study_name for study in storage.get_all_studies()}:
        return []
    with progress_display() as progress:
        best = screen(job.config, job.space, seed=job.settings.seed, progress=progress)[:count]
    for vector in best:
        violated = [line.name for line in vector.verdict.criteria if not line.holds]
        verdict = f"would violate {', '.join(violated)}" if violated else "would pass"
        console.print(f"screened  score {vector.score:.3f}  {verdict}")
    return [vector.weights for vector in best]


def _train(job: Job, study: optuna.Study, stop: Stop) -> None:
    """Let workers train until the budget is met, and show what they do."""
    settings, budget = job.settings, Search(job).budget
    objectives = [objective.name for objective in job.question.objectives]
    limit = Search(job).limit
    search, others = Reporter(study, objectives, limit=limit), []
    for task in again(job):
        trained = load_study(task.study_name, settings.storage)
        others.append((Reporter(trained, objectives, task.verb), partial(_planned, task, trained)))

    def news() -> tuple[int, list[Text]]:
        lines = search.lines(lambda: budget)
        for reporter, planned in others:
            lines += reporter.lines(planned)
        return search.done, lines

    with progress_display() as progress:
        promise = "Trials end at their next evaluation and keep their place."
        carry_out(work, job, settings, stop, progress, "trials", budget, news, promise)
    if stagnated(study, settings.stagnation):
        console.print(
            f"The last {settings.stagnation} trials brought no better one: the study ends here."
        )
    elif limit is not None and limit.ends(study):
        console.print(limit.words(study))


def _planned(task: Again, study: optuna.Study) -> int:
    """How many trials a task has in all."""
    return len(task.cells(study))
