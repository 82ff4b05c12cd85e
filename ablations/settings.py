"""How an ablation is done: the flags `--ablation.*`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveInt

from vlatent.bounds import require_bounds
from vlatent.names import LONGEST, checked_name


@dataclass(frozen=True, kw_only=True)
class AblationConfig:
    """How an ablation is done.

    Attributes:
        name: Of its folder and its run in the tracker; null takes that of the script.
        arms: Names of the arms to train beside the base; none takes all.
        seeds: Runs of every arm. With fewer than 6 nothing can be established, with fewer than 8
            nothing in a family of six arms.
        first_seed: The first of them; those below are for the searches that found the weights.
        from_study: Begin from the best config that this study wrote, instead of --config.
        retune: Trials with which the other weights are searched again once a prior is left out:
            those of the base were found for the full set, which favours it. 0 leaves the arm away.
        plan: Say what would be trained and what it could show, and stop.
        report: Train nothing, and report on the cells that are known.
        again: Train cells again that failed.
        storage: Where finished cells are kept: a file (sqlite:///ablations.db) or a server that
            many machines share (postgresql+psycopg://user@host/database).
        workers: Processes that train cells here; they share the cores.
        launcher: `processes` on this machine, or tasks of a `ray` cluster.
        cpus: Processors of a worker on Ray.
        gpus: Share of a GPU of a worker on Ray.
        retries: How often a cell is begun again whose worker died or ran into an error.
        folder: Where checkpoints, tables and pictures go.
    """

    name: str | None = None
    arms: list[str] = field(default_factory=list)
    seeds: PositiveInt = 8
    first_seed: NonNegativeInt = 100
    from_study: str | None = None
    retune: NonNegativeInt = 0
    plan: bool = False
    report: bool = False
    again: bool = False
    storage: str = "sqlite:///ablations.db"
    workers: PositiveInt = 1
    launcher: Literal["processes", "ray"] = "processes"
    cpus: NonNegativeFloat = 1.0
    gpus: NonNegativeFloat = 0.0
    retries: NonNegativeInt = 2
    folder: Path = Path("runs")

    def __post_init__(self) -> None:
        most = {"seeds": 10_000, "retune": 10**6, "workers": 1_000, "cpus": 10_000, "gpus": 10_000}
        require_bounds("ablation", self, most=most | {"retries": 1_000})
        checked_name("ablation.name", self.name, LONGEST - 30)  # studies that retune it add to it
