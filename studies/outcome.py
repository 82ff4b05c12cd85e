"""What a study came to, computed from Optuna's records alone: which trial leads, and why.

The study itself, its status and the analysis all ask here, so that they name the same trial.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import optuna
import scipy
from optuna.trial import FrozenTrial, TrialState

from studies import record, spending
from studies.racing import differences, evidence, race, ranked_again
from studies.result import (
    Basis,
    Comparison,
    Confirmation,
    Cost,
    Counts,
    Finalist,
    Objective,
    Optimism,
    Selection,
    StudyResult,
    TrialResult,
    Verification,
)
from vlatent.effects import holm
from vlatent.evaluation import Criterion, Evaluation
from vlatent.intervals import interval

CONFIRMED = 3  # trials that were confirmed by studies that did not write down how many


def study_result(search: optuna.Study, others: Mapping[str, optuna.Study]) -> StudyResult:
    """What a study came to so far.

    Args:
        search: Its trials.
        others: The studies beside it, which train them again, by their kind.
    """
    attributes = search.user_attrs
    objectives, order = objectives_of(search), record.ranked(search)
    maximize = objectives[0].maximize
    confirmed = _confirmed(search, others.get(record.CONFIRMATION), maximize)
    leader, basis = _leader(order, confirmed, len(objectives))
    trials, cost = record.counted(search), _cost(search, others)
    states = [trial.state for trial in trials]
    question = str(attributes.get("identity", {}).get("question", search.study_name))
    script = attributes.get("script", question)
    evaluation = None if leader is None else leader.user_attrs.get("evaluation")
    raced = attributes.get("racing") is not None
    compare = _compared_in_a_race if raced else _comparisons
    comparisons = compare(confirmed, maximize) if basis == "confirmed" else ()
    return StudyResult(
        name=search.study_name,
        question=script,
        text=attributes.get("question", question),
        objectives=objectives,
        budget=attributes.get("budget"),
        counts=Counts(
            states.count(TrialState.COMPLETE),
            states.count(TrialState.PRUNED),
            states.count(TrialState.FAIL),
            sum(map(record.feasible, trials)),
            sum(map(record.revived, trials)),
        ),
        steps_trained=cost["search"].steps,
        steps_saved=cost["search"].saved,
        ranking=tuple(map(_trial, order)),
        front=tuple(t.number for t in record.front(search)) if len(objectives) > 1 else (),
        finalists=tuple(confirmed),
        leader=None if leader is None else leader.number,
        basis=basis,
        undistinguished=tuple(e.trial for e in comparisons if not (e.ahead or e.behind)),
        optimism=_optimism(confirmed, maximize) if confirmed else None,
        evaluation=None if evaluation is None else Evaluation(**evaluation),
        comparisons=comparisons,
        selection=_selection(confirmed) if basis == "confirmed" else None,
        tested=tuple(trained_again(search, others.get(record.TEST)).values()),
        verifications=_verifications(search, others),
        workload=attributes.get("workload", "encoder"),
        confirmation="racing" if raced else "equal",
        cost=cost,
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


def _cost(search: optuna.Study, others: Mapping[str, optuna.Study]) -> dict[str, Cost]:
    """What the search has cost, and each part that trained something again."""
    costs = {"search": spending.cost(search, _steps(search))}
    for kind, study in others.items():  # verifications of one name may be of several configs
        name, new = study.user_attrs.get("verifies"), spending.cost(study)
        part = kind if name is None else f"verification on {name}"
        old = costs.get(part, Cost(0, 0.0))
        if new.steps:
            costs[part] = Cost(old.steps + new.steps, old.seconds + new.seconds)
    return costs


def _trial(trial: FrozenTrial) -> TrialResult:
    attributes = trial.user_attrs
    return TrialResult(
        number=trial.number,
        params=dict(trial.params),
        values=tuple(trial.values),
        feasible=record.feasible(trial),
        criteria=_criteria(trial),
        steps_to_pass=attributes.get("steps_to_pass"),
        run_id=attributes.get("run_id"),
    )


def _confirmed(
    search: optuna.Study, confirmation: optuna.Study | None, maximize: bool
) -> list[Finalist]:
    """The finalists with at least one confirmation that ended well, the best first.

    First by the share of seeds on which every criterion holds, then by the mean over them; of
    several objectives in the order of the search; of a race those first that stayed longest.
    """
    finalists = chosen_again(search, confirmation, search.user_attrs.get("confirm", CONFIRMED))
    results = [each for each in finalists if each.runs]
    if len(search.directions) > 1:
        return results
    raced = search.user_attrs.get("racing")
    if raced is None or not results:
        had = {run.seed for each in results for run in each.confirmations}
        return ranked_again(results, had, maximize)
    first_seed, seeds = raced
    order = race(finalists, first_seed, seeds, maximize).order
    return sorted(results, key=lambda each: order.index(each.number))


def chosen_again(
    search: optuna.Study, confirmation: optuna.Study | None, count: int
) -> list[Finalist]:
    """So many finalists with what they have been trained on so far, also if that is nothing."""
    again, chosen = trained_again(search, confirmation), record.finalists(search, count)
    return [
        again.get(each.number, Finalist(each.number, tuple(each.values), ())) for each in chosen
    ]


def trained_again(search: optuna.Study, study: optuna.Study | None) -> dict[int, Finalist]:
    """What was trained again, by the number in the search, in the order in which it was begun."""
    if study is None:
        return {}
    trials = search.get_trials(deepcopy=False)
    failed = [trial for trial in record.counted(study) if trial.state == TrialState.FAIL]
    ended: dict[int, dict[int, Confirmation]] = {}
    for trial in sorted((*failed, *record.completed(study)), key=lambda trial: trial.number):
        number, seed = record.cell_of(trial)
        ended.setdefault(number, {})[seed] = _confirmation(number, seed, trial)
    return {
        number: Finalist(
            number, tuple(trials[number].values or ()), tuple(runs[seed] for seed in sorted(runs))
        )
        for number, runs in ended.items()
    }


def _confirmation(number: int, seed: int, trial: FrozenTrial) -> Confirmation:
    failed, attributes = trial.state == TrialState.FAIL, trial.user_attrs
    return Confirmation(
        trial=number,
        seed=seed,
        values=() if failed else tuple(trial.values),
        passed=record.feasible(trial),
        failure=record.why_failed(trial) if failed else None,
        run_id=attributes.get("run_id"),
        held_out=attributes.get("held_out", "search"),
        criteria=() if failed else _criteria(trial),
    )


def _criteria(trial: FrozenTrial) -> tuple[Criterion, ...]:
    return tuple(Criterion(**line) for line in trial.user_attrs.get("criteria", ()))


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


def _comparisons(confirmed: Sequence[Finalist], maximize: bool) -> tuple[Comparison, ...]:
    """The leader beside all others, by the paired t test and Holm over all pairs of finalists."""
    compared = [
        (one, other, differences(one, other, 1 if maximize else -1))
        for one, other in itertools.combinations(confirmed, 2)
    ]
    adjusted = holm([_p_of_t(values) for _, _, values in compared])
    return tuple(
        Comparison(other.number, *interval(values), p, len(values))
        for (one, other, values), p in zip(compared, adjusted, strict=True)
        if one is confirmed[0]
    )


def _compared_in_a_race(confirmed: Sequence[Finalist], maximize: bool) -> tuple[Comparison, ...]:
    """The leader beside all others, by evidence that holds however seeds were given out."""
    first, *others = confirmed
    pairs = math.comb(len(confirmed), 2)
    compared = [(other, differences(first, other, 1 if maximize else -1)) for other in others]
    ps = [
        min(1.0, pairs / float(evidence(np.array(values)))) if values else 1.0
        for _, values in compared
    ]
    return tuple(
        Comparison(other.number, *interval(values), p, len(values))
        for (other, values), p in zip(compared, ps, strict=True)
    )


def _p_of_t(differences: Sequence[float]) -> float:
    """Two-sided p of the one-sample t test (Student 1908); 1 where there is no spread to go by."""
    if len(differences) < 2 or min(differences) == max(differences):
        return 1.0
    return float(scipy.stats.ttest_1samp(differences, 0.0).pvalue)


def _selection(confirmed: Sequence[Finalist]) -> Selection | None:
    """What being the best of the finalists does to the first one's mean."""
    if len(confirmed) < 2:
        return None
    runs = [run.values[0] for run in confirmed[0].runs]
    largest = expected_largest(len(confirmed))
    bias = largest * float(scipy.stats.sem(runs)) if min(runs) < max(runs) else None
    return Selection(len(confirmed), len(runs), largest, bias)


@lru_cache(maxsize=64)
def expected_largest(count: int) -> float:
    """Expected largest of so many independent standard normal numbers.

    The integral of x count f(x) F(x)^(count - 1), with density f and distribution function F.
    Calibration: 0 for 1, 0.564 for 2, 0.846 for 3, 1.539 for 10 (Teichroew 1956).
    """
    normal = scipy.stats.norm
    integral = scipy.integrate.quad(
        lambda x: x * count * normal.pdf(x) * normal.cdf(x) ** (count - 1), -10, 10, limit=200
    )
    return float(integral[0])


def _verifications(
    search: optuna.Study, others: Mapping[str, optuna.Study]
) -> tuple[Verification, ...]:
    return tuple(
        Verification(study.user_attrs["verifies"], kind.rpartition("/")[2], tuple(trained))
        for kind, study in others.items()
        if kind.startswith(record.VERIFICATION)
        and (trained := trained_again(search, study).values())
    )


def _optimism(confirmed: Sequence[Finalist], maximize: bool) -> Optimism:
    """Optimism of the search about the finalist that it found best."""
    sign = 1 if maximize else -1
    first = max(confirmed, key=lambda finalist: (sign * finalist.values[0], -finalist.number))
    searched = first.values[0]
    difference = interval([searched - run.values[0] for run in first.runs])
    return Optimism(first.number, searched, first.mean, *difference)
