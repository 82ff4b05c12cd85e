"""Searches that `benchmarks/others.py` compares, each on one problem with one seed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence

import numpy as np
import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState

from benchmarks.problems import CURVES, EVALUATIONS, Curves, Parameter, Problem, Values
from studies.search import pruner, sampler
from studies.settings import StudyConfig

OURS = StudyConfig()
STEPS = 1_000  # of a trial with a learning curve
FULL_TRIALS = 20  # steps of so many whole trials are the budget of a search with a pruner

# The sampler of a trial, by the seed of the search and the trial's number; kept where it has state.
Sampling = Callable[[int], Callable[[int], BaseSampler]]


def _ours(settings: StudyConfig) -> Callable[[int], BaseSampler]:
    return lambda number: sampler(settings, {}, number)


def _kept(made: BaseSampler) -> Callable[[int], BaseSampler]:
    return lambda number: made


SAMPLERS: dict[str, Sampling] = {
    "ours": lambda seed: _ours(StudyConfig(seed=seed)),
    "ours, gp": lambda seed: _ours(StudyConfig(seed=seed, sampler="gp")),
    "random": lambda seed: _kept(RandomSampler(seed=seed)),
    "Optuna's default": lambda seed: _kept(TPESampler(seed=seed)),
}
PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "ours": lambda: pruner(OURS, STEPS),
    "none": NopPruner,
    "Optuna's default": MedianPruner,
    "hyperband": lambda: HyperbandPruner(min_resource=STEPS // EVALUATIONS, max_resource=STEPS),
}


BESIDE = ("random", "Optuna's default", "SMAC3")


def arms(suite: str, beside: Sequence[str] = BESIDE) -> tuple[str, ...]:
    """The searches that are compared on a suite, ours first."""
    return tuple(PRUNERS) if suite in CURVES else ("ours", *beside)


def searched(problem: Problem, arm: str, seed: int, trials: int) -> tuple[float, float]:
    """What the trial that a search names is truly worth: its violation, then its loss.

    It names the trial that it saw best: the lowest loss of those that violate nothing, else the
    smallest violation.
    """
    search = _smac if arm == "SMAC3" else _optuna
    seen = search(problem, arm, seed, trials)
    best = min(
        seen, key=lambda each: (violation(each[2]), each[1] if not violation(each[2]) else 0)
    )
    return problem.truth(best[0])


Seen = list[tuple[dict[str, float], float, list[float]]]  # values, loss, constraints of each trial


def violation(constraints: list[float]) -> float:
    return sum(max(value, 0.0) for value in constraints)


def _optuna(problem: Problem, arm: str, seed: int, trials: int) -> Seen:
    choose = SAMPLERS[arm](seed)
    seen: Seen = []
    study = optuna.create_study(sampler=choose(0))
    for number in range(trials):
        study.sampler = choose(number)
        trial = study.ask()
        values = {name: suggested(trial, name, it) for name, it in problem.space.items()}
        loss, constraints = problem.observe(values)
        for index, value in enumerate(constraints):
            trial.set_constraint(f"constraint {index}", value)
        study.tell(trial, loss)
        seen.append((values, loss, constraints))
    return seen


def suggested(trial: Trial, name: str, its: Parameter) -> float:
    if its.kind == "number":
        return trial.suggest_float(name, its.low, its.high)
    if its.kind == "ordered":
        return trial.suggest_int(name, int(its.low), int(its.high))
    return float(trial.suggest_categorical(name, list(range(int(its.high) + 1))))


def _smac(problem: Problem, arm: str, seed: int, trials: int) -> Seen:
    """SMAC3's facade for hyper-parameters; what violates costs the worst loss and its violation."""
    from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer
    from smac import HyperparameterOptimizationFacade, Scenario
    from smac.runhistory.dataclasses import TrialValue

    kinds = {
        "number": lambda name, its: Float(name, (its.low, its.high)),
        "ordered": lambda name, its: Integer(name, (int(its.low), int(its.high))),
        "choice": lambda name, its: Categorical(name, list(range(int(its.high) + 1))),
    }
    space = ConfigurationSpace(seed=seed)
    space.add([kinds[its.kind](name, its) for name, its in problem.space.items()])
    seen: Seen = []
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(
            space, deterministic=True, n_trials=trials, seed=seed, output_directory=folder
        )
        smac = HyperparameterOptimizationFacade(
            scenario, lambda config, seed: 0.0, logging_level=False, overwrite=True
        )
        for _ in range(trials):
            asked = smac.ask()
            values = {name: float(asked.config[name]) for name in problem.space}
            loss, constraints = problem.observe(values)
            seen.append((values, loss, constraints))
            worst = max(each[1] for each in seen)
            beyond = violation(constraints)
            smac.tell(asked, TrialValue(cost=worst + beyond if beyond else loss))
    return seen


def pruned(kind: str, name: str, arm: str, seed: int) -> tuple[float, float]:
    """What the best whole trial of a random search with this pruner is truly worth, as a loss.

    All pruners see the same trials in the same order, until the same number of steps is trained.
    """
    curves, draw = CURVES[kind], np.random.default_rng([int(name), seed])
    optimum = {f"x{index}": float(draw.uniform()) for index in range(3)}
    study = optuna.create_study(
        study_name=f"{kind} {name} {seed}",  # by which hyperband chooses a trial's bracket
        direction="maximize",
        sampler=RandomSampler(seed=int(draw.integers(2**31))),
        pruner=PRUNERS[arm](),
    )
    left, best = FULL_TRIALS * STEPS, (-np.inf, np.inf)
    while left >= STEPS:
        trial = study.ask()
        values = {each: trial.suggest_float(each, 0, 1) for each in optimum}
        values["rate"] = trial.suggest_float("rate", 0.1, 0.8)
        values["drop"] = trial.suggest_float("drop", 0.1, 0.4)
        noise = curves.noise * draw.standard_normal(EVALUATIONS)
        spent, score = _trained(trial, curves, values, optimum, noise)
        left -= spent
        if score is None:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, score)
            best = max(best, (score, -curves.final(values, optimum)))
    return 0.0, float(best[1])


def _trained(
    trial: Trial, curves: Curves, values: Values, optimum: Values, noise: np.ndarray
) -> tuple[int, float | None]:
    """Steps of a trial, and its last score; None if it was pruned."""
    for evaluation in range(1, EVALUATIONS + 1):
        score = curves.score(values, optimum, evaluation) + float(noise[evaluation - 1])
        step = evaluation * STEPS // EVALUATIONS
        trial.report(score, step)
        if trial.should_prune() and evaluation < EVALUATIONS:
            return step, None
    return STEPS, score
