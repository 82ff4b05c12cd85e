"""The end of a study: what was found, as a screen, as a config and as pictures."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.table import Table
from rich.text import Text

from studies import front
from studies.confirmation import Confirmed, confirmed, finalists
from studies.confirmation import table as confirmation_table
from studies.figures.search import TrialRow, search_figures
from studies.job import CONFIRMATION, Job, load_study
from studies.question import Range, Space
from studies.record import best, completed, cost, counted, feasible, without_added
from studies.settings import StudyConfig
from studies.weights import keep_best, write_best
from vlatent import checkpoints
from vlatent.config import to_yaml
from vlatent.effects import bracket, interval
from vlatent.evaluation import Criterion, Evaluation, Verdict
from vlatent.runtime.addresses import without_password
from vlatent.screen import console, dependence_lines, verdict_table
from vlatent.search_space import Axis
from vlatent.tracking import MlflowTracker, uri_flag, view_instructions

STATES: dict[TrialState, Literal["complete", "pruned", "failed"]] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


@dataclass(frozen=True)
class Findings:
    """What a study's own run in the tracker tells of it."""

    metrics: dict[str, float]
    note: str
    best: Path
    pictures: dict[str, bytes]
    step: int

    def record(self, run: MlflowTracker) -> None:
        run.metrics(self.metrics, self.step)
        run.note(self.note)
        run.text(self.best.name, self.best.read_text(encoding="utf-8"))
        for name, png in self.pictures.items():
            run.figure(name, png)


def close(job: Job, folder: Path, seconds: float) -> Findings | None:
    """Print the closing screen, write the best config and the pictures; None without a trial."""
    storage = job.settings.storage
    again = load_study(job.name + CONFIRMATION, storage) if job.settings.confirm else None
    found = conclude(job, load_study(job.name, storage), again, folder, seconds)
    if found is not None:
        page = view_instructions(job.config.tracking, job.view)
        console.print(f"Compare all trials: {page}", soft_wrap=True)
    return found


def conclude(
    job: Job, study: optuna.Study, again: optuna.Study | None, folder: Path, seconds: float
) -> Findings | None:
    """What `close` does, but for what is read from elsewhere: the studies and the tracker's page.

    Args:
        job: The study.
        study: Its search.
        again: Its confirmations, if it has any.
        folder: Where files go.
        seconds: How long it took.
    """
    settings = job.settings
    trials = counted(study)
    states = [trial.state for trial in trials]
    count: dict[str, int] = {name: states.count(state) for state, name in STATES.items()}
    count["feasible"] = sum(map(feasible, trials))
    spent = cost(study.get_trials(deepcopy=False), job.config.training.steps)
    summary = (
        f"{count['feasible']} of {count['complete']} complete trials pass every criterion; "
        f"{count['pruned']} were pruned, {count['failed']} failed. {spent}."
    )
    results = [] if again is None else confirmed(study, again, settings)
    found = winner(study, results)
    if found is None:
        console.print("No trial was trained to the end: nothing can be said yet.")
        return None
    headline = _headline(job, found, results)
    place = _write_best(job, found, folder)

    console.rule(Text(job.name, "bold"))
    console.print(Text.assemble((headline, "bold"), f" {summary} {seconds:.0f} s."))
    title = f"Trial {found.number}, held-out sentences"
    criteria = tuple(Criterion(**line) for line in found.user_attrs["criteria"])
    console.print(verdict_table(Verdict(criteria), title))
    evaluation = Evaluation(**found.user_attrs["evaluation"])
    for line in dependence_lines(evaluation):
        console.print(line)
    if found.number == 0:
        console.print("No trial does better than trial 0, the starting values.")
    else:
        console.print(_changes(trials[0], found))
    if len(study.directions) > 1:
        console.print(front.table(study, job.question))
    if results:
        console.print(confirmation_table(results, job.question))
        console.print(_optimism(results))
    elif settings.confirm:
        console.print("Nothing was confirmed: no trial passes every criterion.")
    console.print(f"Best config: {place}")
    keep_best(study, folder, settings.confirm)
    config = job.question.apply(job.config, found.params)
    console.print(write_best(found, config, folder, place), soft_wrap=True)
    name, file = shlex.quote(job.name), shlex.quote(str(place))
    console.print(f"Train it on another seed: vlatent train --config {file} --training.seed 99")
    console.print(f"How the study stands: python -m studies status {name}{_where(settings)}")
    flags = _where(settings) + uri_flag(job.config.tracking)
    console.print(f"On one page: python -m analysis.report --study {name}{flags}")

    metrics = {f"trials/{name}": float(number) for name, number in count.items()}
    metrics |= {"best/trial": found.number, "best/feasible": feasible(found)}
    metrics |= {"steps/trained": spent.trained, "steps/saved": spent.saved}
    objectives = job.question.objectives
    metrics |= {
        f"best/{objective.name}": value
        for objective, value in zip(objectives, found.values, strict=True)
    }
    for each in results[:1]:
        mean, low, high = each.interval()
        metrics |= {"confirmed/mean": mean, "confirmed/low": low, "confirmed/high": high}
        metrics |= {"confirmed/passed": each.passed}
        metrics |= {"confirmed/optimism": _found_best(results).optimism}
    drawn = figures(study, job, results)
    for name, png in drawn.items():
        checkpoints.write(folder / f"{name}.png", png)
    return Findings(
        metrics={name: float(value) for name, value in metrics.items() if math.isfinite(value)},
        note="\n\n".join(
            (job.question.text, f"**{headline}** {summary}", dependence_lines(evaluation)[0])
        ),
        best=place,
        pictures=drawn,
        step=len(study.get_trials(deepcopy=False)),
    )


def winner(study: optuna.Study, results: Sequence[Confirmed]) -> FrozenTrial | None:
    """The trial that was confirmed best, else the one that the search found best."""
    if len(study.directions) > 1:
        return next(iter(finalists(study, 1)), None)
    return study.get_trials(deepcopy=False)[results[0].number] if results else best(study)


def _headline(job: Job, found: FrozenTrial, results: Sequence[Confirmed]) -> str:
    if len(job.question.objectives) > 1:
        return f"Trial {found.number} is the knee of the front: the best compromise."
    if results:
        seeds = len(results[0].values)
        return (
            f"Trial {found.number} is confirmed best: {job.question.objectives[0].label} "
            f"{bracket(*results[0].interval())} on {seeds} new seed{'s' * (seeds > 1)}, of which "
            f"it passes {results[0].passed}."
        )
    if feasible(found):
        return f"Trial {found.number} is the best that passes every criterion."
    worst = [line["name"] for line in found.user_attrs["criteria"] if line["margin"] > 0]
    return (
        f"No trial passes every criterion. Trial {found.number} is nearest; it violates "
        f"{', '.join(worst)}."
    )


def _optimism(results: Sequence[Confirmed]) -> str:
    """How much better the search found its best than new seeds do: the winner's curse."""
    mine = _found_best(results)
    differences = interval([mine.found[0] - row[0] for row in mine.values])
    return (
        f"Optimism of the search: its best, trial {mine.number}, was found at "
        f"{mine.found[0]:.3f} and confirmed at {mine.mean:.3f}, a difference of "
        f"{bracket(*differences, '+.3f')}."
    )


def _found_best(results: Sequence[Confirmed]) -> Confirmed:
    """The one that the search would have named without confirmation."""
    return max(results, key=lambda each: each.found[0])


def _write_best(job: Job, found: FrozenTrial, folder: Path) -> Path:
    place = folder / ("best.yaml" if feasible(found) else "nearest.yaml")
    checkpoints.write(place, to_yaml(job.question.apply(job.config, found.params)))
    return place


def _where(settings: StudyConfig) -> str:
    usual = settings.storage == StudyConfig().storage
    return "" if usual else f" --storage {shlex.quote(without_password(settings.storage))}"


def _changes(baseline: FrozenTrial, found: FrozenTrial) -> Table:
    """What differs between trial 0 and the best: what was searched, and what came of it."""
    title = f"Trial 0, the starting values, against trial {found.number}"
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in ("", "trial 0", f"trial {found.number}"):
        table.add_column(heading, justify="right" if heading else "left")
    for name in found.params:
        values = (trial.params.get(name) for trial in (baseline, found))
        table.add_row(name, *("not drawn" if v is None else f"{v:.4g}" for v in values))
    table.add_section()
    lines = [trial.user_attrs.get("criteria", []) for trial in (baseline, found)]
    for criterion in lines[1]:
        was = next((line for line in lines[0] if line["name"] == criterion["name"]), None)
        table.add_row(criterion["name"], *(_marked(line) for line in (was, criterion)))
    table.add_row(
        "steps to pass", *(str(t.user_attrs.get("steps_to_pass")) for t in (baseline, found))
    )
    return table


def _marked(line: dict[str, Any] | None) -> Text:
    if line is None:
        return Text("not reached")
    holds = Criterion(**line).holds
    return Text.assemble(f"{line['found']} ", "pass" if holds else ("FAIL", "red"))


def figures(study: optuna.Study, job: Job, results: Sequence[Confirmed]) -> dict[str, bytes]:
    """The study's pictures: history, importances, parallel coordinates, slices, or the front."""
    if len(study.directions) > 1:
        return {"front": front.picture(study, job.question, results)}
    rows = [_row(trial) for trial in counted(study)]
    return search_figures(job.question.text, rows, _axes(job.space), importances(study))


def importances(study: optuna.Study) -> dict[str, float] | None:
    """PED-ANOVA importance of every parameter; None below ten complete trials."""
    if len(completed(study)) < 10:
        return None
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return optuna.importance.get_param_importances(without_added(study), evaluator=evaluator)


def _row(trial: FrozenTrial) -> TrialRow:
    value = trial.value
    if value is None and trial.intermediate_values:
        value = trial.intermediate_values[max(trial.intermediate_values)]
    return TrialRow(
        number=trial.number,
        state=STATES[trial.state],
        score=value,
        feasible=feasible(trial),
        params=dict(trial.params),
        margins={line["name"]: line["margin"] for line in trial.user_attrs.get("criteria", ())},
    )


def _axes(space: Space) -> dict[str, Axis]:
    return {
        name: Axis(values.low, values.high, values.log)
        if isinstance(values, Range)
        else Axis.choices(values.values)
        for name, values in space.items()
    }
