"""The end of a study: what was found, as a screen, as a config and as pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.table import Table

from vlatent.config import Config, override, to_yaml
from vlatent.evaluation import Criterion, Evaluation, Verdict
from vlatent.figures.search import TrialRow, search_figures
from vlatent.screen import console, dependence_lines, verdict_table
from vlatent.tracking import MlflowTracker, view_command

if TYPE_CHECKING:
    from studies.study import Question, Range

STATES: dict[TrialState, Literal["complete", "pruned", "failed"]] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def trial_line(trial: FrozenTrial) -> str:
    """One line that says how a trial ended."""
    seconds = trial.user_attrs.get("seconds", 0.0)
    head = f"trial {trial.number:3d}  "
    if trial.state == TrialState.FAIL:
        return f"{head}[red]failed[/red]  {trial.user_attrs.get('reason', 'interrupted')}"
    in_band = trial.user_attrs["evaluation"]["metrics"]["channels_in_band"]
    broken = [name for name, margin in trial.constraints.items() if margin > 0]
    state = "pruned  " if trial.state == TrialState.PRUNED else "complete"
    verdict = f"violates {', '.join(broken)}" if broken else "[green]passes every criterion[/green]"
    value = trial.value if trial.value is not None else max(trial.intermediate_values.values())
    return f"{head}{state}  {in_band:.0f} in band  score {value:.3f}  {seconds:4.1f} s  {verdict}"


def feasible(trial: FrozenTrial) -> bool:
    """Whether a trial was trained to the end and passes every criterion."""
    margins = trial.constraints.values()
    return trial.state == TrialState.COMPLETE and all(margin <= 0 for margin in margins)


def best(study: optuna.Study) -> FrozenTrial | None:
    """The feasible trial with the highest score, else the one nearest to feasible."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    passing = [trial for trial in trials if feasible(trial)]
    if passing:
        return max(passing, key=lambda trial: (trial.value, -trial.number))
    return min(trials, key=lambda t: (max(t.constraints.values()), t.number), default=None)


def close(
    study: optuna.Study,
    question: Question,
    config: Config,
    space: Mapping[str, Range],
    folder: Path,
    parent: MlflowTracker,
    seconds: float,
) -> None:
    """Print the closing screen, write the best config, attach pictures to the parent run."""
    trials = study.get_trials(deepcopy=False)
    found = best(study)
    if found is None:
        console.print("No trial was trained to the end: nothing can be said yet.")
        return
    passed = feasible(found)
    place = folder / ("best.yaml" if passed else "nearest.yaml")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(to_yaml(override(config, found.params)), encoding="utf-8")

    states = [trial.state for trial in trials]
    count = {state: states.count(state) for state in (TrialState.COMPLETE, TrialState.PRUNED)}
    passing = sum(map(feasible, trials))
    summary = (
        f"{passing} of {count[TrialState.COMPLETE]} complete trials pass every criterion; "
        f"{count[TrialState.PRUNED]} were pruned, {states.count(TrialState.FAIL)} failed."
    )
    if passed:
        headline = f"Trial {found.number} is the best that passes every criterion."
    else:
        worst = [name for name, margin in found.constraints.items() if margin > 0]
        headline = (
            f"No trial passes every criterion. Trial {found.number} is nearest; it violates "
            f"{', '.join(worst)}."
        )
    verdict = Verdict(tuple(Criterion(**line) for line in found.user_attrs["criteria"]))
    evaluation = Evaluation(**found.user_attrs["evaluation"])
    console.rule(f"[bold]{study.study_name}")
    console.print(f"[bold]{headline}[/bold] {summary} {seconds:.0f} s.")
    console.print(
        verdict_table(verdict, f"Trial {found.number}, score {found.value:.3f}, held-out sentences")
    )
    for line in dependence_lines(evaluation):
        console.print(line)
    console.print(_changes(trials[0], found))
    console.print(f"Best config: {place}")
    console.print(f"Train it on another seed: vlatent train --config {place} --training.seed 1")
    console.print(f"Compare all trials: {view_command(config.tracking)}")

    parent.metrics(
        {
            "best/score": found.value or 0.0,
            "best/trial": found.number,
            "best/feasible": passed,
            "trials/complete": count[TrialState.COMPLETE],
            "trials/pruned": count[TrialState.PRUNED],
            "trials/failed": states.count(TrialState.FAIL),
            "trials/feasible": passing,
        },
        step=len(trials),
    )
    parent.note(f"{question.text}\n\n**{headline}** {summary}\n\n{dependence_lines(evaluation)[0]}")
    parent.text(place.name, place.read_text(encoding="utf-8"))
    for name, png in figures(study, question.text, space).items():
        parent.figure(name, png)
        (folder / f"{name}.png").write_bytes(png)


def _changes(baseline: FrozenTrial, found: FrozenTrial) -> Table:
    """What differs between trial 0 and the best: what was searched, and what came of it."""
    title = f"Trial 0, the starting weights, against trial {found.number}"
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in ("", "trial 0", f"trial {found.number}"):
        table.add_column(heading, justify="right" if heading else "left")
    for name in found.params:
        table.add_row(name, f"{baseline.params[name]:.4g}", f"{found.params[name]:.4g}")
    table.add_section()
    lines = [trial.user_attrs.get("criteria", []) for trial in (baseline, found)]
    for criterion in lines[1]:
        was = next((line for line in lines[0] if line["name"] == criterion["name"]), None)
        table.add_row(criterion["name"], *(_marked(line) for line in (was, criterion)))
    table.add_row(
        "steps to pass", *(str(t.user_attrs.get("steps_to_pass")) for t in (baseline, found))
    )
    return table


def _marked(line: dict[str, object] | None) -> str:
    if line is None:
        return "not reached"
    return f"{line['found']} {'pass' if Criterion(**line).holds else '[red]FAIL[/red]'}"  # type: ignore[arg-type]


def figures(study: optuna.Study, title: str, space: Mapping[str, Range]) -> dict[str, bytes]:
    """The study's pictures: history, importances, parallel coordinates, slices."""
    rows = [_row(trial) for trial in study.get_trials(deepcopy=False) if trial.state in STATES]
    ranges = {name: (r.low, r.high, r.log) for name, r in space.items()}
    return search_figures(title, rows, ranges, importances(study))


def importances(study: optuna.Study) -> dict[str, float] | None:
    """PED-ANOVA importance of every parameter; None below ten complete trials."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < 10:
        return None
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


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
        margins=dict(trial.constraints),
    )
