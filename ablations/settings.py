"""How an ablation is done: the flags `--ablation.*`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from jsonargparse.typing import NonNegativeInt, PositiveInt

from vlatent.names import LONGEST
from vlatent.runtime.settings import WorkSettings


@dataclass(frozen=True, kw_only=True)
class AblationConfig(WorkSettings):
    """How an ablation is done.

    Attributes:
        arms: Names of the arms to train beside the base; none takes all. p is corrected for every
            arm of their families, also for those that are not trained.
        seeds: Runs of every arm. With fewer than 6 nothing can be established, with fewer than 9
            nothing in a family of seven arms, one a prior.
        first_seed: The first of them; those below are for the searches that found the weights.
        from_study: Begin from the best config that this study wrote, instead of --config.
        retune: Trials with which the other weights are searched again once a prior is left out:
            those of the base were found for the full set, which favours it. 0 omits the arm.
        plan: Print what would be trained and what it could show, and stop.
        report: Train nothing, and report on the cells that are finished.
        again: Train failed cells again.
        storage: Where finished cells are kept: a file (sqlite:///ablations.db) or a server that
            many machines share (postgresql+psycopg://user@host/database).
        retries: How often a cell is begun again whose worker died or ran into an error.
    """

    section: ClassVar[str] = "ablation"
    most: ClassVar[Mapping[str, float]] = {**WorkSettings.most, "seeds": 10_000, "retune": 10**6}
    longest_name: ClassVar[int] = LONGEST - 30  # studies that retune it add to it

    arms: list[str] = field(default_factory=list)
    seeds: PositiveInt = 9
    first_seed: NonNegativeInt = 100
    from_study: str | None = None
    retune: NonNegativeInt = 0
    plan: bool = False
    report: bool = False
    again: bool = False
    storage: str = "sqlite:///ablations.db"
    retries: NonNegativeInt = 2
