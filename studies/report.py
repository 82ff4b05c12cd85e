"""The end of a study: its result as a file, on the console, in the tracker, and its best config."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
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
from studies.result import FILE, StudyResult, headline, passes, summary
from studies.settings import StudyConfig
from studies.weights import keep_best, write_best
from vlatent import checkpoints
from vlatent.config import to_yaml
from vlatent.console import console, dependence_lines, verdict_table
from vlatent.evaluation import Criterion, Verdict
from vlatent.formatting import bounds
from vlatent.intervals import bracket
from vlatent.runtime.addresses import without_password
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
    storage = job.settings.storage
    again = load_study(job.name + record.CONFIRMATION, storage) if job.settings.confirm else None
    findings = conclude(job, load_study(job.name, storage), again, folder, seconds)
    page = view_instructions(job.config.tracking, job.view)
    console.print(f"Compare all trials: {page}", soft_wrap=True)
    return findings


def conclude(
    job: Job, search: optuna.Study, again: optuna.Study | None, folder: Path, seconds: float
) -> Findings:
    """Do what `close` does, but for what is read from elsewhere: the studies, the tracker's page.

    Args:
        job: The study.
        search: Its trials.
        again: Its confirmations, if it has any.
        folder: Where files go.
        seconds: How long it took.
    """
    result = study_result(search, again)
    trials = search.get_trials(deepcopy=False)
    files = {FILE: result.to_json()}
    console.rule(Text(job.name, "bold"))
    said = Text.assemble((headline(result), "bold"), f" {summary(result)} {seconds:.0f} s.")
    console.print(said)
    keep_best(search, folder, job.settings.confirm)
    if result.leader is not None:
        leader = trials[result.leader]
        config = job.question.apply(job.config, leader.params)
        place = folder / ("best.yaml" if record.feasible(leader) else "nearest.yaml")
        files[place.name] = to_yaml(config)
        show(result, record.counted(search)[0], leader, job.settings)
        console.print(f"Best config: {place}")
        checkpoints.write(place, files[place.name])
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
    if (leader := result.leading) is not None:
        values |= {"best/trial": leader.number, "best/feasible": leader.feasible}
        values |= {
            f"best/{objective.name}": value
            for objective, value in zip(result.objectives, leader.values, strict=True)
        }
    for finalist in result.finalists[:1]:
        mean, low, high = finalist.interval()
        values |= {"confirmed/mean": mean, "confirmed/low": low, "confirmed/high": high}
        values |= {"confirmed/passed": finalist.passed}
    if result.optimism is not None:
        values["confirmed/optimism"] = result.optimism.mean
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def note(result: StudyResult) -> str:
    """The description at the head of the study's page in MLflow, as Markdown."""
    parts = [result.text, f"**{headline(result)}** {summary(result)}"]
    if result.evaluation is not None:
        parts.append(dependence_lines(result.evaluation)[0])
    return "\n\n".join(parts)


def show(
    result: StudyResult, baseline: FrozenTrial, leader: FrozenTrial, settings: StudyConfig
) -> None:
    """Print the leader's verdict, what sets it apart from trial 0, the front, confirmations."""
    assert result.leading is not None
    title = f"Trial {leader.number}, held-out sentences"
    console.print(verdict_table(Verdict(result.leading.criteria), title))
    for line in dependence_lines(result.evaluation) if result.evaluation else ():
        console.print(line)
    if leader.number == 0:
        console.print("No trial does better than trial 0, the starting values.")
    else:
        console.print(_changes(baseline, leader))
    if result.front:
        console.print(_front(result))
    if result.finalists:
        console.print(_confirmations(result))
        console.print(_optimism(result))
    elif settings.confirm:
        lost = result.basis == "search"
        why = "every confirmation failed" if lost else "no trial passes every criterion"
        console.print(f"Nothing was confirmed: {why}.")


def _commands(job: Job, place: Path) -> None:
    """The commands that go on from here."""
    name, file = shlex.quote(job.name), shlex.quote(str(place))
    console.print(f"Train it on another seed: vlatent train --config {file} --training.seed 99")
    console.print(f"How the study stands: vlatent status {name}{_where(job.settings)}")
    flags = _where(job.settings) + uri_flag(job.config.tracking)
    console.print(f"On one page: vlatent report --study {name}{flags}")


def _where(settings: StudyConfig) -> str:
    usual = settings.storage == StudyConfig().storage
    return "" if usual else f" --storage {shlex.quote(without_password(settings.storage))}"


def _optimism(result: StudyResult) -> str:
    """How much better the search measured its best than new seeds do."""
    optimism = result.optimism
    assert optimism is not None
    return (
        f"Optimism of the search: its best, trial {optimism.trial}, was found at "
        f"{optimism.found:.3f} and confirmed at {optimism.confirmed:.3f}, a difference of "
        f"{bracket(optimism.mean, optimism.low, optimism.high, '+.3f')}."
    )


def _changes(baseline: FrozenTrial, leader: FrozenTrial) -> Table:
    """What differs between trial 0 and the leader: what was searched, and what came of it."""
    table = _table(f"Trial 0, the starting values, against trial {leader.number}")
    for heading in ("", "trial 0", f"trial {leader.number}"):
        table.add_column(heading, justify="right" if heading else "left")
    for name in leader.params:
        values = (trial.params.get(name) for trial in (baseline, leader))
        table.add_row(name, *("not drawn" if v is None else f"{v:.4g}" for v in values))
    table.add_section()
    lines = [trial.user_attrs.get("criteria", []) for trial in (baseline, leader)]
    for criterion in lines[1]:
        was = next((line for line in lines[0] if line["name"] == criterion["name"]), None)
        table.add_row(criterion["name"], *(_marked(line) for line in (was, criterion)))
    passed = [trial.user_attrs.get("steps_to_pass") for trial in (baseline, leader)]
    table.add_row("steps to pass", *("never" if v is None else str(v) for v in passed))
    return table


def _marked(line: dict[str, Any] | None) -> Text:
    if line is None:
        return Text("not reached")
    holds = Criterion(**line).holds
    return Text.assemble(f"{line['found']} ", "pass" if holds else ("FAIL", "red"))


def _front(result: StudyResult) -> Table:
    """The trials that no other beats in all objectives, by the first objective."""
    table = _table("The front")
    table.add_column("trial")
    for objective in result.objectives:
        way = "more" if objective.maximize else "less"
        table.add_column(f"{objective.label} ({way} is better)", justify="right")
    table.add_column("violates")
    unbeaten = [trial for trial in result.ranking if trial.number in result.front]
    for trial in sorted(unbeaten, key=lambda trial: trial.values, reverse=True):
        violated = [line.name for line in trial.criteria if not line.holds]
        values = [f"{value:.4g}" for value in trial.values]
        table.add_row(str(trial.number), *values, ", ".join(violated) or "nothing")
    return table


def _confirmations(result: StudyResult) -> Table:
    """Values in the search against those on new seeds, with the interval over seeds."""
    table = _table("Confirmed on seeds that the search never saw")
    for heading in ("trial", "passes", "objective", "search", "confirmed", "95 % interval"):
        table.add_column(heading, justify="left" if heading in ("trial", "objective") else "right")
    for finalist in result.finalists:
        for index, objective in enumerate(result.objectives):
            mean, low, high = finalist.interval(index)
            known = math.isfinite(low) or math.isfinite(high)
            between = " to ".join(bounds(low, high, ".4g")) if known else "none"
            first: Sequence[str] = (str(finalist.number), passes(finalist))
            table.add_row(
                *(("", "") if index else first),
                *(objective.label, f"{finalist.values[index]:.4g}", f"{mean:.4g}"),
                between,
            )
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold")
