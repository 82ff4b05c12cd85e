"""The trials of a study as plain numbers, read from Optuna's database and never written to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from analysis.storages import load_study, opened
from studies.outcome import study_result
from studies.record import (
    CONFIRMATION,
    MAKING,
    cell_of,
    completed,
    counted,
    feasible,
    is_ours,
    kind_of,
    load_beside,
)
from studies.result import StudyResult
from vlatent.evaluation import Criterion, Evaluation
from vlatent.runtime.addresses import shown
from vlatent.search_space import Axis
from vlatent.shapes import UserError

State = Literal["complete", "pruned", "failed"]
STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


@dataclass(frozen=True)
class Trial:
    """Trial that ended.

    Attributes:
        number: Its number in the study; trial 0 has the starting values.
        label: Study and number.
        origin: Where its values come from, if not from the sampler: `config`, or another study's
            name and trial.
        state: How it ended.
        params: Value of every searched parameter; of words, their place among the choices.
        values: One number an objective; of a pruned trial what it reported last; none of one that
            never reported.
        feasible: Whether it was trained to the end and passes every criterion.
        criteria: The verdict's lines at its last evaluation.
        evaluation: Its last evaluation; None if it had none.
        steps_to_pass: Step of the first evaluation from which all criteria held to the end, in
            steps of the study's own batch size; None if they did not.
        config: Its whole config as YAML; empty if it failed before it was known.
        seconds: How long it was trained.
        run_id: Its run in the tracker.
    """

    number: int
    label: str
    origin: str | None
    state: State
    params: dict[str, float]
    values: tuple[float, ...]
    feasible: bool
    criteria: tuple[Criterion, ...]
    evaluation: Evaluation | None
    steps_to_pass: float | None
    config: str
    seconds: float | None
    run_id: str | None


@dataclass(frozen=True)
class Study:
    """A study and its trials.

    Attributes:
        name: Name of the study.
        space: Range or choices of every parameter that is searched.
        trials: The trials that ended, in the order in which they were first begun. A trial that was
            begun again after its worker died is there once.
        confirmed: Trials of the search that were trained again and ended well, by number and seed.
        result: What the study came to: question, objectives, ranking, leader.
        corpus: Hash of the sentences.
    """

    name: str
    space: dict[str, Axis]
    trials: tuple[Trial, ...]
    confirmed: dict[int, dict[int, Trial]]
    result: StudyResult
    corpus: str


def read_study(storage: str, name: str) -> Study:
    """A study of Optuna's database, a file (`sqlite:///studies.db`) or a PostgreSQL server.

    Raises:
        UserError: There is no such database or study, or none of its trials has ended.
    """
    with opened(storage) as database:
        search = load_study(database, storage, name)
        others = load_beside(name, database)
        trials = _ended(search)
        space = _space(trials)
        if not trials:
            raise UserError(
                f"study {name} in {shown(storage)} has no trial that ended; look again when "
                f"`vlatent status {name}` shows one."
            )
        return Study(
            name=name,
            space=space,
            trials=tuple(_trial(name, trial, space) for trial in trials),
            confirmed=_confirmed(others.get(CONFIRMATION)),
            result=study_result(search, others),
            corpus=search.user_attrs.get("identity", {}).get("corpus", "unknown"),
        )


def study_names(storage: str) -> list[str]:
    """The studies of Optuna's database, without those that only confirm another one.

    Raises:
        UserError: There is no such database.
    """
    with opened(storage) as database:
        names = [study.study_name for study in database.get_all_studies()]
    return sorted(n for n in names if kind_of(n)[1] == "trial" and not n.endswith(MAKING))


def _trial(study: str, trial: FrozenTrial, space: Mapping[str, Axis]) -> Trial:
    attributes = trial.user_attrs
    reported = trial.intermediate_values
    last = [reported[max(reported)]] if reported else []
    criteria = tuple(Criterion(**line) for line in attributes.get("criteria", ()))
    passed_at = attributes.get("steps_to_pass")
    evaluation = attributes.get("evaluation")
    return Trial(
        number=trial.number,
        label=f"{study} {trial.number}",
        origin=attributes.get("origin"),
        state=STATES[trial.state],
        params={name: space[name].number(value) for name, value in trial.params.items()},
        values=tuple(trial.values or last),
        feasible=feasible(trial),
        criteria=criteria,
        evaluation=None if evaluation is None else Evaluation(**evaluation),
        steps_to_pass=None if passed_at is None else passed_at * attributes.get("stretch", 1.0),
        config=attributes.get("config", ""),
        seconds=attributes.get("seconds"),
        run_id=attributes.get("run_id"),
    )


def _ended(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that count; of a study that another program made, all that ended."""
    if is_ours(study):
        return counted(study)
    return study.get_trials(deepcopy=False, states=tuple(STATES))


def _confirmed(confirmation: optuna.Study | None) -> dict[int, dict[int, Trial]]:
    if confirmation is None:
        return {}
    by_number: dict[int, dict[int, Trial]] = defaultdict(dict)
    trials = completed(confirmation)
    space = _space(trials)
    for trial in trials:
        number, seed = cell_of(trial)
        by_number[number][seed] = _trial(confirmation.study_name, trial, space)
    return {number: dict(sorted(seeds.items())) for number, seeds in sorted(by_number.items())}


def _space(trials: Sequence[FrozenTrial]) -> dict[str, Axis]:
    """Range or choices of every parameter, as its trials knew them."""
    distributions: dict[str, BaseDistribution] = {}
    for trial in trials:
        distributions |= trial.distributions
    return {name: _axis(distribution) for name, distribution in distributions.items()}


def _axis(distribution: BaseDistribution) -> Axis:
    """The scale of a distribution; choices that are not all numbers have no order."""
    if not isinstance(distribution, CategoricalDistribution):
        return Axis(distribution.low, distribution.high, distribution.log)  # type: ignore[attr-defined]
    numbers = [choice for choice in distribution.choices if isinstance(choice, int | float)]
    if len(numbers) < len(distribution.choices):
        return Axis.named([str(choice) for choice in distribution.choices])
    return Axis.choices(numbers)
