"""What a study came to, computed from Optuna's records alone: which trial leads, and why.

The study itself, its status and the analysis all ask here, so that they name the same trial.
"""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from studies import record
from studies.result import (
    Basis,
    Confirmation,
    Counts,
    Finalist,
    Objective,
    Optimism,
    StudyResult,
    TrialResult,
)
from vlatent.evaluation import Criterion, Evaluation
from vlatent.intervals import interval

CONFIRMED = 3  # trials that were confirmed by studies that did not write down how many


def study_result(search: optuna.Study, confirmation: optuna.Study | None) -> StudyResult:
    """What a study came to so far, from its trials and their confirmations."""
    attributes = search.user_attrs
    objectives, order = objectives_of(search), record.ranked(search)
    confirmed = _confirmed(search, confirmation, objectives[0].maximize)
    leader, basis = _leader(order, confirmed, len(objectives))
    trials, trained, saved = record.counted(search), *record.cost(search, _steps(search))
    states = [trial.state for trial in trials]
    question = str(attributes.get("identity", {}).get("question", search.study_name))
    evaluation = None if leader is None else leader.user_attrs.get("evaluation")
    return StudyResult(
        name=search.study_name,
        question=question,
        text=attributes.get("question", question),
        objectives=objectives,
        budget=attributes.get("budget"),
        counts=Counts(
            states.count(TrialState.COMPLETE),
            states.count(TrialState.PRUNED),
            states.count(TrialState.FAIL),
            sum(map(record.feasible, trials)),
        ),
        steps_trained=trained,
        steps_saved=saved,
        ranking=tuple(map(_trial, order)),
        front=tuple(t.number for t in record.front(search)) if len(objectives) > 1 else (),
        finalists=tuple(confirmed),
        leader=None if leader is None else leader.number,
        basis=basis,
        undistinguished=_undistinguished(confirmed) if basis == "confirmed" else (),
        optimism=_optimism(confirmed, objectives[0].maximize) if confirmed else None,
        evaluation=None if evaluation is None else Evaluation(**evaluation),
    )


def objectives_of(search: optuna.Study) -> tuple[Objective, ...]:
    """What a study optimises, by the names that it wrote down, else numbered."""
    ways = record.maximized(search)
    count = len(ways)
    labels = ["objective"] if count == 1 else [f"objective {n}" for n in range(1, count + 1)]
    unnamed = [{"name": label.replace(" ", "_"), "label": label} for label in labels]
    named = search.user_attrs.get("objectives", unnamed)
    return tuple(
        Objective(values["name"], values["label"], way)
        for values, way in zip(named, ways, strict=True)
    )


def _steps(search: optuna.Study) -> int:
    """Steps of a trial that is not pruned, of the config's own batch size."""
    steps = (trial.user_attrs.get("steps", 0) for trial in record.completed(search))
    return int(search.user_attrs.get("identity", {}).get("training.steps", max(steps, default=0)))


def _trial(trial: FrozenTrial) -> TrialResult:
    attributes = trial.user_attrs
    return TrialResult(
        number=trial.number,
        params=dict(trial.params),
        values=tuple(trial.values),
        feasible=record.feasible(trial),
        criteria=tuple(Criterion(**line) for line in attributes.get("criteria", ())),
        steps_to_pass=attributes.get("steps_to_pass"),
        run_id=attributes.get("run_id"),
    )


def _confirmed(
    search: optuna.Study, confirmation: optuna.Study | None, maximize: bool
) -> list[Finalist]:
    """The finalists with at least one confirmation that ended well, the best first.

    First by the share of seeds on which every criterion holds, then by the mean over them; of
    several objectives in the order of the search.
    """
    if confirmation is None:
        return []
    ended: dict[int, dict[int, Confirmation]] = {}
    failed = [trial for trial in record.counted(confirmation) if trial.state == TrialState.FAIL]
    for trial in (*failed, *record.completed(confirmation)):
        number, seed = record.cell_of(trial)
        ended.setdefault(number, {})[seed] = _confirmation(number, seed, trial)
    results = []
    for trial in record.finalists(search, search.user_attrs.get("confirm", CONFIRMED)):
        again = ended.get(trial.number, {})
        finalist = Finalist(
            trial.number, tuple(trial.values), tuple(again[seed] for seed in sorted(again))
        )
        if finalist.runs:
            results.append(finalist)
    if len(search.directions) > 1:
        return results
    return sorted(
        results,
        key=lambda result: (
            -result.passed / len(result.runs),
            result.mean * (-1 if maximize else 1),
        ),
    )


def _confirmation(number: int, seed: int, trial: FrozenTrial) -> Confirmation:
    failed = trial.state == TrialState.FAIL
    return Confirmation(
        number,
        seed,
        () if failed else tuple(trial.values),
        record.feasible(trial),
        record.why_failed(trial) if failed else None,
        trial.user_attrs.get("run_id"),
    )


def _leader(
    order: Sequence[FrozenTrial], confirmed: Sequence[Finalist], objectives: int
) -> tuple[FrozenTrial | None, Basis]:
    """The trial that confirmation puts first, else the search; and why."""
    if not order:
        return None, "none"
    if objectives > 1:
        return order[0], "knee"
    if confirmed:
        first = confirmed[0].number
        return next(trial for trial in order if trial.number == first), "confirmed"
    return order[0], "search" if record.feasible(order[0]) else "nearest"


def _undistinguished(confirmed: Sequence[Finalist]) -> tuple[int, ...]:
    (_, low, high), others = confirmed[0].interval(), confirmed[1:]
    return tuple(
        finalist.number
        for finalist in others
        if finalist.interval()[2] >= low and finalist.interval()[1] <= high
    )


def _optimism(confirmed: Sequence[Finalist], maximize: bool) -> Optimism:
    """Of the finalist that was best in the search."""
    sign = 1 if maximize else -1
    first = max(confirmed, key=lambda finalist: (sign * finalist.values[0], -finalist.number))
    searched = first.values[0]
    difference = interval([searched - run.values[0] for run in first.runs])
    return Optimism(first.number, searched, first.mean, *difference)
