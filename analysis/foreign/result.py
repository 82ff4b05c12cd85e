"""A study or an experiment of another program, as data, whichever program recorded it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from studies.result import Objective
from vlatent.search_space import Axis

Value: TypeAlias = float | int | str | bool | None
State = Literal["complete", "pruned", "failed"]
SEEDS = ("seed", "random_state")  # how names of parameters end that are seeds
FEW = 8  # different numbers that are taken for choices and not for a range
WIDE = 100.0  # highest over lowest number of a range that is taken for logarithmic
CHANCE = 6  # pairs from which on it is no accident that numbers rise or fall together


@dataclass(frozen=True)
class ForeignTrial:
    """A trial that ended.

    Attributes:
        number: Its place in the order in which the trials were begun, 0 the first.
        name: What its program calls it.
        state: How it ended; complete only with a finite value of every objective.
        params: Its parameters, as far as it has them, seeds among them.
        values: One number an objective; of a pruned trial what it reported last, none of others.
        constraints: Its constraints, of which each holds at 0 or less.
        curve: The first objective by step, as far as it was reported.
    """

    number: int
    name: str
    state: State
    params: Mapping[str, Value]
    values: tuple[float, ...]
    constraints: Mapping[str, float] = field(default_factory=dict)
    curve: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Foreign:
    """A study or an experiment.

    Attributes:
        kind: What its program calls it.
        program: The program.
        name: Its name.
        place: Its storage, without a password.
        command: The command that reads it again.
        objectives: What is optimised.
        trials: The trials that ended, in the order in which they were begun.
        unfinished: How many have not ended.
        not_finite: How many ended with a value that is no finite number; they count as failed.
        parents: How many runs only group others.
        ranges: Ranges and choices, where the program recorded them.
    """

    kind: Literal["study", "experiment"]
    program: Literal["Optuna", "MLflow"]
    name: str
    place: str
    command: str
    objectives: tuple[Objective, ...]
    trials: tuple[ForeignTrial, ...]
    unfinished: int = 0
    not_finite: int = 0
    parents: int = 0
    ranges: Mapping[str, Axis] = field(default_factory=dict)

    @property
    def complete(self) -> list[ForeignTrial]:
        return [trial for trial in self.trials if trial.state == "complete"]

    @property
    def constrained(self) -> bool:
        return any(trial.constraints for trial in self.trials)

    def count(self, state: State) -> int:
        return sum(trial.state == state for trial in self.trials)

    def feasible(self, trial: ForeignTrial) -> bool:
        """Whether a trial is complete and keeps its constraints, where the study has any."""
        if trial.state != "complete":
            return False
        kept = all(value <= 0 for value in trial.constraints.values())
        return not self.constrained or (bool(trial.constraints) and kept)


@dataclass(frozen=True)
class Parameters:
    """What the parameters of a study's trials are.

    Attributes:
        space: Scale of every parameter that differs between trials and is neither a seed nor a
            label, and that no earlier one determines.
        seeds: Parameters that are seeds.
        fixed: Parameters with the same value in all trials.
        labels: Texts that are different in every trial: names, folders.
        together: Parameters that change exactly as an earlier one does, by their names.
    """

    space: dict[str, Axis]
    seeds: tuple[str, ...]
    fixed: dict[str, Value]
    labels: tuple[str, ...]
    together: dict[str, str]


def is_seed(name: str) -> bool:
    """Whether what has this name is a random seed."""
    return name.lower().endswith(SEEDS)


def parameters(study: Foreign) -> Parameters:
    """Sort the parameters of the trials that ended."""
    columns: dict[str, list[Value]] = {}
    for trial in study.trials:
        for name, value in trial.params.items():
            columns.setdefault(name, []).append(value)
    seeds = tuple(name for name in columns if is_seed(name))
    space: dict[str, Axis] = {}
    fixed: dict[str, Value] = {}
    labels, together = [], {}
    for name, values in columns.items():
        distinct = list(dict.fromkeys(values))
        everywhere = len(values) == len(study.trials)
        if name in seeds:
            continue
        if len(distinct) == 1 and everywhere:
            fixed[name] = distinct[0]
        elif name not in study.ranges and _is_label(values, distinct):
            labels.append(name)
        elif (twin := _twin(name, space, study.trials)) is not None:
            together[name] = twin
        else:
            space[name] = study.ranges.get(name) or scale(distinct)
    return Parameters(space, seeds, fixed, tuple(labels), together)


def scale(values: Sequence[Value]) -> Axis:
    """The scale of these values, where nobody recorded from which range they come."""
    if not all(is_number(value) for value in values):
        return Axis.named([str(value) for value in values])
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    if len(numbers) <= FEW:
        return Axis.choices(numbers)
    low, high = min(numbers), max(numbers)
    return Axis(low, high, log=low > 0 and high / low >= WIDE)


def is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def said(value: Value) -> str:
    """A value as text."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _is_label(values: Sequence[Value], distinct: Sequence[Value]) -> bool:
    """Whether this is a text that names its run, as it is another one in each of three or more."""
    return len(distinct) == len(values) > 2 and not all(map(is_number, values))


def _twin(name: str, space: Mapping[str, Axis], trials: Sequence[ForeignTrial]) -> str | None:
    """An earlier parameter that has another value exactly where this one has."""
    own = [(name in trial.params, trial.params.get(name)) for trial in trials]
    for other in space:
        theirs = [(other in trial.params, trial.params.get(other)) for trial in trials]
        pairs = len(set(zip(own, theirs, strict=True)))
        one_to_one = pairs == len(set(own)) == len(set(theirs))
        if one_to_one and (2 * pairs <= len(trials) or _same_order(own, theirs)):
            return other
    return None


def _same_order(own: Sequence[tuple[bool, Value]], theirs: Sequence[tuple[bool, Value]]) -> bool:
    """Whether numbers rise or fall together: two that never repeat are else no twins."""
    pairs = [
        (float(one), float(two))
        for (_, one), (_, two) in zip(own, theirs, strict=True)
        if isinstance(one, int | float) and isinstance(two, int | float)
    ]
    if len(pairs) < max(len(own), CHANCE):
        return False
    following = [two for _, two in sorted(pairs)]
    return following in (sorted(following), sorted(following, reverse=True))
