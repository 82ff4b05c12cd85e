"""How a search is done: the flags `--study.*`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveInt

from vlatent.bounds import require_bounds
from vlatent.names import checked_name


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """How the search is done.

    Attributes:
        name: Name of the study; null takes that of the question.
        trials: Budget of the whole study: running the command again continues up to it.
        storage: Optuna's database: a file (sqlite:///studies.db) or a server that many machines
            share (postgresql+psycopg://user@host/database).
        workers: Processes that train trials here; they share the cores.
        launcher: `processes` on this machine, or tasks of a `ray` cluster.
        cpus: Processors of a worker on Ray.
        gpus: Share of a GPU of a worker on Ray.
        sampler: Which of Optuna's samplers suggests values.
        sampler_arguments: Its own arguments, as --study.sampler_arguments.n_startup_trials 20.
        pruner: Which of Optuna's pruners stops trials early; `none` trains all to the end.
        pruner_arguments: Its own arguments; `median` and `hyperband` also take `patience`,
            evaluations without improvement before a trial may be stopped.
        seed: Seed of the sampler.
        space: What is searched of a value, by its name: [low, high], or some of its choices.
        warm_start: Another study in the same storage, whose best trials are tried first.
        rehearse: Screen 256 weight vectors by the priors alone, without an encoder, and try so many
            of the best first. Takes a minute; only where loss weights are searched.
        stagnation: End the study when so many trials in a row brought no better one.
        confirm: So many of the best trials are trained again on seeds the search never saw.
        confirmation_seeds: How many seeds; below 2 there is no interval.
        heartbeat: Seconds between signs of life of a worker; after four without one its trial is
            given to another.
        retries: How often a trial is begun again whose worker died.
        folder: Where the trials' folders and the best config go.
    """

    name: str | None = None
    trials: PositiveInt = 40
    storage: str = "sqlite:///studies.db"
    workers: PositiveInt = 1
    launcher: Literal["processes", "ray"] = "processes"
    cpus: NonNegativeFloat = 1.0
    gpus: NonNegativeFloat = 0.0
    sampler: Literal["tpe", "gp", "cmaes", "qmc", "nsga2", "nsga3", "random", "grid"] = "tpe"
    sampler_arguments: dict[str, Any] = field(default_factory=dict)
    pruner: Literal["median", "hyperband", "wilcoxon", "none"] = "median"
    pruner_arguments: dict[str, Any] = field(default_factory=dict)
    seed: NonNegativeInt = 0
    space: dict[str, list[float]] = field(default_factory=dict)
    warm_start: str | None = None
    rehearse: NonNegativeInt = 0
    stagnation: PositiveInt | None = None
    confirm: NonNegativeInt = 3
    confirmation_seeds: PositiveInt = 5
    heartbeat: PositiveInt = 15
    retries: NonNegativeInt = 3
    folder: Path = Path("runs")

    def __post_init__(self) -> None:
        most = {"trials": 10**6, "workers": 1_000, "cpus": 10_000, "gpus": 10_000}
        most |= {"rehearse": 256, "confirm": 1_000, "confirmation_seeds": 1_000, "retries": 1_000}
        most["heartbeat"] = 86_400
        require_bounds("study", self, most=most)
        checked_name("study.name", self.name)
