"""Samplers and pruners by name, every argument named so that it stays what was recorded."""

from __future__ import annotations

import copy
import inspect
import math
import warnings
from collections.abc import Callable, Container, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from studies.pruning import CriteriaPruner
from studies.question import Range, Space
from studies.record import continued
from studies.settings import StudyConfig
from vlatent.shapes import UserError

POINTS = 3  # values that a grid tries of a range


class Tpe(optuna.samplers.TPESampler):
    """Optuna's TPE, to which a trial that was begun again is one trial, in its place in line.

    A revived trial is what continues it: where it was pruned its values would stand among the worse
    ones a second time. And as TPE goes through trials by their numbers, what continues a trial
    would change what is drawn, by its later number.
    """

    def _sample(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        trials = study.get_trials(deepcopy=False)
        gone = continued(trials) | {trial.number}
        others = [_in_place(each) for each in trials if each.number not in gone]

        def seen(states: Container[TrialState], **_: Any) -> list[FrozenTrial]:
            return [each for each in others if each.state in states]

        apart = copy.copy(study)
        apart._get_trials = seen  # type: ignore[assignment, method-assign]
        return super()._sample(apart, trial, search_space)


def _in_place(trial: FrozenTrial) -> FrozenTrial:
    """A trial with its place in line as its number."""
    placed = copy.copy(trial)
    placed.number = trial.user_attrs.get("ordinal", trial.number)
    return placed


SAMPLERS: dict[str, tuple[Callable[..., BaseSampler], dict[str, Any]]] = {
    "tpe": (
        Tpe,
        {"n_startup_trials": 10, "multivariate": True, "group": False, "constant_liar": True},
    ),
    "gp": (
        optuna.samplers.GPSampler,
        {"n_startup_trials": 10, "deterministic_objective": False},
    ),
    "cmaes": (optuna.samplers.CmaEsSampler, {"n_startup_trials": 5}),
    "qmc": (optuna.samplers.QMCSampler, {"qmc_type": "sobol", "scramble": True}),
    "nsga2": (optuna.samplers.NSGAIISampler, {"population_size": 12}),
    "nsga3": (optuna.samplers.NSGAIIISampler, {"population_size": 12}),
    "random": (optuna.samplers.RandomSampler, {}),
    "grid": (optuna.samplers.GridSampler, {}),
}
# One sequence for the whole study: another seed for every trial would tear it up.
SEQUENCES = ("qmc", "grid")
# They look at the score alone, in which the worst margin counts for less than one channel.
WITHOUT_CONSTRAINTS = ("cmaes", "qmc", "random", "grid")


def sampler(settings: StudyConfig, space: Space, ordinal: int) -> BaseSampler:
    """The sampler of the trial that is the study's `ordinal`-th.

    It depends on the study's seed and finished trials alone, so an interrupted study goes on as if
    it had not been interrupted, and no two workers draw the same.

    Raises:
        UserError: An argument that it does not have, or does not take.
    """
    make, arguments = SAMPLERS[settings.sampler]
    seed = int(np.random.SeedSequence((settings.seed, ordinal)).generate_state(1)[0])
    if settings.sampler in SEQUENCES:
        seed = settings.seed
    if settings.sampler == "grid":
        arguments = {"search_space": grid(space)}
    given = arguments | settings.sampler_arguments | {"seed": seed}
    return _made(make, given, "sampler", settings.sampler, settings.sampler_arguments)


def pruner(settings: StudyConfig, steps: int) -> BasePruner:
    """The pruner; no trial is judged by a median in its first 40 %.

    Raises:
        UserError: An argument that it does not have, or does not take.
    """
    arguments = dict(settings.pruner_arguments)
    patience = 0 if settings.pruner in ("wilcoxon", "none") else arguments.pop("patience", None)
    median = {"n_startup_trials": 4, "n_warmup_steps": int(0.4 * steps), "n_min_trials": 3}
    pruners: dict[str, tuple[Callable[..., BasePruner], dict[str, Any]]] = {
        "none": (optuna.pruners.NopPruner, {}),
        "criteria": (CriteriaPruner, median),
        "median": (optuna.pruners.MedianPruner, median),
        "hyperband": (
            optuna.pruners.HyperbandPruner,
            {"min_resource": max(1, steps // 9), "max_resource": steps, "reduction_factor": 3},
        ),
        "wilcoxon": (optuna.pruners.WilcoxonPruner, {"p_threshold": 0.1, "n_startup_steps": 2}),
    }
    make, defaults = pruners[settings.pruner]
    made = _made(make, defaults | arguments, "pruner", settings.pruner, arguments)
    if not patience:
        return made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.pruners.PatientPruner(made, patience=int(patience))


def grid(space: Space) -> dict[str, list[float]]:
    """Every choice, and a few points of every range, its ends among them."""
    points: dict[str, list[float]] = {}
    for name, values in space.items():
        if not isinstance(values, Range):
            points[name] = list(values.values)
        elif values.log:
            points[name] = np.geomspace(values.low, values.high, POINTS).tolist()
        else:
            points[name] = np.linspace(values.low, values.high, POINTS).tolist()
    return points


def grid_size(space: Space) -> int:
    return math.prod(map(len, grid(space).values()))


def described(settings: StudyConfig, steps: int) -> dict[str, object]:
    """The search in full, for the record: names and every argument."""
    arguments = SAMPLERS[settings.sampler][1] | settings.sampler_arguments
    return {f"sampler.{name}": value for name, value in arguments.items()} | {
        "pruner.object": _words(pruner(settings, steps)),
        "sampler.honours_constraints": settings.sampler not in WITHOUT_CONSTRAINTS,
    }


def _words(made: BasePruner) -> str:
    inner = {
        name.lstrip("_"): value
        for name, value in vars(made).items()
        if isinstance(value, int | float | str)
    }
    return f"{type(made).__name__}({', '.join(f'{k}={v}' for k, v in inner.items())})"


def _made(
    make: Callable[..., Any],
    arguments: Mapping[str, Any],
    kind: str,
    name: str,
    given: Mapping[str, Any],
) -> Any:
    valid = [name for name in inspect.signature(make).parameters if name != "seed"]
    unknown = [name for name in given if name not in valid]
    if unknown:
        raise UserError(
            f"study.{kind}_arguments has no {unknown[0]}; {name} takes {', '.join(valid)}."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return make(**arguments)
    except ImportError as error:
        raise UserError(f"study.{kind} {name} needs another package: {error}") from None
    except (TypeError, ValueError) as error:
        raise UserError(f"study.{kind}_arguments do not fit {name}: {error}") from None
