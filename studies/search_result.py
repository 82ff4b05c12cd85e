"""What the search of a study came to, as data: objectives, counts and trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vlatent.evaluation import Criterion
from vlatent.formatting import duration


@dataclass(frozen=True)
class Objective:
    """A number that a study makes as large, or as small, as it can.

    Attributes:
        name: Short name, for the tracker and for legends.
        label: What it is, with its unit, for tables and axes.
        maximize: Whether more is better.
        scale: How its axis is divided; "symlog" is even near 0 and logarithmic beyond.
        limit: The value from which on, towards the better, the criteria behind it hold; None
            where there are none.
    """

    name: str
    label: str
    maximize: bool
    scale: Literal["linear", "log", "symlog"] = "linear"
    limit: float | None = None


@dataclass(frozen=True)
class Cost:
    """What trials have cost, interrupted and failed ones too.

    Attributes:
        steps: Steps trained, of the config's own batch size; what was resumed counts once.
        seconds: Seconds of training; those of workers beside each other are added up.
        saved: Steps that pruning saved.
    """

    steps: int
    seconds: float
    saved: int = 0

    @property
    def words(self) -> str:
        return f"{self.steps:,} steps, {duration(self.seconds)}"


@dataclass(frozen=True)
class Counts:
    """How many trials of the budget ended how.

    The `feasible` ones are among the complete, the `revived` among all: pruned once, they went on.
    """

    complete: int
    pruned: int
    failed: int
    feasible: int
    revived: int = 0

    @property
    def stopped(self) -> str:
        """How many were pruned, and revived if any: `7 pruned, 2 revived`."""
        return f"{self.pruned} pruned" + (f", {self.revived} revived" if self.revived else "")


@dataclass(frozen=True)
class TrialResult:
    """A trial that was trained to the end.

    Attributes:
        number: Its number in the search.
        params: The searched values.
        values: One number an objective.
        feasible: Whether it passes every criterion.
        criteria: The lines of its verdict.
        steps_to_pass: Step from which all criteria held, in its own steps; None if they did not.
        run_id: Its run in the tracker.
    """

    number: int
    params: dict[str, object]
    values: tuple[float, ...]
    feasible: bool
    criteria: tuple[Criterion, ...]
    steps_to_pass: int | None
    run_id: str | None
