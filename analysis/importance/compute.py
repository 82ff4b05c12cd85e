"""Computation of the importance of weights and rates for the score and for every criterion.

Three answers to one question, and none without a check that there is anything to be answered: the
share of the variance that a forest loses without the parameter, Optuna's fANOVA and PED-ANOVA.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import optuna
from jaxtyping import Float
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import (
    BaseImportanceEvaluator,
    FanovaImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)
from optuna.trial import create_trial
from rich.progress import Progress

from analysis.importance.result import Column, Estimate, Finding, Importance, Inputs, Target
from analysis.importance.surrogate import (
    curves,
    estimate,
    importances,
    interactions,
    noise,
    ranks,
    resamples,
    skill,
)
from analysis.importance.targets import targets
from analysis.trials import Study, Trial
from vlatent.console import tracked
from vlatent.search_space import Axis

FEWEST = 10  # trials: below, folds of two trials decide
STEPS = 25  # points of a curve
FEWEST_APART = 5  # trials that differ from all others: below, some folds have none
LEVEL = 0.05  # share of targets without signal in which some may be found
AT_THE_TOP = 5  # trials that PED-ANOVA compares with all: Optuna advises no fewer

Direction = Literal["maximize", "minimize"]
NullR2 = dict[tuple[bytes, bytes], Column]  # R2 of noise, by parameters and ties of the target


def importance(study: Study, seed: int = 0, progress: Progress | None = None) -> Importance:
    """Importance of the parameters, for every target, among complete and among feasible trials.

    A pruned trial was measured earlier in its run than the others, so its numbers are not
    compared with theirs: it counts only for the target whether a trial was trained to the end.

    Args:
        study: The study.
        seed: Seed of folds, forests and resamples; the same seed gives the same numbers.
        progress: Where to show how far it is.
    """
    null_r2: NullR2 = {}
    findings = [
        _finding(target, study.space, seed, null_r2)
        for target in tracked(list(targets(study)), "targets", progress)
    ]
    states = [trial.state for trial in study.trials]
    return Importance(
        study=study.name,
        question=study.result.text,
        space=study.space,
        states={state: states.count(state) for state in ("complete", "pruned", "failed")}
        | {"feasible": sum(trial.feasible for trial in study.trials)},
        findings=tuple(findings),
    )


def _finding(target: Target, space: Mapping[str, Axis], seed: int, null_r2: NullR2) -> Finding:
    count = len(target.trials)
    if count < FEWEST:
        return Finding(target, f"{count} trials are too few, {FEWEST} are needed")
    apart = count - int(np.unique(target.values, return_counts=True)[1].max())
    if not apart:
        return Finding(target, "the same in every trial")
    if apart < FEWEST_APART:
        return Finding(target, "the same in all but a few trials")
    x = inputs(target.trials, space)
    y = ranks(target.values)
    r2 = skill(x, y, seed)
    if not _signal(r2, x, y, seed, null_r2):
        return Finding(target, "too little signal to predict", r2)
    return Finding(
        target=target,
        silent="",
        r2=r2,
        forest=importances(x, y, seed),
        fanova=_shares(
            target, space, seed, lambda k: FanovaImportanceEvaluator(n_trees=16, seed=seed + k)
        ),
        ped_anova=_shares(
            *(target, space, seed),
            lambda _: PedAnovaImportanceEvaluator(target_quantile=max(0.1, AT_THE_TOP / count)),
        ),
        curves=curves(x, y, target.values, _steps(space), seed),
        interactions=interactions(x, y, seed),
    )


def _signal(r2: Estimate, x: Inputs, y: Column, seed: int, null_r2: NullR2) -> bool:
    """Decide whether anything may be said about the parameters at all.

    R2 must lie above 0 with its whole interval, and above all but 5 % of the studies in which the
    target is dealt to the trials anew. The second is a permutation test, so a target that has
    nothing to do with the parameters is taken for one that has in at most 5 % of all cases,
    whatever its distribution. The first guards the importances, which say nothing where a forest
    is hardly better than the mean; together they are wrong in fewer cases still (see the tests).
    """
    if not r2.above_zero:
        return False
    key = (x.tobytes(), np.sort(y).tobytes())
    if key not in null_r2:
        null_r2[key] = noise(x, y, seed)
    p = (1 + np.sum(null_r2[key] >= r2.value)) / (1 + len(null_r2[key]))
    return bool(p <= LEVEL)


def inputs(trials: Sequence[Trial], space: Mapping[str, Axis]) -> Inputs:
    """Place of every value on its scale, 0 to 1: even in the logarithm where the search was."""
    return np.array(
        [[axis.position(trial.params[name]) for name, axis in space.items()] for trial in trials]
    )


def _steps(space: Mapping[str, Axis]) -> list[Float[np.ndarray, " step"]]:
    return [np.linspace(0, 1, len(axis.values) or STEPS) for axis in space.values()]


def _shares(
    target: Target,
    space: Mapping[str, Axis],
    seed: int,
    evaluator: Callable[[int], BaseImportanceEvaluator],
) -> tuple[Estimate, ...]:
    """Importances by one of Optuna's evaluators, with intervals from resamples of the trials."""
    worth = ranks(target.values)
    direction: Direction = "maximize" if target.better == "higher" else "minimize"
    rows = inputs(target.trials, space)
    distributions = {name: _distribution(axis) for name, axis in space.items()}

    def shares(k: int, weight: Column) -> list[float]:
        kept = np.repeat(np.arange(len(worth)), weight.astype(int))
        if np.ptp(worth[kept]) == 0:
            return [0.0] * len(space)
        study = optuna.create_study(direction=direction)
        study.add_trials(
            create_trial(
                params=dict(zip(space, rows[row].tolist(), strict=True)),
                distributions=distributions,
                value=float(worth[row]),
            )
            for row in kept
        )
        with warnings.catch_warnings(action="ignore"):  # few trials: that is what intervals say
            importances_of = get_param_importances(study, evaluator=evaluator(k))
        return [float(importances_of[name]) for name in space]

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    values = shares(0, np.ones(len(worth)))
    again = np.array([shares(k, weight) for k, weight in resamples(len(worth), seed)])
    return tuple(
        estimate(value, column).within(0, 1) for value, column in zip(values, again.T, strict=True)
    )


def _distribution(axis: Axis) -> BaseDistribution:
    """Distribution of places on the scale: fANOVA takes its values as even, logarithmic or not."""
    if axis.values:
        return CategoricalDistribution([axis.position(value) for value in axis.values])
    return FloatDistribution(0.0, 1.0)
