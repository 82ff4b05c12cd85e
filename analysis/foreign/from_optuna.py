"""A study that another program keeps in Optuna's storage."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import cast

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from analysis.foreign.result import Foreign, ForeignTrial, State, Value, is_number, is_seed, scale
from analysis.storages import load_study, opened
from studies.record import LIVE, is_ours, maximized
from studies.result import Objective
from vlatent.runtime.addresses import shown, without_password
from vlatent.search_space import Axis
from vlatent.shapes import UserError

STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def read_foreign_study(storage: str, name: str) -> Foreign | None:
    """A study that another program made, with its trials; None if this toolkit made it.

    Args:
        storage: A database, a server, or the path of a database or of a journal.
        name: Name of the study.

    Raises:
        UserError: There is no such storage or study, or no trial of it has a value.
    """
    with opened(storage) as database:
        study = load_study(database, storage, name)
        if is_ours(study):
            return None
        trials = study.get_trials(deepcopy=False)
        place = without_password(storage)
        made = Foreign(
            kind="study",
            program="Optuna",
            name=name,
            place=place,
            command=f"vlatent report --study {shlex.quote(name)} --storage {shlex.quote(place)}",
            objectives=_objectives(study),
            trials=tuple(_trial(trial) for trial in trials if trial.state in STATES),
            unfinished=sum(trial.state in LIVE for trial in trials),
            not_finite=sum(_is_not_finite(trial) for trial in trials),
            ranges=_ranges(trials),
        )
    if not made.complete:
        how = ", ".join(f"{made.count(state)} {state}" for state in ("pruned", "failed"))
        raise UserError(
            f"study {name} in {shown(storage)} has no complete trial with a value to report on: "
            f"{how}, {made.unfinished} running or waiting."
        )
    return made


def _objectives(study: optuna.Study) -> tuple[Objective, ...]:
    """What it optimises, by the names that it was given, else numbered."""
    ways = maximized(study)
    numbered = ["value"] if len(ways) == 1 else [f"value {n}" for n in range(1, len(ways) + 1)]
    names = study.metric_names or numbered
    return tuple(Objective(name, name, way) for name, way in zip(names, ways, strict=True))


def _trial(trial: FrozenTrial) -> ForeignTrial:
    reported = {
        step: value for step, value in trial.intermediate_values.items() if math.isfinite(value)
    }
    last = (reported[max(reported)],) if reported and trial.state == TrialState.PRUNED else ()
    seeds = {name: value for name, value in trial.user_attrs.items() if is_seed(name)}
    given = seeds | trial.params
    finite = not _is_not_finite(trial)
    return ForeignTrial(
        number=trial.number,
        name=f"trial {trial.number}",
        state=STATES[trial.state] if finite else "failed",
        params={name: _plain(value) for name, value in given.items()},
        values=tuple(trial.values or last) if finite else (),
        constraints=dict(trial.constraints),
        curve=dict(sorted(reported.items())),
    )


def _plain(value: object) -> Value:
    """A value, or what is written for one that is none: choices may be lists."""
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _is_not_finite(trial: FrozenTrial) -> bool:
    """Whether it came to its end with an infinite value, which Optuna accepts."""
    return trial.state == TrialState.COMPLETE and not all(map(math.isfinite, trial.values))


def _ranges(trials: Sequence[FrozenTrial]) -> Mapping[str, Axis]:
    """Range or choices of every parameter, over all trials."""
    known: dict[str, list[BaseDistribution]] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            if distribution not in known.setdefault(name, []):
                known[name].append(distribution)
    return {name: _axis(distributions) for name, distributions in known.items()}


def _axis(distributions: Sequence[BaseDistribution]) -> Axis:
    choices: list[Value] = []
    for distribution in distributions:
        if isinstance(distribution, CategoricalDistribution):
            choices += map(_plain, distribution.choices)
        else:
            choices += [distribution.low, distribution.high]  # type: ignore[attr-defined]
    if any(isinstance(distribution, CategoricalDistribution) for distribution in distributions):
        if all(map(is_number, choices)):
            return Axis.choices([float(cast(float, choice)) for choice in choices])
        return scale(choices)
    ends = [float(cast(float, end)) for end in choices]
    return Axis(min(ends), max(ends), all(distribution.log for distribution in distributions))  # type: ignore[attr-defined]
