"""What a study of another program shows, how sure that is, and what it cannot show, in words."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from analysis.foreign.repeats import Leader, Noise, ParameterSet
from analysis.foreign.result import Foreign, ForeignTrial, Parameters
from studies.outcome import expected_largest
from studies.result import Optimism
from vlatent.formatting import digits
from vlatent.intervals import bracket, interval

NAMED = 8  # names in a sentence


def counts(study: Foreign) -> str:
    """How the trials ended."""
    what = "trials" if study.program == "Optuna" else "runs"
    early = "pruned" if study.program == "Optuna" else "killed"
    parts = [
        f"{len(study.complete)} complete",
        f"{study.count('pruned')} {early}",
        f"{study.count('failed')} failed",
    ]
    if study.not_finite:
        why = "without a finite value of every objective"
        parts[-1] += f" ({study.not_finite} of them came to their end {why})"
    if study.unfinished:
        parts.append(f"{study.unfinished} not ended, which are left out")
    if study.constrained:
        kept = sum(map(study.feasible, study.complete))
        parts[0] += f", {kept} of which keep every constraint"
    above = f"; {study.parents} more only group others" if study.parents else ""
    return f"{len(study.trials) + study.unfinished} {what}: {', '.join(parts)}{above}."


def asked(study: Foreign, known: Parameters, sets: Sequence[ParameterSet]) -> str:
    """Objectives and parameters."""
    ways = [
        f"{'maximise' if objective.maximize else 'minimise'} {objective.label}"
        for objective in study.objectives
    ]
    differ = [*known.space, *(f"{one} (with {two})" for one, two in known.together.items())]
    said = " and ".join(ways)
    said = f"{said[0].upper()}{said[1:]}. "
    said += f"Parameters that differ: {listed(differ)}. " if differ else "No parameter differs. "
    said += f"{len(sets)} different sets of them came to their end."
    if known.labels:
        said += f" Taken for names of single runs, not for parameters: {listed(known.labels)}."
    return said


def best(study: Foreign) -> ForeignTrial:
    """The feasible trial with the best first objective; of all complete ones if none is."""
    trials = [trial for trial in study.complete if study.feasible(trial)] or study.complete
    sign = 1 if study.objectives[0].maximize else -1
    return max(trials, key=lambda trial: (sign * trial.values[0], -trial.number))


def found(study: Foreign, front: set[int], leading: Leader | None) -> list[str]:
    """The best trial or the front, and the best repeated set."""
    label = study.objectives[0].label
    said = []
    if study.constrained and not any(map(study.feasible, study.complete)):
        said.append("No complete trial keeps every constraint: what follows is of all of them.")
    if len(study.objectives) > 1:
        said.append(
            f"{len(front)} trials are on the front: no other is as good in every objective and "
            "better in one. Which of them is best is not for the numbers to say."
        )
    else:
        top = best(study)
        said.append(f"The best {label}, {digits(top.values[0])}, is that of {top.name}.")
    if leading is not None:
        cells = leading.best.cells
        said.append(
            f"Of the {leading.among} sets of parameters with repeats, that of "
            f"{leading.best.first.name} has the best mean {label}, "
            f"{bracket(*interval(leading.best.values()), form='.4g')} over {len(cells)} repeats."
        )
    return said


def sure(
    study: Foreign, sets: Sequence[ParameterSet], chance: Noise | None, curse: Optimism | None
) -> list[str]:
    """Noise, and what being the best of many does."""
    label = study.objectives[0].label
    said = [] if chance is None else [_noise(study, chance)]
    if curse is not None:
        [winner] = [trial.name for trial in study.trials if trial.number == curse.trial]
        said.append(
            f"Optimism of the best (winner's curse): of the first trials of all {len(sets)} sets, "
            f"{winner} has the best {label}, {digits(curse.found)}; its later repeats have a "
            f"mean of {digits(curse.confirmed)}, so its value is better than what its parameters "
            f"do by {bracket(curse.mean, curse.low, curse.high, '.3g')}."
        )
    elif chance is not None:
        flattered = expected_largest(len(sets)) * chance.deviation
        said.append(
            "The best of all first trials was not repeated, so its optimism was not measured. If "
            f"all {len(sets)} sets were alike, the best of that many single values would be "
            f"{digits(flattered)} better than its parameters are; if they differ, less."
        )
    if not said:
        said.append(
            f"That is not known: the best {label} is the best of {len(study.complete)} single "
            "values, so it flatters its parameters, and nothing shows by how much."
        )
    return said


def chosen(leading: Leader, chance: Noise | None) -> str:
    """How far the best repeated set is established to be ahead."""
    if leading.apart is None:
        return ""
    rest = leading.among - 1
    assert leading.bias is not None
    return (
        f"Of the other {rest} repeated sets, {len(leading.apart)} are established to be worse than "
        f"that of {leading.best.first.name} (all pairs at 5 % together, Tukey and Kramer; equal "
        f"variances assumed); {rest - len(leading.apart)} are not distinguishable from it. Its "
        f"mean was the best of {leading.among}: if all were alike, that flatters it by "
        f"{digits(leading.bias)}, else by less."
    )


def _noise(study: Foreign, chance: Noise) -> str:
    top, sign = best(study), 1 if study.objectives[0].maximize else -1
    near = [
        trial
        for trial in study.complete
        if study.feasible(trial)
        and trial is not top
        and sign * (top.values[0] - trial.values[0]) < chance.least_difference
    ]
    return (
        f"Repeats of the same parameters have a standard deviation of "
        f"{bracket(chance.deviation, chance.low, chance.high, '.3g')} ({chance.sets} sets, "
        f"{chance.degrees} degrees of freedom). Two single trials that differ by less than "
        f"{digits(chance.least_difference)} cannot be told apart: {len(near)} others are as near "
        "as that to the best one."
    )


def limits(
    study: Foreign,
    known: Parameters,
    sets: Sequence[ParameterSet],
    chance: Noise | None,
) -> list[str]:
    """What cannot be said from what is recorded."""
    said = [*_of_repeats(study, known, sets, chance), *_of_trials(study)]
    for one, two in known.together.items():
        said.append(f"{one} and {two} change together: which of the two matters cannot be told.")
    said.append(
        "Nothing shows whether the values were measured on data that chose nothing: on new data "
        "the best may do worse."
    )
    said.append(
        "Trials that a sampler chose lie where it expected good values: importance holds for the "
        "values that were tried, and goes with a parameter without being its effect where other "
        "things changed with it."
    )
    return said


def _of_repeats(
    study: Foreign, known: Parameters, sets: Sequence[ParameterSet], chance: Noise | None
) -> list[str]:
    repeated = [each for each in sets if each.repeated]
    fixed = [name for name in known.seeds if len(_values(study, name)) == 1]
    if not repeated:
        seeds = f", and all trials have {fixed[0]} {_values(study, fixed[0])[0]}" if fixed else ""
        return [
            f"No set of parameters was repeated on another seed{seeds}: how much of a difference "
            "is chance is not known, so no interval over seeds is given, and no optimism."
        ]
    said = []
    if not known.seeds:
        said.append(
            "No seed is recorded: the intervals over repeats cover whatever differed between them, "
            "which may be less than another seed changes."
        )
    if chance is None:
        said.append(
            "All repeats of a set have the same value: either nothing is random in a trial, or "
            "they ran on the same seed. They say nothing about other seeds."
        )
    elif len(repeated) < len(sets):
        said.append(
            f"{len(sets) - len(repeated)} of {len(sets)} sets ran once: their values have no "
            "interval, and which were repeated was not drawn by chance."
        )
    lost = sum(each.lost for each in repeated)
    if lost:
        said.append(
            f"{lost} repeats were stopped early or failed: those that came to their end may be the "
            "better ones, so means over repeats, and what they say of the optimism, flatter."
        )
    pairs = [each for each in repeated if len(each.cells) == 2]
    if pairs and chance is not None:
        said.append(f"{len(pairs)} sets have two repeats only: their intervals are very wide.")
    return said


def _of_trials(study: Foreign) -> list[str]:
    said = []
    if not study.constrained:
        said.append(
            "No constraints are recorded: whether the best trial is acceptable in anything but "
            f"{listed([objective.label for objective in study.objectives])} is not known."
        )
    else:
        missing = sum(not trial.constraints for trial in study.complete)
        if missing:
            said.append(
                f"{missing} complete trials have no constraints recorded, so they do not count as "
                "keeping them."
            )
    early = "pruned" if study.program == "Optuna" else "killed"
    if study.count("pruned"):
        said.append(
            f"The {study.count('pruned')} {early} trials stopped early, so their values are not "
            "compared with those of the others."
        )
    if study.count("failed"):
        said.append(
            f"{study.count('failed')} trials failed. If failing depends on the parameters, what is "
            "said holds for those that do not fail."
        )
    ends = {max(trial.curve) for trial in study.complete if trial.curve}
    if study.program == "MLflow" and len(ends) > 1:
        said.append(
            f"A run's value is the last one that it logged, at steps {min(ends)} to {max(ends)}: "
            "runs that went on longer may be better for that."
        )
    return said


def advice(study: Foreign, sets: Sequence[ParameterSet], chance: Noise | None) -> str:
    """What would say more."""
    what = "the best three sets of parameters" if len(sets) > 3 else "every set of parameters"
    if chance is None:
        return (
            f"Run {what} again on five seeds that chose nothing, record the seed as a parameter "
            "called `seed`, and report again: then values have intervals, and the optimism of the "
            "best is measured."
        )
    return (
        f"Run {what} again on five more seeds, the same ones for each: what chose them must not "
        "judge them. Then measure the best on data that nothing has seen."
    )


def mean_of(each: ParameterSet, objective: int) -> str:
    """Mean with its interval; of one cell the value alone."""
    values = each.values(objective)
    if not each.repeated:
        return digits(fmean(values))
    return bracket(*interval(values), form=".4g")


def listed(names: Sequence[str]) -> str:
    """Names, of many the first ones."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _values(study: Foreign, name: str) -> list[object]:
    found = [trial.params[name] for trial in study.trials if name in trial.params]
    return list(dict.fromkeys(found))
