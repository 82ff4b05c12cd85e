"""The end of a study: its result as a file, on the console, in the tracker, and its best config."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial
from rich.table import Table
from rich.text import Text

from studies import record
from studies.figures.study import study_figures
from studies.job import Job, load_study
from studies.outcome import study_result
from studies.result import FILE, Finalist, StudyResult
from studies.settings import StudyConfig, storage_flag
from studies.storage import open_storage
from studies.text import (
    certainty,
    headline,
    passes,
    seeds_and_sentences,
    summary,
    verification_words,
)
from studies.weights import drop_pruned, keep_best, write_best
from vlatent import checkpoints, own_questions
from vlatent.config import to_yaml
from vlatent.console import console, dependence_lines, empty_table, verdict_table
from vlatent.evaluation import Criterion, Verdict
from vlatent.formatting import bounds, duration
from vlatent.tracking import MlflowTracker, uri_flag, view_instructions


@dataclass(frozen=True)
class Findings:
    """What a study's own run in the tracker keeps.

    Attributes:
        result: What the study came to.
        files: Its files by name: the result, and the best config if there is one.
        figures: Its figures by name.
        step: Trials so far, under which its numbers stand.
    """

    result: StudyResult
    files: dict[str, str]
    figures: dict[str, bytes]
    step: int

    def record(self, run: MlflowTracker) -> None:
        run.metrics(metrics(self.result), self.step)
        run.note(note(self.result))
        for name, text in self.files.items():
            run.text(name, text)
        for name, png in self.figures.items():
            run.figure(name, png)


def close(job: Job, folder: Path, seconds: float) -> Findings:
    """Say what came of a study, and write its result, its best config and its figures."""
    url = job.settings.storage
    others = record.load_beside(job.name, open_storage(url))
    findings = conclude(job, load_study(job.name, url), others, folder, seconds)
    page = view_instructions(job.config.tracking, job.view)
    console.print(f"Compare all trials: {page}", soft_wrap=True)
    return findings


def conclude(
    job: Job,
    search: optuna.Study,
    others: Mapping[str, optuna.Study],
    folder: Path,
    seconds: float,
) -> Findings:
    """Do what `close` does, but for what is read from elsewhere: the studies, the tracker's page.

    Args:
        job: The study.
        search: Its trials.
        others: The studies beside it, which train them again, by their kind.
        folder: Where files go.
        seconds: How long it took.
    """
    result = study_result(search, others)
    trials = search.get_trials(deepcopy=False)
    files = {FILE: result.to_json()}
    took = f"This command took {duration(seconds)}."
    console.rule(Text(job.name, "bold"))
    said = Text.assemble((headline(result), "bold"), f" {summary(result)} {took}")
    console.print(said)
    keep_best(search, folder, job.settings.confirm)
    drop_pruned(search, folder)
    if result.leader is not None:
        leader = trials[result.leader]
        config = job.question.apply(job.config, leader.params)
        place = folder / ("best.yaml" if record.feasible(leader) else "nearest.yaml")
        files[place.name] = to_yaml(config)
        show(result, record.counted(search)[0], leader, job.settings)
        console.print(f"Best config: {place}")
        checkpoints.write(place, files[place.name])
        if result.workload == "encoder":
            console.print(write_best(leader, config, folder, place), soft_wrap=True)
        _commands(job, place)
    drawn = study_figures(search, job, result)
    checkpoints.write(folder / FILE, files[FILE])
    for name, png in drawn.items():
        checkpoints.write(folder / f"{name}.png", png)
    return Findings(result, files, drawn, len(trials))


def metrics(result: StudyResult) -> dict[str, float]:
    """The numbers of a study's own run."""
    values: dict[str, float] = {f"trials/{k}": float(v) for k, v in asdict(result.counts).items()}
    values |= {"steps/trained": result.steps_trained, "steps/saved": result.steps_saved}
    values |= {f"steps/{part}": cost.steps for part, cost in result.cost.items()}
    values |= {f"seconds/{part}": cost.seconds for part, cost in result.cost.items()}
    if (leader := result.leading) is not None:
        values |= {"best/trial": leader.number, "best/feasible": leader.feasible}
        values |= {
            f"best/{objective.name}": value
            for objective, value in zip(result.objectives, leader.values, strict=True)
        }
    trained = {"confirmed": result.finalists[:1], "test": [result.test] if result.test else []}
    for name, finalists in trained.items():
        for finalist in finalists:
            ends = zip(("mean", "low", "high"), result.interval(finalist), strict=True)
            values |= {f"{name}/{end}": value for end, value in ends}
            values |= {f"{name}/passed": finalist.passed, f"{name}/seeds": len(finalist.runs)}
    if result.optimism is not None:
        values["confirmed/optimism"] = result.optimism.mean
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def note(result: StudyResult) -> str:
    """The description at the head of the study's page in MLflow, as Markdown."""
    parts = [result.text, f"**{headline(result)}** {summary(result)}", " ".join(certainty(result))]
    parts += [verification_words(result, each) for each in result.verifications]
    if result.evaluation is not None:
        parts += dependence_lines(result.evaluation)[:1]
    return "\n\n".join(part for part in parts if part)


def show(
    result: StudyResult, baseline: FrozenTrial, leader: FrozenTrial, settings: StudyConfig
) -> None:
    """Print the test, then what chose the leader: its run in the search, trial 0, confirmations."""
    assert result.leading is not None
    if result.test is not None and any(run.criteria for run in result.test.runs):
        console.print(_test(result.test))
    judged = "" if result.workload == "problem" else ", on its held-out sentences"
    title = f"Trial {leader.number} in the search{judged}"
    if result.leading.criteria:
        console.print(verdict_table(Verdict(result.leading.criteria), title))
    for line in dependence_lines(result.evaluation) if result.evaluation else ():
        console.print(line)
    if leader.number == 0:
        console.print("No trial does better than trial 0, the starting values.")
    else:
        console.print(_changes(result, baseline, leader))
    if result.front:
        console.print(_front(result))
    if result.finalists:
        title = f"Confirmed on new {seeds_and_sentences(*result.finalists)}"
        console.print(_trained_again(result, title, result.finalists))
        for line in certainty(result):
            console.print(line)
    elif settings.confirm:
        lost = result.basis == "search"
        why = "every confirmation failed" if lost else "no trial passes every criterion"
        console.print(f"Nothing was confirmed: {why}. The test set has not been looked at.")
    for verification in result.verifications:
        seen = seeds_and_sentences(*verification.trials)
        title = f"Verified on {verification.name}, {seen} of the test"
        console.print(_trained_again(result, title, verification.trials))
    if settings.verify and result.basis == "nearest":
        console.print(f"Nothing to verify on {settings.verify}: no trial passes every criterion.")


def _commands(job: Job, place: Path) -> None:
    """The commands that go on from here."""
    name, file = shlex.quote(job.name), shlex.quote(str(place))
    where = storage_flag(job.settings.storage)
    source = shlex.quote(own_questions.shown(job.question.workload.source))
    next_steps = {
        "encoder": f"Train it on another seed: vlatent train --config {file} --training.seed 99",
        "decoder": f"Train it beside controls: vlatent train --config {file} --folder runs/reader",
        "problem": f"What each weight buys: vlatent ablate {source} --config {file}",
    }
    for line in (
        next_steps[job.question.workload.kind],
        f"How the study stands: vlatent status {name}{where}",
        f"On one page: vlatent report --study {name}{where}{uri_flag(job.config.tracking)}",
    ):
        console.print(line, soft_wrap=True)


def _changes(result: StudyResult, baseline: FrozenTrial, leader: FrozenTrial) -> Table:
    """What differs between trial 0 and the leader: what was searched, and what came of it."""
    title = f"Trial 0, the starting values, against trial {leader.number}"
    made = empty_table(title, "", "trial 0", f"trial {leader.number}", left=("",))
    for name in leader.params:
        values = (trial.params.get(name) for trial in (baseline, leader))
        made.add_row(name, *("not drawn" if v is None else f"{v:.4g}" for v in values))
    made.add_section()
    if result.workload != "encoder":  # else the score says less than the criteria behind it
        values = (trial.values[0] if trial.values else math.nan for trial in (baseline, leader))
        made.add_row(result.objectives[0].label, *(f"{value:.4g}" for value in values))
    lines = [trial.user_attrs.get("criteria", []) for trial in (baseline, leader)]
    for criterion in lines[1]:
        was = next((line for line in lines[0] if line["name"] == criterion["name"]), None)
        made.add_row(criterion["name"], *(_marked(line) for line in (was, criterion)))
    passed = [trial.user_attrs.get("steps_to_pass") for trial in (baseline, leader)]
    if not lines[1]:
        return made
    made.add_row("steps to pass", *("never" if v is None else str(v) for v in passed))
    return made


def _marked(line: dict[str, Any] | None) -> Text:
    if line is None:
        return Text("not reached")
    holds = Criterion(**line).holds
    return Text.assemble(f"{line['found']} ", "pass" if holds else ("FAIL", "red"))


def _front(result: StudyResult) -> Table:
    """The trials that no other beats in all objectives, by the first objective."""
    ways = [(o.label, "more" if o.maximize else "less") for o in result.objectives]
    labels = (f"{label} ({way} is better)" for label, way in ways)
    made = empty_table("The front", "trial", *labels, "violates", left=("trial", "violates"))
    unbeaten = [trial for trial in result.ranking if trial.number in result.front]
    for trial in sorted(unbeaten, key=lambda trial: trial.values, reverse=True):
        violated = [line.name for line in trial.criteria if not line.holds]
        values = [f"{value:.4g}" for value in trial.values]
        made.add_row(str(trial.number), *values, ", ".join(violated) or "nothing")
    return made


def _test(test: Finalist) -> Table:
    """The verdict on the test set: every criterion on the seed that is worst for it."""
    seeds = ", ".join(str(run.seed) for run in test.runs)
    title = f"Test: trial {test.number} on new {seeds_and_sentences(test)} ({seeds})"
    headings = ("criterion", "wanted", "on the worst seed", "margin", "holds on")
    made = empty_table(title, *headings, right="margin")
    for lines in zip(*(run.criteria for run in test.runs), strict=True):
        worst = max(lines, key=lambda line: line.margin)
        held = f"{sum(line.holds for line in lines)} of {len(lines)}"
        style = "green" if worst.holds else "red"
        made.add_row(
            worst.name, worst.wanted, worst.found, f"{worst.margin:+.2f}", Text(held, style)
        )
    return made


def _trained_again(result: StudyResult, title: str, trained: Sequence[Finalist]) -> Table:
    """Values in the search against those on new seeds, with the interval over seeds."""
    left = ("trial", "objective", "violates, on how many seeds")
    numbers = ("search", "new seeds", "95 % interval")
    made = empty_table(title, "trial", "passes", "objective", *numbers, left[2], left=left)
    for finalist in trained:
        lines = [line for run in finalist.runs for line in run.criteria]
        broken = Counter(line.name for line in lines if not line.holds)
        violated = ", ".join(f"{name} {count}" for name, count in broken.items())
        for index, objective in enumerate(result.objectives):
            mean, low, high = result.interval(finalist, index) if finalist.runs else (math.nan,) * 3
            bounded = math.isfinite(low) or math.isfinite(high)
            first: Sequence[str] = (str(finalist.number), passes(finalist))
            made.add_row(
                *(("", "") if index else first),
                objective.label,
                f"{finalist.values[index]:.4g}" if finalist.values else "failed",
                f"{mean:.4g}" if finalist.runs else "failed",
                " to ".join(bounds(low, high, ".4g")) if bounded else "none",
                "" if index else violated or "nothing",
            )
    return made
