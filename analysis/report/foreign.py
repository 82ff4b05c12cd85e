"""The report of a study or an experiment that another program made."""

from __future__ import annotations

from collections.abc import Sequence

from rich.progress import Progress

from analysis.foreign import text
from analysis.foreign.figures import figures, on_front, ordered
from analysis.foreign.matters import MOST, Branch, what_matters
from analysis.foreign.repeats import ParameterSet, leader, noise, optimism, parameter_sets
from analysis.foreign.result import Foreign, ForeignTrial, Parameters, parameters, said
from analysis.importance import text as importance_text
from analysis.importance.figures import figures as importance_figures
from analysis.report.page import Answer, Document, code, escaped, figure, markdown_table
from vlatent.formatting import digits

SHOWN = {
    "front": "The front: what one objective costs in another",
    "repeats": "Repeats of the same parameters, with the mean and its 95 % interval",
    "curves": "Curves of repeated parameters: mean and 95 % band over the repeats",
    "history": "Every trial in the order in which they were begun, and the best so far",
}
TOP = 5  # trials in the table of the best
WORDS = (
    (
        "set of parameters",
        "the values of all parameters but seeds; trials with the same set repeat each other",
    ),
    (
        "interval",
        "in brackets: the 95 % t interval of a mean over repeats, one value a seed where seeds are "
        "recorded; it says nothing about data or settings that did not change",
    ),
    (
        "optimism",
        "by how much a value that was chosen for being the best is better than what the same "
        "parameters do again",
    ),
    ("pruned, killed", "stopped before the end"),
)


def foreign_document(study: Foreign, progress: Progress | None = None) -> Document:
    """The report of a study of another program, from its trials alone."""
    known = parameters(study)
    sets = parameter_sets(study, known)
    chance = noise(sets)
    leading, curse = leader(study, sets, chance), optimism(study, sets)
    front = on_front(study) if len(study.objectives) > 1 else set()
    shown = {f"{name}.png": png for name, png in figures(study, sets, list(known.space)).items()}
    sure = text.sure(study, sets, chance, curse)
    if leading is not None:
        sure.append(text.chosen(leading, chance))
    limits = text.limits(study, known, sets, chance)
    parts = ["## What cannot be said", "\n".join(f"- {escaped(line)}" for line in limits)]
    parts += _best(study, known, front, shown)
    parts += _repeats(study, known, sets, shown)
    parts += ["## Search", escaped(text.counts(study)), figure("history.png", SHOWN["history"])]
    parts += _matters(study, what_matters(study, known, sets, progress), shown)
    parts += ["## All trials", _table(study, known, _by_value(study))]
    if known.fixed:
        rows = [(name, said(value)) for name, value in known.fixed.items()]
        parts += ["## The same in every trial", markdown_table(("parameter", "value"), rows)]
    parts += ["## How to get these numbers again", _again(study)]
    parts += ["## Words", "\n".join(f"- *{word}*: {meaning}." for word, meaning in WORDS)]
    return Document(
        title=f"{study.program} {study.kind} {study.name}",
        kind=study.kind,
        answers=[
            Answer("What was asked", escaped(text.asked(study, known, sets))),
            Answer("What was found", _paragraphs(text.found(study, front, leading))),
            Answer("How sure that is", _paragraphs(sure)),
            Answer("What to do with it", text.advice(study, sets, chance)),
        ],
        body="\n\n".join(part for part in parts if part),
        figures=shown,
    )


def _paragraphs(sentences: Sequence[str]) -> str:
    return "\n\n".join(escaped(sentence) for sentence in sentences if sentence)


def _best(study: Foreign, known: Parameters, front: set[int], shown: dict[str, bytes]) -> list[str]:
    if front:
        trials = [trial for trial in _by_value(study) if trial.number in front]
        return ["## Front", figure("front.png", SHOWN["front"]), _table(study, known, trials)]
    trials = [trial for trial in _by_value(study) if trial.state == "complete"][:TOP]
    return ["## Best trials", _table(study, known, trials)]


def _repeats(
    study: Foreign, known: Parameters, sets: Sequence[ParameterSet], shown: dict[str, bytes]
) -> list[str]:
    repeated = ordered(study, sets)
    if not repeated:
        return []
    labels = [f"{objective.label}: mean [95 % interval]" for objective in study.objectives]
    rows = [
        (
            each.first.name,
            len(each.cells),
            *(text.mean_of(each, place) for place in range(len(labels))),
            ", ".join(digits(value) for value in each.values()),
            *(said(each.first.params.get(name, "")) for name in known.space),
        )
        for each in repeated
    ]
    first = f"{study.objectives[0].label}, one a repeat"
    parts = ["## Repeats", figure("repeats.png", SHOWN["repeats"])]
    if "curves.png" in shown:
        parts.append(figure("curves.png", SHOWN["curves"]))
    return [*parts, markdown_table(("first trial", "repeats", *labels, first, *known.space), rows)]


def _matters(study: Foreign, branches: Sequence[Branch], shown: dict[str, bytes]) -> list[str]:
    parts = ["## What matters"]
    if branches[0].sets < len(study.complete):
        parts.append(
            f"Repeats are averaged: {branches[0].sets} sets of parameters stand for "
            f"{len(study.complete)} complete trials, and are called trials here."
        )
    explained = False
    for place, branch in enumerate(branches):
        among = f"sets of parameters that have {text.listed(branch.condition)}"
        if branch.condition:
            parts.append(f"### Among the {branch.sets} {escaped(among)}")
        result = branch.importance
        if result is None:
            parts.append(
                f"{branch.among} parameters differ, more than the {MOST} that can be compared."
                if branch.among
                else "No parameter that all these trials have differs between them."
            )
            continue
        parts += map(escaped, importance_text.words(result, advice=False))
        if result.heard:
            explained = True
            for name, png in importance_figures(result).items():
                file = f"importance_{place}_{name}.png"
                shown[file] = png
                parts.append(figure(file, name.capitalize()))
    return [*parts, importance_text.EXPLAINED] if explained else parts


def _table(study: Foreign, known: Parameters, trials: Sequence[ForeignTrial]) -> str:
    names = [*known.space, *known.together, *known.seeds, *known.labels]
    constraints = list(dict.fromkeys(n for trial in study.trials for n in trial.constraints))
    labels = [objective.label for objective in study.objectives]
    called = study.program == "MLflow"  # Optuna's trials have no name but their number
    heads = ("number", *(["run"] if called else []), "ended", *labels)
    rows = [
        (
            trial.number,
            *([trial.name] if called else []),
            trial.state,
            *([digits(value) for value in trial.values] or [""] * len(labels)),
            *(said(trial.params[name]) if name in trial.params else "" for name in names),
            *(
                said(trial.constraints[name]) if name in trial.constraints else ""
                for name in constraints
            ),
        )
        for trial in trials
    ]
    return markdown_table((*heads, *names, *(f"constraint {n}" for n in constraints)), rows)


def _by_value(study: Foreign) -> list[ForeignTrial]:
    """Feasible trials by their first objective, then the others; those without a value last."""
    sign = -1 if study.objectives[0].maximize else 1
    return sorted(
        study.trials,
        key=lambda trial: (
            not trial.values,
            trial.state != "complete",
            not study.feasible(trial),
            *(sign * value for value in trial.values[:1]),
        ),
    )


def _again(study: Foreign) -> str:
    return "\n\n".join(
        (
            code(study.command),
            f"Read from {escaped(study.place)}, which was opened for reading alone: nothing in it "
            "was changed. The same trials give the same numbers.",
        )
    )
