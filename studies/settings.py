"""How a search is done: the flags `--study.*`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt

from vlatent.runtime.addresses import without_password
from vlatent.runtime.settings import WorkSettings

MOST_SEEDS = 1_000  # of a confirmation: those of the test lie beyond


@dataclass(frozen=True, kw_only=True)
class StudyConfig(WorkSettings):
    """How the search is done.

    Attributes:
        trials: Budget of the whole study; the same command continues up to it.
        hours: Wall-clock hours after which the whole study should be done: the search begins no
            trial once confirmation and test, at its pace, need the rest. Breaks between commands
            do not count; with more hours it goes on.
        storage: Optuna's database: a file (sqlite:///studies.db) or a server that many machines
            share (postgresql+psycopg://user@host/database).
        sampler: Which of Optuna's samplers suggests values.
        sampler_arguments: Its own arguments, as --study.sampler_arguments.n_startup_trials 20.
        pruner: Who stops trials early: `criteria`, by how far from passing they are, or one of
            Optuna's, by their score; `none` trains all to the end.
        pruner_arguments: Its own arguments; all but `wilcoxon` also take `patience`, evaluations
            without improvement before a trial may be stopped.
        seed: Seed of the sampler.
        space: What is searched of a value, by its name: [low, high], or some of its choices.
        warm_start: Study of the same storage, whose best trials are tried first.
        rehearse: Screen 128 loss weight vectors without an encoder, in half a minute, and try so
            many of the best first. If not given, an eighth of the trials where that foretells them.
        stagnation: End the study when so many trials in a row bring no better.
        confirm: Number of top trials to retrain on seeds the search never saw.
        confirmation_seeds: Number of these seeds; below 2 there is no interval.
        confirmation: `equal`, the same seeds for all, or `racing`, at most as many runs: every
            round the better half stays, until the leader is ahead of all that stay (error 5 %).
        test: Number of seeds, used nowhere else, on which the trial that leads after confirmation
            is judged once more, on sentences that no choice has seen; 0 keeps them for later.
        verify: Another config, by name or path, on which the values of the trial that leads, and
            those of trial 0, are trained too and judged on the test set. Of a finished study the
            same command with this flag trains nothing else.
        verify_seeds: Number of seeds of that.
        heartbeat: Seconds between two heartbeats of a worker; after four missed ones its trial is
            given to another.
        retries: How often a trial is begun again whose worker died.
    """

    section: ClassVar[str] = "study"
    most: ClassVar[Mapping[str, float]] = {
        **WorkSettings.most,
        "trials": 10**6,
        "rehearse": 128,
        "confirm": 1_000,
        "confirmation_seeds": MOST_SEEDS,
        "test": MOST_SEEDS,
        "verify_seeds": MOST_SEEDS,
        "heartbeat": 86_400,
    }

    trials: PositiveInt = 40
    hours: PositiveFloat | None = None
    storage: str = "sqlite:///studies.db"
    sampler: Literal["tpe", "gp", "cmaes", "qmc", "nsga2", "nsga3", "random", "grid"] = "tpe"
    sampler_arguments: dict[str, Any] = field(default_factory=dict)
    pruner: Literal["criteria", "median", "hyperband", "wilcoxon", "none"] = "criteria"
    pruner_arguments: dict[str, Any] = field(default_factory=dict)
    seed: NonNegativeInt = 0
    space: dict[str, list[float]] = field(default_factory=dict)
    warm_start: str | None = None
    rehearse: NonNegativeInt | None = None
    stagnation: PositiveInt | None = None
    confirm: NonNegativeInt = 3
    confirmation_seeds: PositiveInt = 5
    confirmation: Literal["equal", "racing"] = "equal"
    test: NonNegativeInt = 3
    verify: str | None = None
    verify_seeds: PositiveInt = 3
    heartbeat: PositiveInt = 15
    retries: NonNegativeInt = 3


def storage_flag(url: str) -> str:
    """What names a storage to another command; nothing for the usual one."""
    usual = url == StudyConfig().storage
    return "" if usual else f" --storage {shlex.quote(without_password(url))}"
